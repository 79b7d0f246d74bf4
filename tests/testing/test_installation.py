"""The installation of a test: users' tests in process, the clock, and what is refused."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from edgecache.testing.distribution_document import RefusedDocumentError
from edgecache.testing.installation import CREATED, Edgecache, open_edgecache
from tests.testing.transcript import Case, Line, cases, differences, transcript


@pytest.fixture
def edgecache() -> Iterator[Edgecache]:
    made = open_edgecache()
    yield made
    made.close()


def test_there_are_forty_cases() -> None:
    assert len(cases()) >= 40


@pytest.mark.parametrize("case", cases(), ids=lambda case: case.__name__)
def test_a_users_test_in_process(case: Case, edgecache: Edgecache) -> None:
    case(edgecache)


@pytest.mark.parametrize("case", cases()[:5], ids=lambda case: case.__name__)
def test_a_test_is_the_same_each_time(case: Case) -> None:
    told = []
    for _ in range(2):
        made = open_edgecache()
        case(made)
        told.append(transcript(made))
        made.close()
    assert differences(*told) == []


def test_transcripts_that_differ_do() -> None:
    assert differences([Line("a", (1,))], [Line("a", (10,))]) == []
    assert len(differences([Line("a", (1,))], [Line("a", (100,))])) == 2
    assert len(differences([Line("a")], [Line("b")])) == 2
    assert len(differences([Line("a")], [])) == 2


def test_a_week_passes_without_waiting(edgecache: Edgecache) -> None:
    """24 hours of a TTL, 7 days of stale-if-error, the end of a signed URL, and a lease."""
    began = time.monotonic()
    key = edgecache.signing_key()
    behavior = {"TrustedKeyGroups": [key.group]}
    origin = edgecache.origin(cache_control="stale-if-error=604800")
    site = edgecache.distribution(origins=origin, DefaultCacheBehavior=behavior)
    url = key.url(f"https://{site.domain_name}/a", lasts="30d")
    brief = key.url(f"https://{site.domain_name}/a", lasts="1h")
    assert site.get(url).miss
    assert site.get(brief).hit
    assert site.get(brief).hit  # whose lease was learned with the hit before
    edgecache.clock.advance("1h 1s")
    assert site.get(brief).status == 403
    edgecache.clock.advance("22h 50m")
    assert site.get(url).hit
    origin.answers(status=503)
    edgecache.clock.advance("6d")
    assert site.get(url).stale
    edgecache.clock.advance("2d")
    assert site.get(url).status == 503
    assert time.monotonic() - began < 5


def test_time_passes_while_an_origin_takes_it(edgecache: Edgecache) -> None:
    site = edgecache.distribution(origins=edgecache.origin(delay="20s"))
    before = edgecache.clock.now()
    assert site.get("/a").status == 200
    assert 20 <= edgecache.clock.now() - before < 21


def test_an_origin_that_is_too_late(edgecache: Edgecache) -> None:
    """30 seconds, asked three times: CloudFront's defaults."""
    origin = edgecache.origin(delay="40s")
    site = edgecache.distribution(origins=origin)
    assert site.get("/a").status == 504
    assert origin.count() == 3


def test_what_was_cut_off_is_not_stored(edgecache: Edgecache) -> None:
    """How much of it a viewer gets before is chance over sockets: no case to compare."""
    body = "0123456789" * 100
    origin = edgecache.origin(body=body).answers("/a", body=body, cut=400, times=1)
    site = edgecache.distribution(origins=origin)
    first = site.get("/a")
    assert first.status == 502 or not first.is_whole
    edgecache.clock.advance("11s")
    assert site.get("/a").text == body


@pytest.mark.parametrize("by", [-1, "-1h", "soon", float("inf"), float("nan"), None])
def test_the_clock_is_moved_forwards_alone(edgecache: Edgecache, by: Any) -> None:
    before = edgecache.clock.now()
    with pytest.raises(ValueError, match="advance"):
        edgecache.clock.advance(by)
    assert edgecache.clock.now() == before


