"""Who signed a request for every region: the AWS Common Runtime's signatures are known."""

from __future__ import annotations

import datetime
from dataclasses import replace
from typing import Any
from unittest.mock import patch
from urllib.parse import urlsplit

import pytest
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from botocore.crt.auth import CrtSigV4AsymAuth

from edgecache.rules.sigv4 import (
    WINDOW_S,
    IncomingRequest,
    RejectionReason,
    SignatureRejected,
    SignatureVerified,
)
from edgecache.rules.sigv4a import derived_key, verify_asymmetric

NOW = 1_800_000_000.0
KEY, SECRET = "EDGEAAAABBBBCCCCDDDD", "a secret access key of some forty letters"
KEYS = {KEY: SECRET, "EDGEOTHER": "another secret"}
SERVICE = "cloudfront-keyvaluestore"
STORE = (
    "http://h:8090/key-value-stores/arn%3Aaws%3Acloudfront%3A%3A000000000000%3Akey-value-store%2Fa"
)


def signed(
    method: str = "GET",
    url: str = STORE,
    body: bytes = b"",
    headers: dict[str, str] | None = None,
    *,
    secret: str = SECRET,
    key: str = KEY,
    service: str = SERVICE,
) -> IncomingRequest:
    """A request as awscrt signs it at NOW."""
    request: Any = AWSRequest(method, url, data=body, headers=headers or {})
    at = datetime.datetime.fromtimestamp(NOW, datetime.UTC)
    with patch("botocore.crt.auth.get_current_datetime", return_value=at, create=True):
        CrtSigV4AsymAuth(Credentials(key, secret), service, "*").add_auth(request)
    parts = urlsplit(url)
    named = {n.lower().encode(): str(v).encode() for n, v in request.headers.items()}
    fields = tuple((named | {b"host": parts.netloc.encode()}).items())
    return IncomingRequest(method.encode(), parts.path.encode(), parts.query.encode(), fields, body)


def judged(request: IncomingRequest, now: float = NOW) -> SignatureVerified | SignatureRejected:
    return verify_asymmetric(request, KEYS.get, SERVICE, now)


def changed(request: IncomingRequest, name: bytes, value: bytes | None) -> IncomingRequest:
    """With another value of a field, or without it."""
    rest = [(n, value if n == name else v) for n, v in request.fields]
    return replace(request, fields=tuple((n, v) for n, v in rest if v is not None))


def test_the_derived_key_is_that_of_the_common_runtime() -> None:
    # aws-c-auth, tests: aws-signing-test-suite/v4a, "derived key pair" of the example credential.
    numbers = derived_key(
        "AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"
    ).private_numbers()
    public = numbers.public_numbers
    assert (f"{numbers.private_value:x}", f"{public.x:x}", f"{public.y:x}") == (
        "7efc8c0e65a324242818c5a50c891c6060b6a00717b7ba3cbe3c5d765be9259c",
        "b6618f6a65740a99e650b33b6b4b5bd0d43b176d721a3edfea7e7d2d56d936b1",
        "865ed22a7eadc9c5cb9d2cbaca1b3699139fedc5043dc6661864218330c8e518",
    )


GOOD = [
    signed(),
    signed(url=f"{STORE}/keys?MaxResults=5&NextToken=a%2Fb"),
    signed("POST", f"{STORE}/keys", b'{"Puts": []}', {"If-Match": "KV1"}),
    signed("PUT", f"{STORE}/keys/a%20key%2F%C3%A9", b"{}", {"If-Match": "KV1"}),
]


@pytest.mark.parametrize("request_", GOOD)
def test_its_signatures_are_known(request_: IncomingRequest) -> None:
    assert judged(request_) == SignatureVerified(KEY)


BASE = GOOD[2]
AUTHORIZATION = dict(BASE.fields)[b"authorization"]
OTHER_DIGIT = b"1" if AUTHORIZATION.endswith(b"0") else b"0"


@pytest.mark.parametrize(
    ("request_", "why"),
    [
        (replace(BASE, method=b"PUT"), RejectionReason.WRONG),
        (replace(BASE, path=BASE.path + b"x"), RejectionReason.WRONG),
        (replace(BASE, query=b"a"), RejectionReason.WRONG),
        (replace(BASE, body=b"{}"), RejectionReason.WRONG),
        (changed(BASE, b"if-match", b"KV2"), RejectionReason.WRONG),
        (changed(BASE, b"host", b"elsewhere.test"), RejectionReason.WRONG),
        (changed(BASE, b"x-amz-date", b"20270115T080001Z"), RejectionReason.WRONG),
        (changed(BASE, b"x-amz-region-set", b"eu-west-1"), RejectionReason.WRONG),
        (signed(secret="another secret"), RejectionReason.WRONG),
        (signed(key="EDGEOTHER"), RejectionReason.WRONG),
        (signed(key="EDGENOBODY"), RejectionReason.UNKNOWN_KEY),
        (signed(service="s3"), RejectionReason.MALFORMED),
        (changed(BASE, b"x-amz-date", None), RejectionReason.MALFORMED),
        (changed(BASE, b"x-amz-date", b"20270116T080000Z"), RejectionReason.MALFORMED),
        (changed(BASE, b"authorization", None), RejectionReason.ABSENT),
        (changed(BASE, b"authorization", AUTHORIZATION + b"0"), RejectionReason.MALFORMED),
        (changed(BASE, b"authorization", AUTHORIZATION[:-1] + OTHER_DIGIT), RejectionReason.WRONG),
        (changed(BASE, b"authorization", AUTHORIZATION[:-2]), RejectionReason.WRONG),
        (
            changed(BASE, b"authorization", AUTHORIZATION.replace(b"x-amz-region-set", b"x-amz-z")),
            RejectionReason.MALFORMED,
        ),
        (replace(BASE, fields=(*BASE.fields, (b"x-amz-meta", b"1"))), RejectionReason.MALFORMED),
    ],
)
def test_what_proves_nothing(request_: IncomingRequest, why: RejectionReason) -> None:
    found = judged(request_)
    assert isinstance(found, SignatureRejected)
    assert found.why is why, found
    assert SECRET not in found.detail


@pytest.mark.parametrize("apart_s", [WINDOW_S + 1, -WINDOW_S - 1])
def test_a_replay_after_the_window_is_refused(apart_s: float) -> None:
    found = judged(BASE, NOW + apart_s)
    assert isinstance(found, SignatureRejected)
    assert found.why is RejectionReason.EXPIRED
