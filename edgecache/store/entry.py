"""Entries. Law: an entry holds facts as received; what they mean is judged anew by `rules`."""

from __future__ import annotations

from edgecache.http.message import Response
from edgecache.rules.freshness import Assessment, assess
from edgecache.rules.parts import Part
from edgecache.rules.routing import Route
from edgecache.rules.variants import Selected

# Measured with tracemalloc: the entry, its head's tuples, its place in the index.
ENTRY_OVERHEAD_BYTES = 600


class Entry:
    """A stored response, whole or in part. Never changed but for `alive`, `used` and the remembered
    assessment, which is a pure function of the facts and the route."""

    __slots__ = (
        "_assessed",
        "_route",
        "alive",
        "answer",
        "body",
        "head",
        "key",
        "part",
        "selected",
        "used",
    )

    def __init__(
        self,
        key: bytes,
        head: Response,
        body: bytes,
        selected: Selected = (),
        part: Part | None = None,
    ) -> None:
        self.key = key
        self.head = head
        self.body = body
        self.selected = selected
        self.part = part  # None: `body` is the whole
        self.alive = False  # set by the store that holds it
        self.used = False  # set on a hit, drained by the store: a lossy hint of recency
        self.answer: object = None  # what a front made of it for the wire, kept with it
        self._route: Route | None = None
        self._assessed: Assessment | None = None

    def assessment(self, route: Route) -> Assessment:
        """What the facts mean under `route`'s policy, worked out once for each."""
        if self._route is route and self._assessed is not None:
            return self._assessed
        self._assessed = assess(self.head, route)
        self._route = route
        return self._assessed

    @property
    def size_bytes(self) -> int:
        """What it costs to keep, overhead included."""
        fields = sum(len(name) + len(value) + 96 for name, value in self.head.fields)
        chosen = sum(len(name) + len(value or b"") + 96 for name, value in self.selected)
        return len(self.body) + len(self.key) + fields + chosen + ENTRY_OVERHEAD_BYTES
