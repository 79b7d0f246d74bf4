"""Heads of what tiers ask each other. Law: what differs from call to call stands first.

So all that follows comes again with every call for the like, and its products need no making: on
the asking side it is one piece of bytes, on the asked side it is read once.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from msgspec.structs import replace

from edgecache.http.errors import HeadLimits
from edgecache.http.function_cache import BLOCK_BYTES, remembers
from edgecache.http.head import parse_request_head
from edgecache.http.message import Fields, Request
from edgecache.http.serialize import field_lines
from edgecache.upstream.peer import fields as peer_fields

_CALL = re.compile(
    rb"[^\r\n]*(\r\nEdgecache-Id: ([\x21-\x7e]*)\r\nEdgecache-Client: ([\x21-\x7e]*))\r\n"
)


class PeerCall(NamedTuple):
    """What one call alone says: the request's id, the viewer's address, and where that stands."""

    id: bytes
    client: bytes
    start: int  # of its lines, behind the request line
    end: int

    def without(self, head: bytes) -> bytes:
        """`head` less these lines."""
        return head[: self.start] + head[self.end :]


def call_of(head: bytes) -> PeerCall | None:
    """What stands first in a head that one of ours wrote; None for any other head."""
    found = _CALL.match(head)
    return None if found is None else PeerCall(found[2], found[3], found.start(1), found.end(1))


def read_peer_head(
    head: bytes, limits: HeadLimits, scheme: bytes = b"http", client: tuple[str, int] = ("", 0)
) -> Request:
    """As `parse_request_head`; a call's own id and client are the request's. BadMessage."""
    call = call_of(head)
    if call is None:
        return parse_request_head(head, limits, scheme, client)
    request = parse_request_head(call.without(head), limits, scheme, client)
    return replace(request, id=call.id, client=(call.client.decode("ascii"), 0))


def peer_head(request: Request, standing: bytes) -> bytes:
    """The head of a call: `standing` is what `standing_lines` gave for its like."""
    return b"%b %b HTTP/1.1\r\nEdgecache-Id: %b\r\nEdgecache-Client: %b\r\n%b\r\n" % (
        request.method, request.target, request.id, request.client[0].encode(), standing,
    )  # fmt: skip


class PeerTemplateKey(NamedTuple):
    """Calls that differ in nothing else have the same lines but the first."""

    fields: Fields
    host: bytes
    scheme: bytes
    distribution: str
    release: bytes
    mark: bytes
    credential: bytes


@remembers(256, BLOCK_BYTES)  # blocks come again
def standing_lines(alike: PeerTemplateKey) -> bytes:
    """The lines of fields that all calls `alike` have, without the empty one."""
    fields = tuple([item for item in alike.fields if item[0] != b"host"])
    return field_lines(
        (
            (b"host", alike.host or b"unknown.invalid"),
            *fields,
            (peer_fields.CREDENTIAL, alike.credential),
            (peer_fields.DISTRIBUTION, alike.distribution.encode()),
            (peer_fields.SCHEME, alike.scheme),
            (peer_fields.MARK, alike.mark),
            (peer_fields.RELEASE, alike.release),
        )
    )


class PeerFields(NamedTuple):
    """What the standing lines of a call say, and the viewer's own fields."""

    credential: bytes
    distribution: str
    scheme: bytes
    release: bytes
    mark: bytes
    id: bytes  # these two only from who does not let them stand first
    client: bytes
    fields: Fields


@remembers(512, BLOCK_BYTES)  # as many blocks of fields as the reader of heads remembers
def said_by(fields: Fields) -> PeerFields:
    """What a peer's fields say; what is not said is empty."""
    named = dict(reversed(fields))
    return PeerFields(
        named.get(peer_fields.CREDENTIAL, b""),
        named.get(peer_fields.DISTRIBUTION, b"").decode("latin-1"),
        named.get(peer_fields.SCHEME, b"http"),
        named.get(peer_fields.RELEASE, b""),
        named.get(peer_fields.MARK, b""),
        named.get(peer_fields.ID, b""),
        named.get(peer_fields.CLIENT, b""),
        peer_fields.public(fields),
    )
