"""Stored responses. Law: an entry holds facts as received; `rules` judges anew what they mean.

Its head is packed: nine fields as tuples take 1,300 bytes in thirty objects that the garbage
collector walks, packed 250 in one, and are there again in a microsecond. What is unpacked equals
what was packed.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Protocol

from msgspec import msgpack
from msgspec.structs import replace

from edgecache.http.message import Response
from edgecache.rules.caching.freshness import Assessment, assess
from edgecache.rules.caching.slices import SliceLayout
from edgecache.rules.caching.stored_parts import StoredPart
from edgecache.rules.caching.vary import Selected
from edgecache.rules.routing import Route
from edgecache.store.s3fifo_queues import Resident

# Names that are packed as their number here: what origins and object stores commonly send.
NAMES = (
    b"accept-ranges access-control-allow-origin access-control-expose-headers age allow alt-svc"
    b" cache-control cdn-cache-control connection content-disposition content-encoding"
    b" content-language content-length content-location content-md5 content-security-policy"
    b" content-type cross-origin-opener-policy cross-origin-resource-policy date etag expires"
    b" last-modified link location nel permissions-policy pragma referrer-policy report-to"
    b" retry-after server server-timing set-cookie strict-transport-security surrogate-control"
    b" surrogate-key timing-allow-origin vary via warning www-authenticate x-amz-id-2"
    b" x-amz-request-id x-amz-server-side-encryption x-amz-storage-class x-amz-version-id x-cache"
    b" x-content-type-options x-frame-options x-powered-by x-request-id x-robots-tag"
    b" x-xss-protection cache-tag cache-status"
).split()
_NUMBERS: dict[bytes, int | bytes] = {name: number for number, name in enumerate(NAMES)}

_encode = msgpack.Encoder().encode
_decode = msgpack.Decoder(tuple[int, bytes, float, float, tuple[int | bytes, ...]]).decode


def pack_head(head: Response) -> bytes:
    """`head` in one piece."""
    parts: list[int | bytes] = []
    for name, value in head.fields:
        parts += (_NUMBERS.get(name, name), value)
    return _encode((head.status, head.reason, head.requested_at, head.received_at, parts))


def unpack_head(packed: bytes) -> Response:
    """The head that was packed."""
    status, reason, requested_at, received_at, parts = _decode(packed)
    names = [NAMES[name] if isinstance(name, int) else name for name in parts[::2]]
    # Values are bytes always: only names have numbers.
    fields = tuple(zip(names, parts[1::2], strict=True))
    return Response(status, reason, fields, requested_at, received_at)  # type: ignore[arg-type]


# The entry itself, the headers of its bytes, its places in the index and among what expires, and
# what Python cannot fill again after churn: measured as RSS (tests/store/disk/filled.py).
ENTRY_OVERHEAD_BYTES = 600
SELECTED_OVERHEAD_BYTES = 200  # of a name, its value and the tuple that holds both
TAG_OVERHEAD_BYTES = 64


@dataclass(frozen=True, slots=True)
class DiskBody:
    """Where on disk a body is: the id of its row, its length, a checksum for each piece.

    `read` gives a piece, or None when it is not there any more as it was written.
    """

    id: int
    length: int
    sums: tuple[int, ...]
    read: Callable[[DiskBody, int], Awaitable[bytes | None]] | None = None


class RenderedAnswer(Protocol):
    """A hit as a server made it for the wire. It is kept with its entry, which it knows."""

    @property
    def entry(self) -> Entry: ...


class Entry(Resident, eq=False, gc=False):
    """A stored response, whole or in part, made of `key`, its head and its body. Its facts never
    change but for `mark` with `stale_from`; `alive`, `older` and what Resident counts belong to
    the store, the rest is remembered conclusions: see `cool`."""

    key: bytes
    unpacked: Response | None  # the head, at hand
    body: bytes
    selected: Selected = ()
    part: StoredPart | None = None  # None: `body` is the whole
    mark: int = 0  # see store.invalidation
    tags: tuple[bytes, ...] = ()  # by which invalidations may name it
    stale_from: float | None = None  # epoch seconds; of a soft invalidation
    stored: DiskBody | None = None  # where the body is while it is not in memory
    blocks: SliceLayout | None = None  # the body is in these, under keys of their own
    alive: bool = False  # set by the store that holds it
    older: Entry | None = None  # another variant under its key
    expires_at: float = 0.0  # epoch seconds, once assessed; 0: not yet
    due: set[Entry] | None = None  # those it expires with
    answer: RenderedAnswer | None = None  # the hit as made for the wire, while it is stored
    _packed: bytes = b""
    _before: int = 0  # the mark it had when a soft one made it stale
    _route: Route | None = None
    _assessed: Assessment | None = None

    def __post_init__(self) -> None:
        assert self.unpacked is not None, "made of a head"
        self._packed = pack_head(self.unpacked)
        size = len(self.key) + len(self._packed) + len(self.body) + ENTRY_OVERHEAD_BYTES
        for name, value in self.selected:
            size += len(name) + len(value or b"") + SELECTED_OVERHEAD_BYTES
        for tag in self.tags:
            size += len(tag) + TAG_OVERHEAD_BYTES
        self.size_bytes = size
        self._before = self.mark

    @property
    def head(self) -> Response:
        """Status, fields and times as received."""
        return self.unpacked or unpack_head(self._packed)

    def assessment(self, route: Route) -> Assessment:
        """What the facts mean under `route`'s policy, worked out once for each."""
        if self._route is route and self._assessed is not None:
            return self._assessed
        head = self.head
        found = assess(head, route)
        if self.stale_from is not None:
            lived_s = found.age(head.received_at, self.stale_from)
            found = replace(found, lifetime_s=min(found.lifetime_s, lived_s))
        self._assessed = found
        self._route = route
        self.expires_at = found.fresh_until(head.received_at)
        return found

    def make_stale(self, at: float) -> None:
        """From `at` (epoch seconds) on it is as old as one whose lifetime has ended."""
        if self.stale_from is None:
            self._before, self.stale_from = self.mark, at
        self.stale_from = min(self.stale_from, at)
        self._assessed = self.answer = None

    def renewed(
        self,
        head: Response,
        selected: Selected,
        *,
        mark: int,
        tags: tuple[bytes, ...],
    ) -> Entry:
        """The same body, wherever it is, under a new head."""
        entry = Entry(self.key, head, self.body, selected, mark=mark, tags=tags)
        entry.stored, entry.blocks = self.stored, self.blocks
        return entry

    @property
    def length(self) -> int:
        """How many bytes the body has, wherever it is."""
        if self.blocks is not None:
            return self.blocks.total
        return len(self.body) if self.stored is None else self.stored.length

    @property
    def told_mark(self) -> int:
        """The mark to tell of it, so that who keeps it sees the soft invalidation it fell under."""
        return self.mark if self.stale_from is None else self._before

    def back_from_disk(self, kept_mark: int, checked: int) -> None:
        """Take up the mark it was kept with, raised to what all that is kept was checked for."""
        self._before, self.mark = kept_mark, max(kept_mark, checked)

    def warm_up(self) -> None:
        """Have its head at hand."""
        self.unpacked = unpack_head(self._packed)

    def cool(self) -> None:
        """Forget what can be worked out again from the facts."""
        self.unpacked = self._route = self._assessed = self.answer = None
