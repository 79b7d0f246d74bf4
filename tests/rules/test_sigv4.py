"""Who signed a request: botocore's signatures are known, and nothing that was changed since."""

from __future__ import annotations

import datetime
from dataclasses import replace
from typing import Any
from unittest.mock import patch
from urllib.parse import urlsplit

import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from edgecache.rules.sigv4 import (
    WINDOW_S,
    IncomingRequest,
    RejectionReason,
    SignatureRejected,
    SignatureVerified,
    verify,
)

NOW = 1_800_000_000.0
KEY, SECRET = "EDGEAAAABBBBCCCCDDDD", "a secret access key of some forty letters"
KEYS = {KEY: SECRET, "EDGEOTHER": "another secret"}


def signed(
    method: str = "GET",
    url: str = "http://127.0.0.1:8090/2020-05-31/distribution",
    body: bytes = b"",
    headers: dict[str, str] | None = None,
    *,
    secret: str = SECRET,
    key: str = KEY,
    region: str = "us-east-1",
    service: str = "cloudfront",
) -> IncomingRequest:
    """A request as botocore signs it at NOW."""
    request: Any = AWSRequest(method, url, data=body, headers=headers or {})
    at = datetime.datetime.fromtimestamp(NOW, datetime.UTC)
    with patch("botocore.auth.get_current_datetime", return_value=at, create=True):
        SigV4Auth(Credentials(key, secret), service, region).add_auth(request)
    parts = urlsplit(url)
    fields = [(b"host", parts.netloc.encode())]
    fields += [(n.lower().encode(), str(v).encode()) for n, v in request.headers.items()]
    return IncomingRequest(
        method.encode(), parts.path.encode(), parts.query.encode(), tuple(fields), body
    )


def judged(request: IncomingRequest, now: float = NOW) -> SignatureVerified | SignatureRejected:
    return verify(request, KEYS.get, "cloudfront", now)


def changed(request: IncomingRequest, name: bytes, value: bytes | None) -> IncomingRequest:
    """With another value of a field, or without it."""
    rest = [(n, value if n == name else v) for n, v in request.fields]
    return replace(request, fields=tuple((n, v) for n, v in rest if v is not None))


GOOD = [
    signed(),
    signed(url="http://127.0.0.1:8090/2020-05-31/distribution?Marker=&MaxItems=5"),
    signed("POST", "http://127.0.0.1:8090/2020-05-31/distribution?WithTags", b"<x/>"),
    signed(url="http://h/2020-05-31/tagging?Resource=arn%3Aaws%3Acloudfront%3A%3A0%3Ad%2FE"),
    signed(url="http://h/2020-05-31/distributionsByOwnedResource/arn%3Aaws%3Aa%2Fb%20c"),
    signed("PUT", body=b"<a/>", headers={"If-Match": "E13", "Content-Type": "  text/xml  a "}),
    signed(region="eu-west-3"),
    signed("DELETE", headers={"x-amz-content-sha256":
           "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"}),
]  # fmt: skip


@pytest.mark.parametrize("request_", GOOD)
def test_botocores_signatures_are_known(request_: IncomingRequest) -> None:
    assert judged(request_) == SignatureVerified(KEY)


@pytest.mark.parametrize("apart_s", [0, WINDOW_S, -WINDOW_S])
def test_within_the_window(apart_s: float) -> None:
    assert judged(signed(), NOW + apart_s) == SignatureVerified(KEY)


@pytest.mark.parametrize("apart_s", [WINDOW_S + 1, -WINDOW_S - 1, 86_400, -1e9])
def test_a_replay_after_the_window_is_refused(apart_s: float) -> None:
    found = judged(signed(), NOW + apart_s)
    assert isinstance(found, SignatureRejected)
    assert found.why is RejectionReason.EXPIRED


