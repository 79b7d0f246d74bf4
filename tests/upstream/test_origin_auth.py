"""What proves to an origin that a request is ours: tables, and Amazon's own signer beside it."""

from __future__ import annotations

import datetime
from typing import Any
from unittest.mock import patch

import pytest
from botocore.auth import S3SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from edgecache.config.origins import Origin, OriginAccessControl
from edgecache.config.secrets import KeyPair
from edgecache.http.message import Fields
from edgecache.origin.identity import HEADER, IdentitySigner, IdentityVerdict, IdentityVerifier
from edgecache.upstream.faults import Fault, UpstreamError
from edgecache.upstream.origin_auth import (
    OriginAuth,
    OriginCredentials,
    RequestToSign,
    region_of,
    with_proofs,
)

NOW = 1_800_000_000.0
KEYS = {"k1": "a secret of ours"}
PAIR = KeyPair("AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY")
HOST = b"store.test:9000"


def means(
    control: OriginAccessControl | None = None, pair: KeyPair | None = PAIR
) -> OriginCredentials:
    return OriginCredentials(
        clock=lambda: NOW,
        identity=IdentitySigner(KEYS, lambda: NOW),
        controls={} if control is None else {control.id: control},
        key_pairs={} if pair is None else {"E1": pair},
        values={"env:V": b"hush"},
    )


def oac(**settings: Any) -> OriginAccessControl:
    return OriginAccessControl(**{"id": "E1", **settings})


def origin(**settings: Any) -> Origin:
    return Origin(**{"id": "o", "domain_name": "store.test", **settings})


SIGNED = origin(access_control_id="E1")


def asked(fields: Fields = (), *, body: bool = False, target: bytes = b"/a?b=1") -> RequestToSign:
    return RequestToSign(b"PUT" if body else b"GET", HOST, target, ((b"host", HOST), *fields), body)


def values(fields: list[tuple[bytes, bytes]], name: bytes) -> list[bytes]:
    return [value for held, value in fields if held == name]


def authorization(fields: list[tuple[bytes, bytes]]) -> str:
    (value,) = values(fields, b"authorization")
    return value.decode()


def test_an_origin_that_wants_nothing_gets_nothing() -> None:
    given = asked(((b"authorization", b"viewer's"), (HEADER, b"viewer's")))
    assert with_proofs(means(oac()), origin(), given) == [*given.fields]


@pytest.mark.parametrize(
    ("settings", "identity"),
    [
        ({"access": "identity"}, ""),
        ({"access_identity": "E2QWRUHAPOMQZL"}, "E2QWRUHAPOMQZL"),
        ({"access": "identity", "access_identity": "E3"}, "E3"),
    ],
)
def test_our_identity_takes_a_viewers_place(settings: dict[str, Any], identity: str) -> None:
    found = with_proofs(means(), origin(**settings), asked(((HEADER, b"forged"),)))
    (value,) = values(found, HEADER)
    assert value.count(b".") == (5 if identity else 4)
    assert (f".{identity}." in value.decode()) is bool(identity)
    verifier = IdentityVerifier(KEYS, lambda: NOW)
    assert verifier.verify(b"GET", HOST, b"/a?b=1", value) is IdentityVerdict.OK


def test_a_secret_header_takes_a_viewers_place() -> None:
    wants = origin(secret_headers={"X-Verify": "env:V"})
    found = with_proofs(means(), wants, asked(((b"x-verify", b"forged"),)))
    assert values(found, b"x-verify") == [b"hush"]


@pytest.mark.parametrize(
    "settings", [{"secret_headers": {"x-verify": "env:W"}}, {"access_control_id": "E1"}]
)
def test_without_its_secret_nothing_is_sent(settings: dict[str, Any]) -> None:
    with pytest.raises(UpstreamError) as caught:
        with_proofs(means(oac(), pair=None), origin(**settings), asked())
    assert (caught.value.fault, caught.value.sent) == (Fault.NO_SECRET, False)
    assert caught.value.status == 502


@pytest.mark.parametrize(
    ("behavior", "viewers", "signed"),
    [
        ("always", False, True),
        ("always", True, True),
        ("never", False, False),
        ("never", True, False),
        ("no-override", False, True),
        ("no-override", True, False),
    ],
)
def test_the_signing_behavior(behavior: Any, viewers: bool, signed: bool) -> None:
    sent: Fields = ((b"authorization", b"viewer's"),) if viewers else ()
    found = values(
        with_proofs(means(oac(signing_behavior=behavior)), SIGNED, asked(sent)), b"authorization"
    )
    if signed:
        assert len(found) == 1
        assert found[0].startswith(b"AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/")
    else:
        assert found == ([b"viewer's"] if viewers else [])


