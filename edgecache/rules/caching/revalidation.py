"""Revalidation: which stored response a 304 confirms, and the fields it brings.

Law: nothing outside this file says what a 304 changes in a stored response. RFC 9111 §3.2, §4.3.4.
"""

from __future__ import annotations

from msgspec.structs import replace

from edgecache.http.conditional import parse_etag, weak_match
from edgecache.http.message import Response, first_value, names_in, without
from edgecache.rules.caching.compression import still_compressed
from edgecache.rules.caching.vary import Selected

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
# A variant chosen by one of these is nobody else's: other credentials, another origin that is
# allowed, another coding of which an origin may speak by one tag (RFC 9110 §8.8.3.3 forbids it).
CHOSEN_FOR_ONE = frozenset({b"accept-encoding", b"authorization", b"cookie", b"origin"})
GIVEN_TO_ONE = frozenset({b"set-cookie", b"access-control-allow-origin"})
# What origins that code a body on its way out add to its tag, and forget in their 304.
CODED_SUFFIXES = (b"-gzip", b"-br")
# A value computed on its way to us, which says nothing of the kept one when it is absent.
DROPPED_WHEN_ABSENT = frozenset({b"age", b"cache-status", b"via"})


def is_offered_to_others(stored: Response, selected: Selected) -> bool:
    """Whether the strong tag of a variant is offered for requests that select another one.

    A 304 then gives them its body and the fields kept with that (RFC 9111 §4.3.1, §4.3.4).
    """
    chosen = {name for name, _ in selected}
    return chosen.isdisjoint(CHOSEN_FOR_ONE) and names_in(stored.fields).isdisjoint(GIVEN_TO_ONE)


def confirms(answer: Response, stored: Response) -> bool:
    """Whether a 304 speaks of `stored`, the response its request selects, whose validators were
    offered (RFC 9111 §4.3.4).

    A tag it carries must be the stored one, weakly at least: it may have been made weak, or marked
    by one of CODED_SUFFIXES, on one way and not on the other. Else a date it carries must be.
    """
    told = parse_etag(first_value(answer.fields, b"etag") or b"")
    held = parse_etag(first_value(stored.fields, b"etag") or b"")
    if told is not None and held is not None:
        return _unmarked(told.opaque) == _unmarked(held.opaque)
    told_date = first_value(answer.fields, b"last-modified")
    held_date = first_value(stored.fields, b"last-modified")
    return told_date is None or held_date is None or told_date == held_date


def _unmarked(opaque: bytes) -> bytes:
    for suffix in CODED_SUFFIXES:
        opaque = opaque.removesuffix(suffix)
    return opaque


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

    Validators it carries must be the stored ones, and its length that of the stored body. The tag
    may have been made weak with the one and not with the other: of two forms of the same thing.
    """
    if first_value(answer.fields, b"etag") is not None and not _same_tag(stored, answer):
        return False
    date = first_value(answer.fields, b"last-modified")
    if date is not None and date != first_value(stored.fields, b"last-modified"):
        return False
    length = first_value(answer.fields, b"content-length")
    return length is None or length == b"%d" % body_bytes


def _same_tag(one: Response, other: Response) -> bool:
    tags = [first_value(head.fields, b"etag") or b"" for head in (one, other)]
    read = [parse_etag(tag) for tag in tags]
    if read[0] is None or read[1] is None:
        return tags[0] == tags[1]
    return weak_match(read[0], read[1])
