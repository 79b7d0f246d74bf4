"""What opens a WebSocket (RFC 6455 §4.1), and what is an ordinary request all the same."""

from __future__ import annotations

import pytest

from edgecache.http.message import Fields, Request, first_value
from edgecache.rules.viewer.access import asks_for_websocket, upgrades, with_upgrade

KEY: Fields = ((b"sec-websocket-key", b"x"), (b"sec-websocket-version", b"13"))
BOTH: Fields = ((b"connection", b"keep-alive, Upgrade"), (b"upgrade", b"WebSocket"))


def request(fields: Fields, method: bytes = b"GET", minor: int = 1, length: int = 0) -> Request:
    return Request(method, b"/", None, fields, minor=minor, length=length)


ASKS = [
    (request(BOTH + KEY), True),
    (request(BOTH + KEY, minor=0), False),
    (request(BOTH + KEY, method=b"POST"), False),
    (request(BOTH + KEY, length=1), False),
    (request(BOTH), False),
    (request(BOTH + KEY[:1]), False),
    (request(BOTH[1:] + KEY), False),
    (request(BOTH[:1] + KEY), False),
    (request((BOTH[0], (b"upgrade", b"h2c"), *KEY)), False),
    (request((BOTH[0], (b"upgrade", b"websocket, h2c"), *KEY)), False),
    (request((*BOTH, (b"upgrade", b"h2c"), *KEY)), False),
]


@pytest.mark.parametrize(("asked", "opens"), ASKS)
def test_what_opens_one(asked: Request, opens: bool) -> None:
    assert asks_for_websocket(asked) is opens


def test_what_an_origin_must_say() -> None:
    assert upgrades(BOTH)
    assert not upgrades(BOTH[1:])
    assert not upgrades(((b"connection", b"upgrade"), (b"upgrade", b"h2c")))


def test_what_a_policy_left_out_is_put_back_once() -> None:
    received = request((*BOTH, *KEY, (b"cookie", b"a=1")))
    forwarded = request((KEY[0], (b"x", b"y")))
    asked = with_upgrade(forwarded, received)
    assert asks_for_websocket(asked)
    assert sorted(name for name, _ in asked.fields) == sorted(
        [b"x", b"connection", b"upgrade", b"sec-websocket-key", b"sec-websocket-version"]
    )
    assert first_value(asked.fields, b"cookie") is None
