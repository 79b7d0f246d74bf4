"""Memory over disk against a dictionary: what was put and not removed is found, nothing else."""

from __future__ import annotations

import shutil

import hypothesis.strategies as st
from hypothesis import settings
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from edgecache.http.message import Response
from edgecache.rules.caching.key import cache_key
from edgecache.rules.invalidation.items import items_of
from edgecache.store.disk.engine import DiskBudget
from edgecache.store.disk.record import PIECE_BYTES
from edgecache.store.entry import Entry
from edgecache.store.invalidation import FilteredStore, Invalidation
from edgecache.store.memory import MEMORY_BYTES_MAX, MemoryStore
from tests.rules.pieces import asks, site_of
from tests.store.disk.disk_world import DiskStage
from tests.store.disk.faults import quick_folder

ROUTE = site_of()
PATHS = st.sampled_from(["/a", "/b"])
SIZES = st.sampled_from([0, 200, 20_000, MEMORY_BYTES_MAX + 1, PIECE_BYTES + 1])


class LevelsModel(RuleBasedStateMachine):
    """Everything fits on disk; memory holds hardly anything, and may forget at any time."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = quick_folder()
        self.stage = DiskStage(self.folder / "disk", DiskBudget(10**9))
        self.begin()
        self.held: dict[str, bytes] = {}
        self.version = 0

    def begin(self) -> None:
        self.memory = MemoryStore(100_000)
        self.standing = FilteredStore(self.memory, self.stage.marks, self.stage.store)

    def key(self, path: str) -> bytes:
        return cache_key(asks(path), ROUTE)

    @rule(path=PATHS, size=SIZES)
    def put(self, path: str, size: int) -> None:
        self.version += 1
        body = (b"%b %d;" % (path.encode(), self.version) * (size // 5 + 1))[:size]
        head = Response(200, b"OK", ((b"version", b"%d" % self.version),), 1.0, 1.0)
        entry = Entry(self.key(path), head, body, mark=self.stage.marks.last)
        assert self.standing.put(entry, self.standing.writes.last)
        self.held[path] = body

    @rule(path=PATHS)
    def remove(self, path: str) -> None:
        self.standing.remove(self.key(path))
        self.held.pop(path, None)

    @rule(path=PATHS)
    def invalidate(self, path: str) -> None:
        marks = self.stage.marks
        site = ROUTE.distribution.id
        marks.apply(Invalidation(marks.last + 1, 1_000.0, site, items_of((path,))))
        self.held.pop(path, None)

    @rule()
    def settle(self) -> None:
        self.stage.settle()

    @rule(path=PATHS)
    def memory_forgets(self, path: str) -> None:
        self.memory.remove(self.key(path))

    @rule()
    def restart(self) -> None:
        self.stage.settle()
        self.stage.restart()
        self.begin()

    @invariant()
    def knows_as_much(self) -> None:
        for path in ("/a", "/b"):
            self.look(path)

    def look(self, path: str) -> None:
        found = self.standing.get(self.key(path), ())
        if found is None:
            deeper = self.stage.run(self.standing.find(self.key(path), ()))
            found = deeper if isinstance(deeper, Entry) else None
        assert (None if found is None else self.body(found)) == self.held.get(path)

    def body(self, entry: Entry) -> bytes:
        if entry.stored is None:
            return entry.body
        assert not entry.body
        pieces = range(-(-entry.length // PIECE_BYTES))
        read = [self.stage.run(self.stage.store.piece(entry.stored, n)) for n in pieces]
        return b"".join(piece or b"" for piece in read)

    @invariant()
    def memory_holds_what_is_small(self) -> None:
        self.memory.check()
        assert all(len(entry.body) <= MEMORY_BYTES_MAX for entry in self.memory)

    def teardown(self) -> None:
        self.stage.close()
        shutil.rmtree(self.folder)


TestLevelsModel = LevelsModel.TestCase
TestLevelsModel.settings = settings(max_examples=30, stateful_step_count=25, deadline=None)
