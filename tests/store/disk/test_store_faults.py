"""Whatever operation fails, whenever the process ends: what is served is whole and what was put."""

from __future__ import annotations

import errno
import shutil
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from edgecache.http.message import Response
from edgecache.store.disk.engine import DiskBudget, DiskEngine, check, sweep
from edgecache.store.disk.files import RealFiles
from edgecache.store.disk.index import DiskIndex
from edgecache.store.disk.pending_changes import Change, ForgetEntry, KeepEntry
from edgecache.store.entry import Entry
from tests.store.disk.faults import Crash, Faults, FaultyFiles, FaultyIndex, cut_power, quick_folder

OPERATIONS_MAX = 300  # a loop that never completes is a failure
KEYS = [b"key-%d" % number for number in range(6)]
SIZES = {b"key-0": 20, b"key-1": 30_000, b"key-2": 9_000, b"key-3": 8_192, b"key-4": 50_000}


def entry(key: bytes, version: int) -> Entry:
    """An entry whose body tells its key and version all through."""
    unit = b"%b=%d;" % (key, version)
    size = SIZES.get(key, 12_000)
    body = (unit * (size // len(unit) + 1))[:size]
    fields = ((b"version", b"%d" % version),)
    return Entry(key, Response(200, b"OK", fields, 1.0, 1.0), body)


def keep(key: bytes, version: int) -> KeepEntry:
    return KeepEntry(entry(key, version), b":0")


SCRIPT: list[list[Change]] = [
    [keep(KEYS[0], 1), keep(KEYS[1], 1)],
    [keep(KEYS[2], 2), keep(KEYS[1], 2), keep(KEYS[3], 2)],
    [ForgetEntry(KEYS[0]), keep(KEYS[4], 3)],
    [keep(KEYS[1], 4), ForgetEntry(KEYS[1]), keep(KEYS[1], 5), keep(KEYS[2], 5)],
    [keep(KEYS[5], 6), ForgetEntry(KEYS[4])],
]


class Story:
    """A disk store's life under faults, and what may be found in it at any moment."""

    def __init__(self, folder: Path, budget: DiskBudget) -> None:
        self.folder = folder
        self.budget = budget
        self.may: dict[bytes, set[int]] = {key: {0} for key in KEYS}  # 0: nothing

    def engine(self, faults: Faults | None = None) -> DiskEngine:
        if faults is None:
            return DiskEngine(str(self.folder), RealFiles(), self.budget)

        def index(path: str) -> DiskIndex:
            return FaultyIndex(path, faults)

        return DiskEngine(str(self.folder), FaultyFiles(faults), self.budget, index)

    def live(self, engine: DiskEngine) -> None:
        """The whole script, sweeping and looking in between."""
        engine.open()
        for _ in sweep(engine):
            pass
        for changes in SCRIPT:
            self.expect(changes)
            engine.change(changes)
            self.settle(changes)
            for key in KEYS:
                self.look(engine, key)

    def expect(self, changes: list[Change]) -> None:
        for key, version in last_versions(changes).items():
            self.may[key].add(version)

    def settle(self, changes: list[Change]) -> None:
        for key, version in last_versions(changes).items():
            self.may[key] = {version}

    def look(self, engine: DiskEngine, key: bytes) -> int:
        """Which version is found: whole, and one that may be there."""
        found = engine.find(key, ()).entry
        if found is None:
            return 0
        version = int(found.head.fields[0][1])
        assert found.body == entry(key, version).body
        assert version in self.may[key], f"{key!r}: version {version}, not {self.may[key]}"
        return version


def last_versions(changes: list[Change]) -> dict[bytes, int]:
    """What each key comes to; 0 when it is forgotten."""
    found: dict[bytes, int] = {}
    for change in changes:
        if isinstance(change, KeepEntry):
            found[change.entry.key] = int(change.entry.head.fields[0][1])
        elif isinstance(change, ForgetEntry) and isinstance(change.what, bytes):
            found[change.what] = 0
    return found


@pytest.fixture
def folder() -> Iterator[Path]:
    made = quick_folder()
    yield made
    shutil.rmtree(made)


def numbers() -> Iterator[int]:
    yield from range(1, OPERATIONS_MAX)
    raise AssertionError("the script does not come to an end")


ROOM = DiskBudget(10**7)
TIGHT = DiskBudget(110_000)  # not everything fits: each batch evicts


@pytest.mark.parametrize("budget", [ROOM, TIGHT], ids=["room", "tight"])
@pytest.mark.parametrize("error", [errno.ENOSPC, errno.EIO], ids=["ENOSPC", "EIO"])
def test_an_operation_that_fails(folder: Path, error: int, budget: DiskBudget) -> None:
    for number in numbers():
        story = Story(folder / f"{number}", budget)
        faults = Faults(number, error)
        engine = story.engine(faults)
        try:
            story.live(engine)
        except (OSError, sqlite3.Error):
            after_an_error(story, engine)
        engine.close()
        reopened(story, whole=budget is ROOM)
        shutil.rmtree(story.folder)
        if faults.done < number:
            return


def after_an_error(story: Story, engine: DiskEngine) -> None:
    """The process lives on: what it finds is whole, and it can go on storing."""
    if not engine.is_open:
        return
    for key in KEYS:
        story.look(engine, key)
    story.expect([keep(KEYS[0], 9)])
    engine.change([keep(KEYS[0], 9)])
    story.settle([keep(KEYS[0], 9)])


def reopened(story: Story, *, whole: bool) -> None:
    """A new process finds what was complete, and nothing that was not."""
    engine = story.engine()
    engine.open()
    for key in KEYS:
        if story.look(engine, key) == 0 and whole:
            assert 0 in story.may[key], f"{key!r} is lost: {story.may[key]}"
    for _ in sweep(engine):
        pass
    check(engine)
    engine.close()


@pytest.mark.parametrize("budget", [ROOM, TIGHT], ids=["room", "tight"])
def test_the_process_ends_before_an_operation(folder: Path, budget: DiskBudget) -> None:
    for number in numbers():
        story = Story(folder / f"{number}", budget)
        ended = crashed(story, Faults(number))
        reopened(story, whole=budget is ROOM)
        shutil.rmtree(story.folder)
        if not ended:
            return


@pytest.mark.parametrize("luck", range(4))
def test_the_power_goes_before_an_operation(folder: Path, luck: int) -> None:
    for number in numbers():
        story = Story(folder / f"{number}", ROOM)
        faults = Faults(number)
        ended = crashed(story, faults)
        cut_power(str(story.folder), faults, seed=10 * number + luck)
        for key in KEYS:  # the last commits may be lost: any former state, but never half of one
            story.may[key] = set(range(10))
        reopened(story, whole=False)
        shutil.rmtree(story.folder)
        if not ended:
            return


def crashed(story: Story, faults: Faults) -> bool:
    """Live until the crash; the story goes on with the folder as it was at that moment."""
    engine, ended = story.engine(faults), False
    story.folder.mkdir()
    try:
        story.live(engine)
    except Crash:
        ended = True
    left = story.folder.with_suffix(".left")
    shutil.copytree(story.folder, left)
    engine.close()
    shutil.rmtree(story.folder)
    left.rename(story.folder)
    return ended