def test_what_a_test_asks_inside_of_an_event_loop(edgecache: Edgecache) -> None:
    """As a test of an asynchronous program does."""
    site = edgecache.distribution(origins=edgecache.origin())

    async def ask() -> bool:
        return site.get("/a").miss

    assert asyncio.run(ask())
    assert site.get("/a").hit


def test_every_problem_of_a_document_is_told(edgecache: Edgecache) -> None:
    with pytest.raises(RefusedDocumentError) as caught:
        edgecache.distribution({
            "Origins": [{"Id": "a", "DomainName": "a.test", "CustomOriginConfg": {}}],
            "DefaultCacheBehavior": {"TargetOriginId": 7, "ViewerProtocolPolicy": "any"},
            "Enabled": "yes",
        })  # fmt: skip
    assert caught.value.problems == [
        "Origins.Items[0].CustomOriginConfg: no such member (did you mean CustomOriginConfig?)",
        "DefaultCacheBehavior.TargetOriginId: expected string, got 7",
        "DefaultCacheBehavior.ViewerProtocolPolicy: 'any' is not one of"
        " allow-all, https-only, redirect-to-https",
        "Enabled: expected boolean, got 'yes'",
    ]


def test_what_composition_refuses_is_told_whole(edgecache: Edgecache) -> None:
    with pytest.raises(RefusedDocumentError) as caught:
        edgecache.distribution(
            origins=edgecache.origin(),
            DefaultCacheBehavior={"TargetOriginId": "img"},
            CacheBehaviors=[{"PathPattern": "/a", "TargetOriginId": "video"}],
        )
    assert len(caught.value.problems) == 2
    assert "img" in str(caught.value)
    assert "video" in str(caught.value)
    assert edgecache.distribution(origins=edgecache.origin()).get("/a").miss, (
        "nothing is left of it"
    )


REFUSED: list[tuple[dict[str, Any], str]] = [
    ({"origins": {"b": "http://127.0.0.1:1"}}, "in_process cannot reach"),
    ({"origins": {"b": "ftp://x"}}, "neither an origin nor"),
    ({"document": {"Resources": {}}}, "a CloudFormation template is for edgecache.template"),
    ({"document": "missing.json"}, "no such file or directory"),
    ({"document": 7}, "int is no DistributionConfig"),
    ({"DefaultCacheBehavior": {"GrpcConfig": {"Enabled": True}}}, "gRPC wants origins"),
    ({"DefaultCacheBehavior": {"CachePolicyId": "x"}}, "'x' is not a policy that is known here"),
    ({"DefaultCacheBehavior": {"FieldLevelEncryptionId": "x"}}, "not supported"),
    ({"Aliases": {"Quantity": 2, "Items": ["a.test"]}}, "Aliases.Quantity: 2, but there are 1"),
]


@pytest.mark.parametrize(("given", "words"), REFUSED, ids=[words for _, words in REFUSED])
def test_what_is_refused(edgecache: Edgecache, given: dict[str, Any], words: str) -> None:
    with pytest.raises(RefusedDocumentError) as caught:
        edgecache.distribution(**{"origins": edgecache.origin(), **given})
    assert words.replace('"', "'") in str(caught.value).replace('"', "'")


def test_origins_are_those_of_the_document(edgecache: Edgecache, tmp_path: Path) -> None:
    document = {
        "Origins": [
            {"Id": id, "DomainName": f"{id}.s3.us-east-1.amazonaws.com", "S3OriginConfig": {
                "OriginAccessIdentity": ""}}
            for id in ("one", "two")
        ],
        "DefaultCacheBehavior": {
            "TargetOriginId": "one", "ViewerProtocolPolicy": "allow-all",
            "CachePolicyId": "658327ea-f89d-4fab-a63d-7e88639e58f6",
        },
    }  # fmt: skip
    origin = edgecache.origin()
    with pytest.raises(RefusedDocumentError) as caught:
        edgecache.distribution(document, origins={"one": origin, "three": origin})
    assert caught.value.problems == [
        "origins['three']: not in the document ('one', 'two')",
        "origins['two']: missing: which origin stands for two.s3.us-east-1.amazonaws.com?",
    ]
    site = edgecache.distribution(document, origins={"one": origin, "two": origin})
    site.get("/a")
    assert origin.requests[0].headers["host"] == "one.s3.us-east-1.amazonaws.com"


