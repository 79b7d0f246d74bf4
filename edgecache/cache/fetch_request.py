"""The request an errand sends upstream, and what a reply to it is: whole, part, rest or slice.

Law: a reply to a Range is never taken for the whole, and never for another part than it is.
"""

from __future__ import annotations

from msgspec import Struct

from edgecache.cache.outcome import FetchErrand
from edgecache.http.conditional import parse_etag, same_strong, strong_tag
from edgecache.http.message import Fields, Request, Response, first_value
from edgecache.rules.caching.entry_update import (
    EntryUpdate,
    FetchContext,
    UpdatedEntry,
    completed_update,
    update_of,
)
from edgecache.rules.caching.key import conditional, forwarded, forwards_ranges
from edgecache.rules.caching.revalidation import confirms, is_offered_to_others
from edgecache.rules.caching.slices import SliceLayout, head_of_whole, received_slice
from edgecache.rules.caching.stored_parts import (
    StoredPart,
    continues,
    range_of_rest,
    received_part,
    single_range,
)
from edgecache.rules.reasons import MissReason
from edgecache.rules.routing import Route
from edgecache.store.entry import Entry
from edgecache.upstream.interface import Reply

MAY_BE_NOT_MODIFIED = frozenset({b"if-none-match", b"if-modified-since"})
OFFERED_MAX = 8  # entity tags in one If-None-Match: as many as a key has variants


class FetchRequest(Struct, frozen=True):
    """A request for upstream, with what its answer may be about."""

    request: Request
    own: Entry | None = None  # what the request selects, which a 304 may validate
    others: tuple[Entry, ...] = ()  # other variants, which it validates by their strong tags alone
    held: Entry | None = None  # a part that a 206 may complete
    wanted: bytes | None = None  # the Range asked for
    slice: bytes | None = None  # the Range of a slice, asked for of what may be large
    for_one: bool = False  # with the viewer's own conditions: a 304 is its alone

    @property
    def range(self) -> bytes:
        """The Range it is asked with, if any."""
        return self.wanted or self.slice or b""

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


class WholeReply(Struct, frozen=True):
    """The whole, an error, or a part to be passed on: `update` says what is stored of it."""

    update: EntryUpdate


class PartReply(Struct, frozen=True):
    """A 206 to the viewer's own Range, which is stored as that part."""

    kept: UpdatedEntry
    part: StoredPart


class RestReply(Struct, frozen=True):
    """A 206 with all that is missing of the part `held`: head of, and what is kept of, both."""

    held: Entry
    head: Response
    kept: UpdatedEntry


class SliceReply(Struct, frozen=True):
    """A 206 with one slice of a large object."""

    head: Response  # of the whole
    number: int
    layout: SliceLayout


class LooseSliceReply(Struct, frozen=True):
    """A 206 to the Range of a slice that cannot be put together with others."""


class InconclusiveReply(Struct, frozen=True):
    """An answer to a Range of our own choice that tells the viewer nothing: ask for the whole."""


ReplyKind = WholeReply | PartReply | RestReply | SliceReply | LooseSliceReply | InconclusiveReply


def upstream_request(errand: FetchErrand, variants: tuple[Entry, ...]) -> FetchRequest:
    """The request that does `errand`; `variants` is all that is stored under its key."""
    request, route = errand.request, errand.route
    if errand.part:
        condition = first_value(request.fields, b"if-range")
        fields: Fields = ((b"range", errand.part),)
        if condition is not None:
            fields += ((b"if-range", condition),)
        ranged = forwarded(request, route, cacheable=True, part=fields)
        return FetchRequest(ranged, wanted=errand.part)
    held = errand.stale if errand.why is MissReason.PARTIAL else None
    if held is not None and held.part is not None and request.method == b"GET":
        rest = range_of_rest(held.head, held.part)
        if rest is not None:
            etag = first_value(held.head.fields, b"etag") or b""
            fields = ((b"range", rest), (b"if-range", etag))
            ranged = forwarded(request, route, cacheable=True, part=fields)
            return FetchRequest(ranged, held=held, wanted=rest)
    whole = forwarded(request, route, cacheable=True)
    own = errand.stale if errand.validate else None
    others = _other_variants(errand, own, variants)
    offered = [entry.head.fields for entry in (own, *others) if entry is not None]
    if not offered:
        return FetchRequest(whole)
    return FetchRequest(conditional(whole, offered), own, others)


