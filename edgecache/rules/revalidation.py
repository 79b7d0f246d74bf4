"""Revalidation. Law: nothing outside this file says what a 304 changes in a stored response.

RFC 9111 §3.2 and §4.3.4.
"""

from __future__ import annotations

from msgspec.structs import replace

from edgecache.http.message import Response, first_value, without
from edgecache.rules.compression import still_compressed

# §3.2: they describe the kept body's bytes, which the 304 did not bring, or one connection. The
# media type is none of them: the origin may correct it.
NEVER_UPDATED = frozenset(
    {
        b"content-encoding",
        b"content-length",
        b"content-md5",
        b"content-range",
        b"etag",
        b"transfer-encoding",
    }
)
# A value computed on its way to us, which says nothing of the kept one when it is absent.
DROPPED_WHEN_ABSENT = frozenset({b"age", b"cache-status", b"via"})


def refreshed(stored: Response, validated: Response, *, complete: bool = False) -> Response:
    """`stored` with the fields of the 304 that validated it, as of that 304's times.

    `complete`: a tier of ours said 304, which leaves out no field that it has.
    """
    new = without(validated.fields, NEVER_UPDATED)
    if complete:
        fields = tuple(field for field in stored.fields if field[0] in NEVER_UPDATED) + new
    else:
        named = {name for name, _ in new} | DROPPED_WHEN_ABSENT
        fields = still_compressed(stored.fields, without(stored.fields, named) + new)
    return replace(
        stored,
        fields=fields,
        requested_at=validated.requested_at,
        received_at=validated.received_at,
    )


def head_agrees(stored: Response, body_bytes: int, answer: Response) -> bool:
    """Whether a HEAD's 200 describes the stored response still (RFC 9111 §4.3.5).

    Validators it carries must be the stored ones, and its length that of the stored body.
    """
    for name in (b"etag", b"last-modified"):
        told = first_value(answer.fields, name)
        if told is not None and told != first_value(stored.fields, name):
            return False
    length = first_value(answer.fields, b"content-length")
    return length is None or length == b"%d" % body_bytes
