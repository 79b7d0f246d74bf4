"""The handshake of a WebSocket that is ours; the relay's plays: `tests/plays/test_websocket.py`."""

from __future__ import annotations

import base64

import pytest

from edgecache.http.message import Fields
from edgecache.server.websocket import accepts_websocket, websocket_key

KEY = b"dGhlIHNhbXBsZSBub25jZQ=="  # RFC 6455 §1.3
ACCEPT = b"s3pPLMBiTxaQ9kYGzzhZRbK+xOo="


@pytest.mark.parametrize(
    ("status", "fields", "opens"),
    [
        (101, ((b"sec-websocket-accept", ACCEPT),), True),
        (101, ((b"sec-websocket-accept", ACCEPT.lower()),), False),
        (101, (), False),
        (200, ((b"sec-websocket-accept", ACCEPT),), False),
    ],
)
def test_who_has_read_the_key_has_accepted(status: int, fields: Fields, opens: bool) -> None:
    assert accepts_websocket(status, fields, KEY) is opens


def test_a_key_is_sixteen_bytes_and_another_one_for_each_request() -> None:
    """RFC 6455 §4.1."""
    keys = {websocket_key(b"%056d" % number) for number in range(100)}
    assert len(keys) == 100
    assert {len(base64.b64decode(key, validate=True)) for key in keys} == {16}