BASE = signed("POST", body=b"<a/>", headers={"If-Match": "E13"})
AUTHORIZATION = dict(BASE.fields)[b"authorization"]
LATER = b"20270115T080001Z"


@pytest.mark.parametrize(
    ("request_", "why"),
    [
        (replace(BASE, method=b"PUT"), RejectionReason.WRONG),
        (replace(BASE, path=b"/2020-05-31/distribution/E1"), RejectionReason.WRONG),
        (replace(BASE, query=b"WithTags"), RejectionReason.WRONG),
        (replace(BASE, body=b"<b/>"), RejectionReason.WRONG),
        (changed(BASE, b"if-match", b"E14"), RejectionReason.WRONG),
        (changed(BASE, b"if-match", None), RejectionReason.WRONG),
        (changed(BASE, b"host", b"elsewhere.test"), RejectionReason.WRONG),
        (changed(BASE, b"x-amz-date", LATER), RejectionReason.WRONG),
        (signed(secret="another secret"), RejectionReason.WRONG),
        (signed(key="EDGEOTHER"), RejectionReason.WRONG),
        (signed(key="EDGENOBODY"), RejectionReason.UNKNOWN_KEY),
        (signed(service="s3"), RejectionReason.MALFORMED),
        (changed(BASE, b"x-amz-date", None), RejectionReason.MALFORMED),
        (changed(BASE, b"x-amz-date", b"20270230T000000Z"), RejectionReason.MALFORMED),
        (changed(BASE, b"x-amz-date", b"20270116T080000Z"), RejectionReason.MALFORMED),
        (changed(BASE, b"x-amz-date", "２０２７0115T080000Z".encode()), RejectionReason.MALFORMED),
        (changed(BASE, b"authorization", None), RejectionReason.ABSENT),
        (changed(BASE, b"authorization", b"Bearer abc"), RejectionReason.ABSENT),
        (changed(BASE, b"authorization", AUTHORIZATION[:-1]), RejectionReason.MALFORMED),
        (changed(BASE, b"authorization", AUTHORIZATION[:-1] + b"g"), RejectionReason.MALFORMED),
        (
            changed(BASE, b"authorization", AUTHORIZATION.replace(b"host;", b"")),
            RejectionReason.MALFORMED,
        ),
        (
            changed(BASE, b"authorization", AUTHORIZATION.replace(b"host;", b"host;host;")),
            RejectionReason.MALFORMED,
        ),
        (
            changed(BASE, b"authorization", AUTHORIZATION.replace(b"if-match;", b"")),
            RejectionReason.WRONG,
        ),
        (
            replace(BASE, fields=(*BASE.fields, (b"authorization", AUTHORIZATION))),
            RejectionReason.ABSENT,
        ),
        (replace(BASE, fields=(*BASE.fields, (b"host", b"second.test"))), RejectionReason.WRONG),
        (
            replace(BASE, fields=(*BASE.fields, (b"x-amz-meta", b"unsigned"))),
            RejectionReason.MALFORMED,
        ),
        (
            changed(GOOD[-1], b"x-amz-content-sha256", b"UNSIGNED-PAYLOAD"),
            RejectionReason.MALFORMED,
        ),
        (replace(GOOD[-1], body=b"x"), RejectionReason.MALFORMED),
    ],
)
def test_what_proves_nothing(request_: IncomingRequest, why: RejectionReason) -> None:
    found = judged(request_)
    assert isinstance(found, SignatureRejected)
    assert found.why is why, found
    assert SECRET not in found.detail


def test_every_bit_of_the_signature_counts() -> None:
    signature = AUTHORIZATION[-64:]
    for place in range(64):
        other = b"0" if signature[place : place + 1] != b"0" else b"1"
        wrong = signature[:place] + other + signature[place + 1 :]
        found = judged(changed(BASE, b"authorization", AUTHORIZATION[:-64] + wrong))
        assert isinstance(found, SignatureRejected)
        assert found.why is RejectionReason.WRONG