def test_an_access_control_signs(edgecache: Edgecache) -> None:
    control = edgecache.create(
        "origin-access-control", Name="oac", SigningProtocol="sigv4", SigningBehavior="always",
        OriginAccessControlOriginType="s3",
    )  # fmt: skip
    origin = edgecache.origin()
    site = edgecache.distribution(
        {
            "Origins": [{
                "Id": "bucket", "DomainName": "bucket.s3.eu-west-2.amazonaws.com",
                "S3OriginConfig": {"OriginAccessIdentity": ""},
                "OriginAccessControlId": "E2THEIRS",
            }],
            "DefaultCacheBehavior": {
                "TargetOriginId": "bucket", "ViewerProtocolPolicy": "https-only",
                "CachePolicyId": "658327ea-f89d-4fab-a63d-7e88639e58f6",
            },
        },
        origins=origin, ids={"E2THEIRS": control},
    )  # fmt: skip
    assert site.get("/a").status == 200
    assert "/eu-west-2/s3/aws4_request" in origin.requests[0].headers["authorization"]


def test_other_resources_are_made_by_their_kinds(edgecache: Edgecache) -> None:
    with pytest.raises(ValueError, match=", ".join(CREATED)):
        edgecache.create("bucket")
    with pytest.raises(RefusedDocumentError, match="Name: missing"):
        edgecache.create("key-group", Items=["K1"])
    with pytest.raises(RefusedDocumentError, match="K1"):
        edgecache.create("key-group", Name="team", Items=["K1"])


def test_a_mode_that_is_none() -> None:
    with pytest.raises(ValueError, match="'moon' is not one of in_process, processes"):
        open_edgecache("moon")  # type: ignore[arg-type]


def test_there_is_no_api_in_process(edgecache: Edgecache) -> None:
    with pytest.raises(NotImplementedError, match="edgecache_mode = processes"):
        edgecache.boto3_client()


def test_what_it_tells_of_a_failed_test(edgecache: Edgecache) -> None:
    site = edgecache.distribution(origins=edgecache.origin())
    answer = site.get("/a?b=1", headers={"Accept-Encoding": "br"})
    told = "\n".join(edgecache.story())
    assert repr(answer) == f"<{answer.words}>"
    assert f"GET https://{site.domain_name}/a?b=1 Accept-Encoding: br; -> 200 Miss" in told
    assert "regional; fwd=uri-miss; fwd-status=200; stored" in told
    assert "LHR50; fwd=uri-miss; fwd-status=200; stored" in told
    assert "path=/a" in told
    assert "accept-encoding=br" in told


def test_a_request_that_nobody_could_send(edgecache: Edgecache) -> None:
    site = edgecache.distribution(origins=edgecache.origin())
    with pytest.raises(ValueError, match="path: 'a b'") as caught:
        site.get("a b", method="get", location="MOON", headers={"X\r\n": "1"})
    assert len(str(caught.value).splitlines()) == 4
    with pytest.raises(ValueError, match="'a' does not start with /"):
        site.invalidate("a")
    with pytest.raises(ValueError, match="nothing is named"):
        site.invalidate()


def test_what_does_not_become_so_in_process_never_does(edgecache: Edgecache) -> None:
    site = edgecache.distribution(origins=edgecache.origin(cache_control="no-store"))
    with pytest.raises(AssertionError, match="it did not become so"):
        site.get_until("/a", lambda answer: answer.stale)
