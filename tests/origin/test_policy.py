"""Bucket policies: tables of who may do what, and of what is refused when it is read."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgecache.config.origins import canonical_user_id
from edgecache.origin.bucket import bucket_app
from edgecache.origin.gate import Gate
from edgecache.origin.identity import IdentitySigner
from edgecache.origin.policy import (
    OAI_ARN,
    POLICY_BYTES_MAX,
    BucketAction,
    BucketPolicy,
    PolicyError,
    policy_for,
    read_policy,
)
from edgecache.origin.versions import Versions

Ask = Callable[..., Any]
NOW = 1_700_000_000.0
KEYS = {"k1": "a secret of the tests"}
ONE, OTHER = "E2QWRUHAPOMQZL", "E3ANOTHERIDENT"
ARN = {"AWS": OAI_ARN + ONE}
CANONICAL = {"CanonicalUser": canonical_user_id(ONE)}
GET, VERSION, LIST = (
    BucketAction.GET_OBJECT,
    BucketAction.GET_OBJECT_VERSION,
    BucketAction.LIST_BUCKET,
)
ALL = "arn:aws:s3:::demo/*"


def rule(principal: Any = ARN, **more: Any) -> dict[str, Any]:
    base = {"Effect": "Allow", "Principal": principal, "Action": "s3:GetObject", "Resource": ALL}
    return base | more


def policy(*statements: Any) -> BucketPolicy:
    document = {"Version": "2012-10-17", "Statement": [*statements]}
    return read_policy(json.dumps(document).encode(), "demo", canonical_user_id)


@pytest.mark.parametrize("principal", [ARN, CANONICAL, {"AWS": ["x", OAI_ARN + ONE]}])
def test_an_identity_only(principal: Any) -> None:
    found = policy(rule(principal))
    assert found.allows(ONE, GET, "a/b.txt")
    assert not found.allows(OTHER, GET, "a/b.txt")
    assert not found.allows("", GET, "a/b.txt")
    assert not found.allows(ONE, VERSION, "a/b.txt")
    assert not found.allows(ONE, LIST)


@pytest.mark.parametrize("principal", ["*", {"AWS": "*"}])
def test_everybody(principal: Any) -> None:
    for who in (ONE, OTHER, ""):
        assert policy(rule(principal)).allows(who, GET, "a")


@pytest.mark.parametrize(
    ("resource", "key", "allowed"),
    [
        ("arn:aws:s3:::demo/*", "a", True),
        ("arn:aws:s3:::demo/*", "a/b/c d*.txt", True),
        ("arn:aws:s3:::demo/public/*", "public/a", True),
        ("arn:aws:s3:::demo/public/*", "publica", False),
        ("arn:aws:s3:::demo/public/*", "private/public/a", False),
        ("arn:aws:s3:::demo/?.txt", "a.txt", True),
        ("arn:aws:s3:::demo/?.txt", "ab.txt", False),
        ("arn:aws:s3:::demo/?.txt", "a-txt", False),
        ("arn:aws:s3:::demo/A", "a", False),
        ("arn:aws:s3:::other/*", "a", False),
        ("arn:aws:s3:::demo", "a", False),
        ("*", "a", True),
        (["arn:aws:s3:::demo/a", "arn:aws:s3:::demo/b"], "b", True),
        ("arn:aws:s3:::demo/*", "a\nb", True),
    ],
)
def test_resources(resource: Any, key: str, allowed: bool) -> None:
    assert policy(rule(Resource=resource)).allows(ONE, GET, key) is allowed


@pytest.mark.parametrize(
    ("action", "allowed"),
    [
        ("s3:GetObject", {GET}),
        ("S3:getobject", {GET}),
        ("s3:GetObject*", {GET, VERSION}),
        (["s3:GetObjectVersion", "s3:PutObject"], {VERSION}),
        ("s3:*", {GET, VERSION}),
        ("*", {GET, VERSION}),
        ("s3:PutObject", set()),
    ],
)
def test_actions(action: Any, allowed: set[BucketAction]) -> None:
    found = policy(rule(Action=action))
    assert {done for done in (GET, VERSION) if found.allows(ONE, done, "a")} == allowed


def test_the_bucket_itself_is_a_resource_of_its_own() -> None:
    listing = rule(Action="s3:ListBucket", Resource="arn:aws:s3:::demo")
    assert policy(listing).allows(ONE, LIST)
    assert not policy(rule(Action="s3:ListBucket")).allows(ONE, LIST)


def test_what_denies_wins() -> None:
    denial = rule("*", Effect="Deny", Resource="arn:aws:s3:::demo/secret/*")
    for statements in ((rule(), denial), (denial, rule())):
        assert policy(*statements).allows(ONE, GET, "a")
        assert not policy(*statements).allows(ONE, GET, "secret/a")


def test_the_policy_for_an_identity() -> None:
    made = policy_for(ONE, "demo", canonical_user_id(ONE))
    found = read_policy(json.dumps(made).encode(), "demo", canonical_user_id)
    assert found.allows(ONE, GET, "a")
    assert not found.allows(OTHER, GET, "a")


@pytest.mark.parametrize(
    ("document", "problem"),
    [
        ("{", "not JSON: "),
        ("[" * 100_000, "more than"),
        ("[]", "expected an object"),
        ({"Statement": []}, "Statement: expected 1 to"),
        ({"Statement": [1]}, "Statement[0]: expected an object"),
        ({"Version": "2020", "Statement": [rule()]}, "Version: expected 2012-10-17"),
        ({"Statement": [rule(Effect="allow")]}, "Statement[0].Effect: expected Allow or Deny"),
        ({"Statement": [rule(Principal="x")]}, "Statement[0].Principal: expected an object"),
        ({"Statement": [rule(Principal={})]}, "Statement[0].Principal: empty"),
        (
            {"Statement": [rule({"Service": "cloudfront.amazonaws.com"})]},
            "Statement[0].Principal.Service: is not known here",
        ),
        (
            {"Statement": [rule(Condition={"StringEquals": {}})]},
            "Statement[0].Condition: is not known here",
        ),
        ({"Statement": [rule(NotResource="a")]}, "Statement[0].NotResource: is not known here"),
        ({"Statement": [rule(Action="sqs:Get")]}, "Statement[0].Action: 'sqs:Get' is not an"),
        ({"Statement": [rule(Action=[])]}, "Statement[0].Action: expected text"),
        ({"Statement": [rule(Resource=[1])]}, "Statement[0].Resource: expected text"),
        ({"Statement": [{"Effect": "Allow"}]}, "Statement[0].Action: expected text"),
    ],
)
def test_what_is_not_understood_is_refused(document: Any, problem: str) -> None:
    text = document if isinstance(document, str) else json.dumps(document)
    with pytest.raises(PolicyError) as caught:
        read_policy(text.encode(), "demo", canonical_user_id)
    assert str(caught.value).startswith(problem)


@given(st.binary(max_size=200))
def test_no_document_is_an_accident(document: bytes) -> None:
    try:
        found = read_policy(document, "demo", canonical_user_id)
    except PolicyError:
        return
    assert not found.allows(ONE, GET, "a")


def test_a_policy_has_s3s_size() -> None:
    with pytest.raises(PolicyError, match=f"more than {POLICY_BYTES_MAX} bytes"):
        policy(*[rule()] * 200)


def bucket(folder: Path, *statements: Any) -> Gate:
    (folder / "a.txt").write_text("a")
    app = bucket_app(folder, versions=Versions(folder / "v", 9), policy=policy(*statements))
    return Gate(app, KEYS, lambda: NOW, hosts=["bucket.test"])


def field(identity: str, target: bytes = b"/a.txt") -> tuple[bytes, bytes]:
    (signed,) = IdentitySigner(KEYS, lambda: NOW).sign(b"GET", b"bucket.test", target, identity)
    return signed


def test_a_bucket_restricted_to_one_identity(ask: Ask, tmp_path: Path) -> None:
    app = bucket(tmp_path, rule(CANONICAL))
    assert ask(app, b"/a.txt", field(ONE)).status == 200
    for stranger in ((), (field(""),), (field(OTHER),)):
        denied = ask(app, b"/a.txt", *stranger)
        assert (denied.status, b"<Code>AccessDenied</Code>" in denied.body) == (403, True)


def test_what_is_not_there_is_known_to_who_may_list(ask: Ask, tmp_path: Path) -> None:
    listing = rule({"AWS": OAI_ARN + OTHER}, Action="s3:ListBucket", Resource="arn:aws:s3:::demo")
    app = bucket(tmp_path, rule("*"), listing)
    for identity, status in ((ONE, 403), (OTHER, 404)):
        assert ask(app, b"/none", field(identity, b"/none")).status == status


def test_versions_are_another_action(ask: Ask, tmp_path: Path) -> None:
    reading = rule({"AWS": OAI_ARN + OTHER}, Action="s3:GetObject*")
    app = bucket(tmp_path, rule(ARN), reading)
    found = ask(app, b"/a.txt", field(ONE)).headers[b"x-amz-version-id"]
    target = b"/a.txt?versionId=" + found
    assert ask(app, target, field(ONE, target)).status == 403
    assert ask(app, target, field(OTHER, target)).status == 200
