"""What an errand asks upstream: the whole, a part, the rest, or if what is stored still holds."""

from __future__ import annotations

from msgspec import Struct

from edgecache.http.conditions import parse_etag
from edgecache.http.message import Fields, Request, Response, first_value
from edgecache.rules.forwarding import conditional, forwarded
from edgecache.rules.parts import rest_after
from edgecache.rules.verdicts import MissReason
from edgecache.store.entry import Entry
from edgecache.tier.answer import Errand

OFFERED_MAX = 8  # entity tags in one If-None-Match: as many as a key has variants


class Question(Struct, frozen=True):
    """A request for upstream, with what its answer may be about."""

    request: Request
    candidates: tuple[Entry, ...] = ()  # a 304 validates one of these
    held: Entry | None = None  # a 206 completes this
    wanted: bytes | None = None  # the Range asked for
    block: bytes | None = None  # the Range of a block of what may be large, asked for

    @property
    def range(self) -> bytes:
        """The Range it is asked with, if any."""
        return self.wanted or self.block or b""

    def leaves_open(self, answer: Response, request: Request) -> bool:
        """Whether an answer to a Range of our own choice tells `request` nothing.

        What came may be due to the Range, which the viewer did not send, or not as its If-Range
        would have it: then the whole is to be asked for. A viewer's range that begins where the
        object has ended, or behind it, gets the same 416 as the block it begins in.
        """
        if (self.held is None and self.block is None) or answer.status == 200:
            return False
        told = answer.status == 416 and self.block is not None
        return not told or first_value(request.fields, b"if-range") is not None

    def validated(self, answer: Response) -> Entry | None:
        """Which candidate a 304 speaks of (RFC 9111 §4.3.3); None when that is unclear."""
        told = parse_etag(first_value(answer.fields, b"etag") or b"")
        if told is None:
            return self.candidates[0] if len(self.candidates) == 1 else None
        for entry in self.candidates:
            own = parse_etag(first_value(entry.head.fields, b"etag") or b"")
            if own is not None and own.opaque == told.opaque:
                return entry
        # Where one tag alone was offered, only that one can have made the condition false.
        return self.candidates[0] if len(self.candidates) == 1 else None


def question(errand: Errand, variants: tuple[Entry, ...]) -> Question:
    """How to ask; `variants` is all that is stored under the errand's key."""
    request, route = errand.request, errand.route
    if errand.part:
        condition = first_value(request.fields, b"if-range")
        fields: Fields = ((b"range", errand.part),)
        if condition is not None:
            fields += ((b"if-range", condition),)
        asked = forwarded(request, route, cacheable=True, part=fields)
        return Question(asked, wanted=errand.part)
    held = errand.stale if errand.why is MissReason.PARTIAL else None
    if held is not None and held.part is not None and request.method == b"GET":
        rest = rest_after(held.head, held.part)
        if rest is not None:
            etag = first_value(held.head.fields, b"etag") or b""
            fields = ((b"range", rest), (b"if-range", etag))
            asked = forwarded(request, route, cacheable=True, part=fields)
            return Question(asked, held=held, wanted=rest)
    asked = forwarded(request, route, cacheable=True)
    candidates = _candidates(errand, variants)
    if not candidates:
        return Question(asked)
    return Question(conditional(asked, [entry.head.fields for entry in candidates]), candidates)


def _candidates(errand: Errand, variants: tuple[Entry, ...]) -> tuple[Entry, ...]:
    """What may be validated: the stale entry first, then variants with an entity tag."""
    own = (errand.stale,) if errand.validate and errand.stale is not None else ()
    if errand.route.distribution.semantics != "rfc9111":
        return own
    if not own and errand.why is not MissReason.VARIANT:
        return ()
    others = (
        entry
        for entry in variants
        if entry not in own and entry.part is None and first_value(entry.head.fields, b"etag")
    )
    return (*own, *others)[:OFFERED_MAX]
