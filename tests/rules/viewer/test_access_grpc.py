"""Which requests are calls of gRPC, and what of them reaches the origin whatever policies say."""

from __future__ import annotations

import pytest

from edgecache.http.message import Request
from edgecache.rules.caching.reuse import bypass
from edgecache.rules.reasons import MissReason
from edgecache.rules.viewer.access import is_grpc_call, with_grpc_fields
from tests.rules.pieces import site_of


def call(
    media_type: bytes = b"application/grpc", method: bytes = b"POST", major: int = 2
) -> Request:
    fields = ((b"content-type", media_type), (b"grpc-timeout", b"1S"), (b"x-own", b"a"))
    return Request(method, b"/s/M", None, fields, length=None, major=major)


@pytest.mark.parametrize(
    ("request_", "called"),
    [
        (call(), True),
        (call(b"application/grpc+proto"), True),
        (call(b"Application/GRPC; a=b"), True),
        (call(major=3), True),
        (call(b"application/grpc-web"), False),
        (call(b"application/grpcx"), False),
        (call(b"application/json"), False),
        (call(method=b"PUT"), False),
        (call(major=1), False),
    ],
)
def test_a_call_is_a_post_of_its_media_type_by_http2(request_: Request, called: bool) -> None:
    assert is_grpc_call(request_, site_of(grpc=True)) is called
    assert not is_grpc_call(request_, site_of())
    reason = MissReason.GRPC if called else MissReason.METHOD
    assert bypass(request_, site_of(grpc=True)) is reason


def test_fields_of_the_protocol_pass_whatever_policies_say() -> None:
    filtered = Request(b"POST", b"/s/M", None, ((b"content-type", b"text/plain"),), major=2)
    assert with_grpc_fields(filtered, call()).fields == call().fields[:2]
