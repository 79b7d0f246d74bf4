"""`python -m tests.store.disk.killed FOLDER KILLS`: a writer is killed again and again, mid-write.

Each round forks a process that changes an engine without pause and says what it begins and what
is done; it gets SIGKILL at a random moment. Then the engine is opened: what was done is found, what
had begun is found whole or not at all, and nothing else.
"""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from random import Random

from edgecache.http.message import Response
from edgecache.store.disk.engine import DiskBudget, DiskEngine, check, sweep
from edgecache.store.disk.files import RealFiles
from edgecache.store.disk.pending_changes import Change, ForgetEntry, KeepEntry
from edgecache.store.entry import Entry

KEYS = [b"key-%d" % number for number in range(40)]
SIZES = (0, 200, 8_192, 9_000, 60_000, 200_000)
BUDGET = DiskBudget(64 * 1024 * 1024)
CHECK_EVERY = 25  # rounds between two full proofs


def body_of(key: bytes, version: int, size: int) -> bytes:
    """Bytes that tell their key and version all through."""
    unit = b"%b=%d;" % (key, version)
    return (unit * (size // len(unit) + 1))[:size]


def keep(key: bytes, version: int, size: int) -> KeepEntry:
    fields = ((b"version", b"%d" % version), (b"size", b"%d" % size))
    head = Response(200, b"OK", fields, 1.0, 1.0)
    return KeepEntry(Entry(key, head, body_of(key, version, size)), b":0")


def write_forever(folder: str, seed: int, version: int, told: int) -> None:
    """Change the engine, saying `+ KEY VERSION` before and `=` after each batch."""
    random = Random(seed)
    engine = DiskEngine(folder, RealFiles(), BUDGET)
    engine.open()
    while True:
        changes: list[Change] = []
        lines = b""
        for key in random.sample(KEYS, random.randint(1, 6)):
            version += 1
            gone = random.random() < 0.2
            changes.append(ForgetEntry(key) if gone else keep(key, version, random.choice(SIZES)))
            lines += b"+ %b %d\n" % (key, 0 if gone else version)
        os.write(told, lines)
        engine.change(changes)
        os.write(told, b"=\n")


class Witness:
    """What may be found, by what the writers said."""

    def __init__(self) -> None:
        self.may: dict[bytes, set[int]] = {key: {0} for key in KEYS}
        self.last = 0
        self.torn = 0  # rounds that ended within a batch

    def hear(self, lines: Iterator[bytes]) -> None:
        begun: dict[bytes, int] = {}
        for line in lines:
            if line == b"=":
                for key, version in begun.items():
                    self.may[key] = {version}
                begun = {}
            else:
                _, key, number = line.split()
                begun[key] = int(number)
                self.last = max(self.last, int(number))
        self.torn += bool(begun)
        for key, version in begun.items():
            self.may[key].add(version)

    def look(self, engine: DiskEngine) -> None:
        for key in KEYS:
            found = engine.find(key, ())
            assert not found.bad, f"{key!r}: rows that are not whole"
            version = 0
            if found.entry is not None:
                fields = dict(found.entry.head.fields)
                version = int(fields[b"version"])
                assert found.entry.body == body_of(key, version, int(fields[b"size"]))
            assert version in self.may[key], f"{key!r}: {version}, not {self.may[key]}"
            self.may[key] = {version}


def killed_once(folder: str, random: Random, version: int) -> list[bytes]:
    """Fork a writer, kill it, and give the whole lines it said."""
    heard, told = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.close(heard)
        try:
            write_forever(folder, random.randrange(2**32), version, told)
        finally:
            os._exit(3)  # it never ends by itself
    os.close(told)
    said = b""
    enough = random.randint(1, 12)
    while said.count(b"\n") < enough:
        piece = os.read(heard, 65_536)
        assert piece, "the writer ended by itself"
        said += piece
    until = time.perf_counter() + random.random() * 0.006
    while time.perf_counter() < until:
        pass
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    while piece := os.read(heard, 65_536):
        said += piece
    os.close(heard)
    return said[: said.rfind(b"\n") + 1].splitlines()


def main() -> int:
    """Kill so often, and say how many of the kills fell within a batch."""
    folder, kills = sys.argv[1], int(sys.argv[2])
    random, witness = Random(8), Witness()
    cleared = 0
    for number in range(1, kills + 1):
        witness.hear(iter(killed_once(folder, random, witness.last)))
        engine = DiskEngine(folder, RealFiles(), BUDGET)
        engine.open()
        witness.look(engine)
        before = len([*Path(folder).glob("bodies/*/*")])
        for _ in sweep(engine):
            pass
        cleared += before - len([*Path(folder).glob("bodies/*/*")])
        if number % CHECK_EVERY == 0:
            check(engine)
        engine.close()
    print(f"{kills} kills, {witness.torn} within a batch, {cleared} files without rows cleared")
    return 0


if __name__ == "__main__":
    sys.exit(main())