def test_what_a_viewer_says_of_a_signature_is_gone() -> None:
    forged: Fields = ((b"x-amz-date", b"20000101T000000Z"), (b"x-amz-security-token", b"x"))
    found = with_proofs(means(oac()), SIGNED, asked(forged))
    assert values(found, b"x-amz-date") == [b"20270115T080000Z"]
    assert values(found, b"x-amz-security-token") == []


@pytest.mark.parametrize(
    ("body", "fields", "digest"),
    [
        (False, (), b"e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"),
        (True, (), b"UNSIGNED-PAYLOAD"),
        (True, ((b"x-amz-content-sha256", b"5" * 64),), b"5" * 64),
    ],
)
def test_the_payload(body: bool, fields: Fields, digest: bytes) -> None:
    found = with_proofs(means(oac()), SIGNED, asked(fields, body=body))
    assert values(found, b"x-amz-content-sha256") == [digest]


def test_what_is_signed() -> None:
    """S3 refuses requests with fields of its own that are not signed."""
    sent: Fields = ((b"x-amz-cf-id", b"i"), (b"content-type", b"text/plain"), (b"via", b"1.1 e"))
    found = authorization(with_proofs(means(oac()), SIGNED, asked(sent)))
    names = "content-type;host;x-amz-cf-id;x-amz-content-sha256;x-amz-date"
    assert f"SignedHeaders={names}," in found


def test_a_session_token_is_sent_and_signed() -> None:
    pair = KeyPair("AKID", "secret", "token")
    found = with_proofs(means(oac(), pair), SIGNED, asked())
    assert values(found, b"x-amz-security-token") == [b"token"]
    assert "x-amz-security-token" in authorization(found)


@pytest.mark.parametrize(
    ("settings", "scope"),
    [
        ({}, "20270115/us-east-1/s3"),
        ({"region": "garage"}, "20270115/garage/s3"),
        ({"region": "eu-west-2", "service": "s3-outposts"}, "20270115/eu-west-2/s3-outposts"),
    ],
)
def test_the_scope(settings: dict[str, Any], scope: str) -> None:
    found = authorization(with_proofs(means(oac(**settings)), SIGNED, asked()))
    assert f"Credential=AKIDEXAMPLE/{scope}/aws4_request," in found


@pytest.mark.parametrize(
    ("domain_name", "region"),
    [
        ("bucket.s3.eu-west-2.amazonaws.com", "eu-west-2"),
        ("BUCKET.S3.EU-WEST-2.amazonaws.com", "eu-west-2"),
        ("a.b.s3.dualstack.ap-south-1.amazonaws.com", "ap-south-1"),
        ("bucket.s3-us-west-2.amazonaws.com", "us-west-2"),
        ("bucket.s3.cn-north-1.amazonaws.com.cn", "cn-north-1"),
        ("bucket.s3.amazonaws.com", "us-east-1"),
        ("minio.internal", "us-east-1"),
        ("s3.eu-west-2.amazonaws.com.evil.test", "us-east-1"),
    ],
)
def test_the_region_in_a_name(domain_name: str, region: str) -> None:
    assert region_of(domain_name) == region


@pytest.mark.parametrize("body", [False, True])
@pytest.mark.parametrize(
    "target",
    [
        "/a/b.txt",
        "/a%20b/%C3%A9~-._.txt?x=%2F&versionId=a%2Bb",
        "/plus%2Bplus?prefix=a%20b&list-type=2&acl",
        "/%E2%82%AC/%25?marker=%E2%82%AC",
    ],
)
def test_signatures_are_amazons(target: str, body: bool) -> None:
    fields: Fields = ((b"x-amz-meta-a", b"one  two"), (b"content-type", b"text/plain"))
    ours = asked(fields, body=body, target=target.encode())
    found = with_proofs(means(oac(region="eu-west-2")), SIGNED, ours)
    url = f"http://{HOST.decode()}{target}"
    theirs: Any = AWSRequest(ours.method.decode(), url, data=b"streamed" if body else b"")
    theirs.headers["X-Amz-Meta-A"] = "one  two"
    theirs.headers["Content-Type"] = "text/plain"
    signer: Any = S3SigV4Auth(
        Credentials(PAIR.access_key_id, PAIR.secret_access_key), "s3", "eu-west-2"
    )
    signer.payload = lambda _request: values(found, b"x-amz-content-sha256")[0].decode()
    at = datetime.datetime.fromtimestamp(NOW, datetime.UTC)
    with patch("botocore.auth.get_current_datetime", return_value=at):
        signer.add_auth(theirs)
    assert authorization(found) == theirs.headers["Authorization"]


def test_means_are_replaced_whole() -> None:
    proofs = OriginAuth(means(oac()))
    assert "AKIDEXAMPLE" in authorization(proofs.prove(SIGNED, asked()))
    proofs.use(means(oac(), KeyPair("NEWER", "s")))
    assert "NEWER" in authorization(proofs.prove(SIGNED, asked()))
