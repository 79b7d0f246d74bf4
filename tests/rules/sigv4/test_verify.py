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

from edgecache.rules.sigv4.verify import WINDOW_S, Proven, Signed, Unproven, Why, verify

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
) -> Signed:
    """A request as botocore signs it at NOW."""
    request: Any = AWSRequest(method, url, data=body, headers=headers or {})
    at = datetime.datetime.fromtimestamp(NOW, datetime.UTC)
    with patch("botocore.auth.get_current_datetime", return_value=at, create=True):
        SigV4Auth(Credentials(key, secret), service, region).add_auth(request)
    parts = urlsplit(url)
    fields = [(b"host", parts.netloc.encode())]
    fields += [(n.lower().encode(), str(v).encode()) for n, v in request.headers.items()]
    return Signed(method.encode(), parts.path.encode(), parts.query.encode(), tuple(fields), body)


def judged(request: Signed, now: float = NOW) -> Proven | Unproven:
    return verify(request, KEYS.get, "cloudfront", now)


def changed(request: Signed, name: bytes, value: bytes | None) -> Signed:
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
def test_botocores_signatures_are_known(request_: Signed) -> None:
    assert judged(request_) == Proven(KEY)


@pytest.mark.parametrize("apart_s", [0, WINDOW_S, -WINDOW_S])
def test_within_the_window(apart_s: float) -> None:
    assert judged(signed(), NOW + apart_s) == Proven(KEY)


@pytest.mark.parametrize("apart_s", [WINDOW_S + 1, -WINDOW_S - 1, 86_400, -1e9])
def test_a_replay_after_the_window_is_refused(apart_s: float) -> None:
    found = judged(signed(), NOW + apart_s)
    assert isinstance(found, Unproven)
    assert found.why is Why.EXPIRED


BASE = signed("POST", body=b"<a/>", headers={"If-Match": "E13"})
AUTHORIZATION = dict(BASE.fields)[b"authorization"]
LATER = b"20270115T080001Z"


@pytest.mark.parametrize(
    ("request_", "why"),
    [
        (replace(BASE, method=b"PUT"), Why.WRONG),
        (replace(BASE, path=b"/2020-05-31/distribution/E1"), Why.WRONG),
        (replace(BASE, query=b"WithTags"), Why.WRONG),
        (replace(BASE, body=b"<b/>"), Why.WRONG),
        (changed(BASE, b"if-match", b"E14"), Why.WRONG),
        (changed(BASE, b"if-match", None), Why.WRONG),
        (changed(BASE, b"host", b"elsewhere.test"), Why.WRONG),
        (changed(BASE, b"x-amz-date", LATER), Why.WRONG),
        (signed(secret="another secret"), Why.WRONG),
        (signed(key="EDGEOTHER"), Why.WRONG),
        (signed(key="EDGENOBODY"), Why.UNKNOWN_KEY),
        (signed(service="s3"), Why.MALFORMED),
        (changed(BASE, b"x-amz-date", None), Why.MALFORMED),
        (changed(BASE, b"x-amz-date", b"20270230T000000Z"), Why.MALFORMED),
        (changed(BASE, b"x-amz-date", b"20270116T080000Z"), Why.MALFORMED),
        (changed(BASE, b"x-amz-date", "２０２７0115T080000Z".encode()), Why.MALFORMED),
        (changed(BASE, b"authorization", None), Why.ABSENT),
        (changed(BASE, b"authorization", b"Bearer abc"), Why.ABSENT),
        (changed(BASE, b"authorization", AUTHORIZATION[:-1]), Why.MALFORMED),
        (changed(BASE, b"authorization", AUTHORIZATION[:-1] + b"g"), Why.MALFORMED),
        (changed(BASE, b"authorization", AUTHORIZATION.replace(b"host;", b"")), Why.MALFORMED),
        (changed(BASE, b"authorization", AUTHORIZATION.replace(b"host;", b"host;host;")),
         Why.MALFORMED),
        (changed(BASE, b"authorization", AUTHORIZATION.replace(b"if-match;", b"")), Why.WRONG),
        (replace(BASE, fields=(*BASE.fields, (b"authorization", AUTHORIZATION))), Why.ABSENT),
        (replace(BASE, fields=(*BASE.fields, (b"host", b"second.test"))), Why.WRONG),
        (replace(BASE, fields=(*BASE.fields, (b"x-amz-meta", b"unsigned"))), Why.MALFORMED),
        (changed(GOOD[-1], b"x-amz-content-sha256", b"UNSIGNED-PAYLOAD"), Why.MALFORMED),
        (replace(GOOD[-1], body=b"x"), Why.MALFORMED),
    ],
)  # fmt: skip
def test_what_proves_nothing(request_: Signed, why: Why) -> None:
    found = judged(request_)
    assert isinstance(found, Unproven)
    assert found.why is why, found
    assert SECRET not in found.detail


def test_every_bit_of_the_signature_counts() -> None:
    signature = AUTHORIZATION[-64:]
    for place in range(64):
        other = b"0" if signature[place : place + 1] != b"0" else b"1"
        wrong = signature[:place] + other + signature[place + 1 :]
        found = judged(changed(BASE, b"authorization", AUTHORIZATION[:-64] + wrong))
        assert isinstance(found, Unproven)
        assert found.why is Why.WRONG