def with_own_conditions(errand: FetchErrand, sent: FetchRequest) -> FetchRequest:
    """`sent` with the conditions of the errand's viewer, where it has none of ours and no Range.

    Those alone that a 304 answers: what fails another (412) would say nothing to anybody else.
    """
    fields = errand.request.fields
    if sent.is_conditional or sent.range or errand.request.method == b"HEAD":
        return sent
    own = tuple(field for field in fields if field[0] in MAY_BE_NOT_MODIFIED)
    request = forwarded(errand.request, errand.route, cacheable=True, part=own)
    return FetchRequest(request, for_one=True)


def range_to_forward(request: Request, route: Route) -> bytes:
    """The viewer's Range, where it goes upstream; empty: ask for the whole."""
    if request.method != b"GET" or not forwards_ranges(route):
        return b""
    return single_range(first_value(request.fields, b"range")) or b""


def brings_all(sent: FetchRequest, reply: Reply) -> bool:
    """Whether a 206 to the Range of a slice brings all of a small object."""
    if sent.slice is None or reply.head.status != 206:
        return False
    part = received_part(sent.slice, reply.head.fields, reply.body.length)
    return part is not None and part.whole


def classify(errand: FetchErrand, sent: FetchRequest, reply: Reply, slice_bytes: int) -> ReplyKind:
    """What `reply`, which is no 304, is to the errand that had `sent` asked."""
    head, length = reply.head, reply.body.length
    if sent.slice is not None and head.status == 206:
        received = received_slice(head, sent.slice, length, slice_bytes)
        return LooseSliceReply() if received is None else SliceReply(head_of_whole(head), *received)
    context = FetchContext(errand.request, errand.route, sent.range, length, bool(reply.result))
    update = update_of(context, head, errand.stale)
    if head.status == 206 and update.kept is not None:
        part = received_part(sent.wanted, head.fields, length)
        if part is not None and sent.held is None:
            return PartReply(update.kept, part)
        if part is not None and sent.held is not None and _completes(sent.held, head, part):
            return _rest(errand, sent.held, head)
    return InconclusiveReply() if _is_inconclusive(errand, sent, head) else WholeReply(update)


def _is_inconclusive(errand: FetchErrand, sent: FetchRequest, answer: Response) -> bool:
    """Whether an answer to a Range of our own choice tells the viewer nothing.

    What came may be due to the Range, which the viewer did not send, or not as its If-Range
    would have it: then the whole is to be asked for. A viewer's range that begins where the
    object has ended, or behind it, gets the same 416 as the slice it begins in.
    """
    if (sent.held is None and sent.slice is None) or answer.status == 200:
        return False
    behind_the_end = answer.status == 416 and sent.slice is not None
    return not behind_the_end or first_value(errand.request.fields, b"if-range") is not None


def _completes(held: Entry, head: Response, rest: StoredPart) -> bool:
    """Whether `rest` is all that is missing of the part `held`, of the same representation."""
    assert held.part is not None
    return continues(held.head, held.part, head, rest) and rest.after == rest.total


def _rest(errand: FetchErrand, held: Entry, head: Response) -> RestReply:
    update = completed_update(FetchContext(errand.request, errand.route), head, held)
    assert update.kept is not None
    return RestReply(held, update.head, update.kept)


def _other_variants(
    errand: FetchErrand, own: Entry | None, variants: tuple[Entry, ...]
) -> tuple[Entry, ...]:
    """Other variants whose tags are offered beside that of the one the request selects."""
    if not errand.route.semantics.vary_selects:
        return ()
    if own is None and errand.why is not MissReason.VARIANT:
        return ()
    own_tag = None if own is None else parse_etag(first_value(own.head.fields, b"etag") or b"")
    if own is not None and own_tag is None:
        return ()  # what is asked about by its date is asked about alone
    offered: dict[bytes, Entry] = {}
    for entry in variants:
        tag = strong_tag(entry.head.fields)
        if entry is own or entry.part is not None or tag is None:
            continue
        if (own_tag is None or tag != own_tag.opaque) and is_offered_to_others(
            entry.head, entry.selected
        ):
            offered.setdefault(tag, entry)
    return tuple(offered.values())[: OFFERED_MAX - 1]
