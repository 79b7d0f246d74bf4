"""Entries. Law: an entry holds facts as received; what they mean is judged anew by `rules`."""

from __future__ import annotations

from dataclasses import dataclass, replace

from edgecache.http.message import Response
from edgecache.rules.freshness import Assessment, assess
from edgecache.rules.parts import Part
from edgecache.rules.routing import Route
from edgecache.rules.variants import Selected

# Measured with tracemalloc: the entry, its head's tuples, its place in the index.
ENTRY_OVERHEAD_BYTES = 600


@dataclass(frozen=True, slots=True)
class Stored:
    """Where on disk a body is: the id of its row, its length, a checksum for each piece."""

    id: int
    length: int
    sums: tuple[int, ...]


class Entry:
    """A stored response, whole or in part. Never changed but for `alive`, `used`, `mark` with
    `stale_from`, and the remembered assessment: a pure function of the facts and the route."""

    __slots__ = (
        "_assessed",
        "_route",
        "alive",
        "answer",
        "body",
        "head",
        "key",
        "mark",
        "part",
        "selected",
        "stale_from",
        "stored",
        "tags",
        "used",
    )

    def __init__(
        self,
        key: bytes,
        head: Response,
        body: bytes,
        selected: Selected = (),
        part: Part | None = None,
        *,
        mark: int = 0,
        tags: tuple[bytes, ...] = (),
    ) -> None:
        self.key = key
        self.head = head
        self.body = body
        self.selected = selected
        self.part = part  # None: `body` is the whole
        self.mark = mark  # see store.marks
        self.tags = tags  # by which invalidations may name it
        self.stale_from: float | None = None  # epoch seconds; of a soft invalidation
        self.stored: Stored | None = None  # where the body is while it is not in memory
        self.alive = False  # set by the store that holds it
        self.used = False  # set on a hit, drained by the store: a lossy hint of recency
        self.answer: object = None  # what a front made of it for the wire, kept with it
        self._route: Route | None = None
        self._assessed: Assessment | None = None

    def assessment(self, route: Route) -> Assessment:
        """What the facts mean under `route`'s policy, worked out once for each."""
        if self._route is route and self._assessed is not None:
            return self._assessed
        found = assess(self.head, route)
        if self.stale_from is not None:
            lived_s = found.age(self.head.received_at, self.stale_from)
            found = replace(found, lifetime_s=min(found.lifetime_s, lived_s))
        self._assessed = found
        self._route = route
        return found

    def make_stale(self, at: float) -> None:
        """From `at` (epoch seconds) on it is as old as one whose lifetime has ended."""
        self.stale_from = at
        self._assessed = self.answer = None

    @property
    def length(self) -> int:
        """How many bytes the body has, wherever it is."""
        return len(self.body) if self.stored is None else self.stored.length

    @property
    def size_bytes(self) -> int:
        """What it costs to keep, overhead included."""
        fields = sum(len(name) + len(value) + 96 for name, value in self.head.fields)
        chosen = sum(len(name) + len(value or b"") + 96 for name, value in self.selected)
        return len(self.body) + len(self.key) + fields + chosen + ENTRY_OVERHEAD_BYTES
