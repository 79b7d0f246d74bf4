"""`python -m benchmarks.engines`: what docs/decisions/010 was decided by.

A million small objects in SQLite and (where the package `lmdb` is installed) in LMDB, small bodies
in rows and in files, and checksums. In a folder of its own on the disk of `--folder`.
"""

from __future__ import annotations

import argparse
import hashlib
import importlib
import importlib.util
import os
import random
import shutil
import sqlite3
import subprocess
import sys
import tempfile
import time
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

BATCH = 1_000  # objects in one transaction
READS = 20_000
ROWS = "CREATE TABLE entries(id INTEGER PRIMARY KEY, digest BLOB, size INTEGER, value BLOB)"
OPENING = """
import sys, time, sqlite3, importlib
began = time.perf_counter()
if sys.argv[1] == "sqlite":
    found = sqlite3.connect(sys.argv[2] + "/index.db")
    value = found.execute("SELECT value FROM entries WHERE digest = ?", (bytes(16),)).fetchone()
else:
    lmdb = importlib.import_module("lmdb")
    found = lmdb.open(sys.argv[2], map_size=1 << 36, readonly=True)
    with found.begin() as reading:
        value = reading.get(bytes(16))
print(1000 * (time.perf_counter() - began))
"""


def main() -> None:
    """Measure, and print a line for each figure."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.engines", description=__doc__)
    parser.add_argument("--objects", type=int, default=1_000_000)
    parser.add_argument("--folder", type=Path, default=Path(tempfile.gettempdir()))
    options = parser.parse_args()
    folder = Path(tempfile.mkdtemp(dir=options.folder))
    try:
        _checksums()
        _sqlite(folder / "sqlite", options.objects)
        if importlib.util.find_spec("lmdb") is not None:
            _lmdb(folder / "lmdb", options.objects)
        for size in (200, 4_096, 16_384, 65_536):
            _bodies(folder / f"bodies-{size}", size)
    finally:
        shutil.rmtree(folder)


def _digest(number: int) -> bytes:
    return hashlib.blake2b(b"%d" % number, digest_size=16).digest()


def _objects(count: int, size: int = 500) -> Iterator[list[tuple[bytes, int, bytes]]]:
    """Batches of 500 bytes each: a head of 300 and a body of 200."""
    value = os.urandom(size)
    for start in range(0, count, BATCH):
        numbers = range(start, min(count, start + BATCH))
        yield [(_digest(number), size, value) for number in numbers]


def _connected(folder: Path) -> sqlite3.Connection:
    folder.mkdir()
    found = sqlite3.connect(folder / "index.db", isolation_level=None)
    found.execute("PRAGMA journal_mode=WAL")
    found.execute("PRAGMA synchronous=NORMAL")
    found.execute(ROWS)
    found.execute("CREATE INDEX by_digest ON entries(digest)")
    return found


def _sqlite(folder: Path, count: int) -> None:
    found = _connected(folder)
    began = time.perf_counter()
    for batch in _objects(count):
        found.execute("BEGIN")
        found.executemany("INSERT INTO entries(digest, size, value) VALUES(?, ?, ?)", batch)
        found.execute("COMMIT")
    _tell("sqlite", "write, us each", 1e6 * (time.perf_counter() - began) / count)
    wanted = [_digest(random.randrange(count)) for _ in range(READS)]
    ask = "SELECT value FROM entries WHERE digest = ?"
    _tell(
        "sqlite", "read, us each", _each(wanted, lambda key: found.execute(ask, (key,)).fetchone())
    )
    found.close()
    _tell_of_folder("sqlite", folder)


def _lmdb(folder: Path, count: int) -> None:
    lmdb: Any = importlib.import_module("lmdb")
    found = lmdb.open(str(folder), map_size=1 << 36, metasync=False, sync=False)
    began = time.perf_counter()
    for batch in _objects(count):
        with found.begin(write=True) as writing:
            for key, _, value in batch:
                writing.put(key, value)
    _tell("lmdb", "write, us each", 1e6 * (time.perf_counter() - began) / count)
    wanted = [_digest(random.randrange(count)) for _ in range(READS)]

    def read(key: bytes) -> object:
        with found.begin() as reading:
            return reading.get(key)

    _tell("lmdb", "read, us each", _each(wanted, read))
    found.close()
    _tell_of_folder("lmdb", folder)


def _tell_of_folder(name: str, folder: Path) -> None:
    size = sum(file.stat().st_blocks * 512 for file in folder.iterdir())
    _tell(name, "on disk, MB", size / 1e6)
    command = [sys.executable, "-c", OPENING, name, str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    _tell(name, "open and first read, ms", float(done.stdout))


def _bodies(folder: Path, size: int) -> None:
    """Bodies in rows beside bodies in files, 5,000 of each."""
    count, body = 5_000, os.urandom(size)
    found = _connected(folder)
    began = time.perf_counter()
    for start in range(0, count, 100):
        rows = [(_digest(number), size, body) for number in range(start, start + 100)]
        found.execute("BEGIN")
        found.executemany("INSERT INTO entries(digest, size, value) VALUES(?, ?, ?)", rows)
        found.execute("COMMIT")
    _tell(f"rows of {size}", "write, us each", 1e6 * (time.perf_counter() - began) / count)
    ask = "SELECT value FROM entries WHERE digest = ?"
    wanted = [_digest(random.randrange(count)) for _ in range(count)]
    told = _each(wanted, lambda key: found.execute(ask, (key,)).fetchone())
    _tell(f"rows of {size}", "read, us each", told)
    found.close()
    began = time.perf_counter()
    for number in range(count):
        with open(folder / f"{number}", "wb", buffering=0) as file:
            file.write(body)
    _tell(f"files of {size}", "write, us each", 1e6 * (time.perf_counter() - began) / count)
    names = [str(folder / f"{random.randrange(count)}") for _ in range(count)]
    _tell(f"files of {size}", "read, us each", _each(names, _read))


def _read(name: str) -> bytes:
    with open(name, "rb", buffering=0) as file:
        return file.read()


def _each(wanted: list[Any], read: Callable[[Any], object]) -> float:
    began = time.perf_counter()
    for one in wanted:
        assert read(one) is not None
    return 1e6 * (time.perf_counter() - began) / len(wanted)


def _checksums() -> None:
    sums: dict[str, Callable[[bytes], object]] = {
        "crc32 (zlib)": zlib.crc32,
        "blake2b, 8 bytes": lambda data: hashlib.blake2b(data, digest_size=8).digest(),
        "sha1": lambda data: hashlib.sha1(data).digest(),
    }
    for name, member in (("xxhash", "xxh3_64_intdigest"), ("google_crc32c", "value")):
        if importlib.util.find_spec(name) is not None:
            sums[f"{name}.{member}"] = getattr(importlib.import_module(name), member)
    for size in (500, 1 << 20):
        data = os.urandom(size)
        for name, function in sums.items():
            times = (64 << 20) // max(size, 1 << 14)
            began = time.perf_counter()
            for _ in range(times):
                function(data)
            _tell(f"{name} of {size}", "us each", 1e6 * (time.perf_counter() - began) / times)


def _tell(what: str, unit: str, figure: float) -> None:
    print(f"{what:<36} {unit:<24} {figure:>10.2f}", flush=True)


if __name__ == "__main__":
    main()
