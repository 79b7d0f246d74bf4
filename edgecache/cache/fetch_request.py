"""What an errand asks upstream: the whole, a part, the rest, or if what is stored still holds."""

from __future__ import annotations

from msgspec import Struct

from edgecache.cache.outcome import FetchErrand
from edgecache.http.conditional import parse_etag, same_strong, strong_tag
from edgecache.http.message import Fields, Request, Response, first_value
from edgecache.rules.caching.key import conditional, forwarded
from edgecache.rules.caching.partial import rest_after
from edgecache.rules.caching.revalidation import confirms, is_offered_to_others
from edgecache.rules.reasons import MissReason
from edgecache.store.entry import Entry

OFFERED_MAX = 8  # entity tags in one If-None-Match: as many as a key has variants


class FetchRequest(Struct, frozen=True):
    """A request for upstream, with what its answer may be about."""

    request: Request
    own: Entry | None = None  # what the request selects, which a 304 may validate
    others: tuple[Entry, ...] = ()  # other variants, which it validates by their strong tags alone
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

    @property
    def is_conditional(self) -> bool:
        """Whether a 304 may answer it."""
        return self.own is not None or bool(self.others)

    def validated(self, answer: Response) -> Entry | None:
        """Which stored response a 304 speaks of (RFC 9111 §4.3.4); None when that is unclear."""
        own = self.own
        if own is not None and same_strong(own.head, answer):
            return own
        for entry in self.others:
            if same_strong(entry.head, answer):
                return entry
        if own is None or (self.others and first_value(answer.fields, b"etag") is None):
            return None
        return own if confirms(answer, own.head) else None


def question(errand: FetchErrand, variants: tuple[Entry, ...]) -> FetchRequest:
    """How to ask; `variants` is all that is stored under the errand's key."""
    request, route = errand.request, errand.route
    if errand.part:
        condition = first_value(request.fields, b"if-range")
        fields: Fields = ((b"range", errand.part),)
        if condition is not None:
            fields += ((b"if-range", condition),)
        asked = forwarded(request, route, cacheable=True, part=fields)
        return FetchRequest(asked, wanted=errand.part)
    held = errand.stale if errand.why is MissReason.PARTIAL else None
    if held is not None and held.part is not None and request.method == b"GET":
        rest = rest_after(held.head, held.part)
        if rest is not None:
            etag = first_value(held.head.fields, b"etag") or b""
            fields = ((b"range", rest), (b"if-range", etag))
            asked = forwarded(request, route, cacheable=True, part=fields)
            return FetchRequest(asked, held=held, wanted=rest)
    asked = forwarded(request, route, cacheable=True)
    own = errand.stale if errand.validate else None
    others = _others(errand, own, variants)
    offered = [entry.head.fields for entry in (own, *others) if entry is not None]
    if not offered:
        return FetchRequest(asked)
    return FetchRequest(conditional(asked, offered), own, others)


def _others(
    errand: FetchErrand, own: Entry | None, variants: tuple[Entry, ...]
) -> tuple[Entry, ...]:
    """Other variants whose tags are offered beside that of the one the request selects."""
    if not errand.route.semantics.vary_selects:
        return ()
    if own is None and errand.why is not MissReason.VARIANT:
        return ()
    held = None if own is None else parse_etag(first_value(own.head.fields, b"etag") or b"")
    if own is not None and held is None:
        return ()  # what is asked about by its date is asked about alone
    found: dict[bytes, Entry] = {}
    for entry in variants:
        tag = strong_tag(entry.head.fields)
        if entry is own or entry.part is not None or tag is None:
            continue
        if (held is None or tag != held.opaque) and is_offered_to_others(
            entry.head, entry.selected
        ):
            found.setdefault(tag, entry)
    return tuple(found.values())[: OFFERED_MAX - 1]
