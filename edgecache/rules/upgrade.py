"""Upgrades. Law: WebSocket is the only protocol a connection is ever upgraded to.

RFC 9110 §7.8, RFC 6455 §4.1. Any other Upgrade (h2c among them) is a field of one hop: ignored,
and not forwarded. CloudFront Developer Guide, "Use WebSockets with CloudFront distributions".
"""

from __future__ import annotations

from msgspec.structs import replace

from edgecache.http.fields import list_members
from edgecache.http.message import Fields, Request, field_values, names_in, without

PROTOCOL = b"websocket"
UPGRADED: Fields = ((b"connection", b"Upgrade"), (b"upgrade", PROTOCOL))
"""What both sides of an upgrade say of their connection."""

_NAMES = frozenset({b"connection", b"upgrade"})
_NEEDED = frozenset({b"sec-websocket-key", b"sec-websocket-version"})
_PREFIX = b"sec-websocket-"


def asks_for_websocket(request: Request) -> bool:
    """Whether `request` opens a WebSocket: HTTP/1.1, GET, no body, and all the fields it takes."""
    if b"upgrade" not in names_in(request.fields):
        return False
    plain_get = request.method == b"GET" and request.minor == 1 and not request.has_body
    named = {name for name, _ in request.fields}
    return plain_get and named >= _NEEDED and upgrades(request.fields)


def upgrades(fields: Fields) -> bool:
    """Whether a head names WebSocket, alone, as what its connection is to become or has become."""
    options = _members(fields, b"connection")
    return b"upgrade" in options and _members(fields, b"upgrade") == [PROTOCOL]


def upgrading(forwarded: Request, received: Request) -> Request:
    """`forwarded`, with what opens the WebSocket that `received` asks for, whatever policies say.

    CloudFront leaves it to the operator's policy to name these fields; no origin could do without.
    """
    kept = without(forwarded.fields, _NAMES | {n for n, _ in received.fields if _opens(n)})
    opening = tuple(field for field in received.fields if _opens(field[0]))
    return replace(forwarded, fields=(*kept, *opening, *UPGRADED))


def _opens(name: bytes) -> bool:
    return name.startswith(_PREFIX)


def _members(fields: Fields, name: bytes) -> list[bytes]:
    return [m.lower() for value in field_values(fields, name) for m in list_members(value)]
