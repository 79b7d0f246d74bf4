"""A disk store against a dictionary: whatever is done in whatever order, it knows as much."""

from __future__ import annotations

import errno
import shutil

import hypothesis.strategies as st
from hypothesis import settings
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from edgecache.http.message import Response
from edgecache.store.disk.availability import TRY_AGAIN_S
from edgecache.store.disk.engine import check, sweep
from edgecache.store.disk.pending_changes import FormerRow
from edgecache.store.entry import Entry
from tests.store.disk.disk_world import DiskStage
from tests.store.disk.faults import Faults, FaultyFiles, FaultyIndex, quick_folder

KEYS = st.sampled_from([b"a", b"b", b"c"])
LANGUAGES = st.sampled_from([b"", b"de", b"en"])
SIZES = st.sampled_from([0, 50, 8_192, 8_193, 30_000])
Place = tuple[bytes, bytes]


def entry(key: bytes, language: bytes, version: int, size: int) -> Entry:
    selected = ((b"accept-language", language),) if language else ()
    fields = ((b"version", b"%d" % version),)
    body = (b"%b %b %d;" % (key, language, version) * size)[:size]
    return Entry(key, Response(200, b"OK", fields, 1.0, 1.0), body, selected)


class DiskModel(RuleBasedStateMachine):
    """`held` is what must be found, `may` what may be found instead after trouble."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = quick_folder()
        self.faults = Faults()
        self.stage = DiskStage(
            self.folder / "disk",
            files=FaultyFiles(self.faults),
            index=lambda path: FaultyIndex(path, self.faults),
        )
        self.held: dict[Place, Entry] = {}
        self.version = 0
        self.failing = False

    @rule(key=KEYS, language=LANGUAGES, size=SIZES, expires_at=st.sampled_from([0.0, 1.0, 1e10]))
    def put(self, key: bytes, language: bytes, size: int, expires_at: float) -> None:
        self.version += 1
        one = entry(key, language, self.version, size)
        one.expires_at = expires_at
        if self.stage.store.put(one):
            self.held[key, language] = one
        else:
            self.forget(key)

    @rule(key=KEYS)
    def remove(self, key: bytes) -> None:
        self.stage.store.remove(key)
        self.forget(key)

    def forget(self, key: bytes) -> None:
        self.held = {place: one for place, one in self.held.items() if place[0] != key}

    @rule(row=st.integers(1, 9), former=st.booleans())
    def release(self, row: int, former: bool) -> None:
        """Whether the row is there or not; nothing is lost where all have room."""
        self.stage.store.amend([FormerRow(row, former)])

    @rule()
    def settle(self) -> None:
        self.stage.settle()

    @invariant()
    def knows_as_much(self) -> None:
        for key in (b"a", b"b", b"c"):
            for language in (b"", b"de", b"en"):
                self.look(key, language)

    def look(self, key: bytes, language: bytes) -> None:
        fields = ((b"accept-language", language),) if language else ()
        found = self.stage.run(self.stage.store.find(key, fields))
        held = self.held.get((key, language))
        if found is None:
            assert self.failing or (held is None and (key, b"") not in self.held)
        else:
            known = [self.held.get((key, language)), self.held.get((key, b""))]
            assert (found.body, found.head) in [(k.body, k.head) for k in known if k is not None]

    @precondition(lambda self: not self.failing)
    @rule()
    def restart(self) -> None:
        self.stage.settle()
        self.stage.restart()

    @precondition(lambda self: not self.failing)
    @rule(steps=st.integers(1, 4), error=st.sampled_from([errno.EIO, errno.ENOSPC]))
    def fail(self, steps: int, error: int) -> None:
        self.stage.settle()
        self.faults.at, self.faults.error = self.faults.done + steps, error
        self.failing = True

    @precondition(lambda self: self.failing)
    @rule()
    def mend(self) -> None:
        """The disk is well again: from what is there now, nothing is lost any more."""
        self.stage.settle()
        self.faults.at = 0
        self.stage.advance(TRY_AGAIN_S + 1)
        for key in (b"a", b"b", b"c"):
            self.stage.store.remove(key)
            self.forget(key)
        self.stage.advance(TRY_AGAIN_S + 1)
        self.failing = False

    @invariant()
    def proves_itself(self) -> None:
        engine = self.stage.store.engine
        if not self.failing and self.stage.store._writer is None and engine.is_open:
            for _ in sweep(engine):
                pass
            check(engine)
            assert engine.totals.objects == len(self.held)

    def teardown(self) -> None:
        self.faults.at = 0
        self.stage.advance(TRY_AGAIN_S + 1)
        self.stage.close()
        shutil.rmtree(self.folder)


TestDiskModel = DiskModel.TestCase
TestDiskModel.settings = settings(max_examples=30, stateful_step_count=25, deadline=None)
