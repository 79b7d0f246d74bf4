"""A location with a disk: its worker comes back with what it had, however it ended."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.end_to_end.lone_edge import (
    HOST,
    LoneEdge,
    start_lone_edge,
    start_origin,
    started_again,
)
from tests.end_to_end.processes import Running, kill, wait_for
from tests.end_to_end.viewers import Answer, curl

DISK = '{ bytes_max = "64 MiB", free_bytes_min = 0 }'
SMALL, LARGE = "/small?300", "/large?3000000"  # in the index; in blocks of a MiB
ROWS = 5  # the small one, three blocks, and what they are blocks of


@pytest.fixture
def origin(tmp_path: Path) -> Iterator[tuple[Running, int]]:
    process, port = start_origin(tmp_path)
    yield process, port
    process.stop()


def ask(edge: LoneEdge, target: str) -> Answer:
    return curl(f"http://127.0.0.1:{edge.plain}{target}", "-H", f"Host: {HOST}")


@pytest.mark.parametrize("ends", ["SIGTERM", "SIGKILL"])
def test_a_restart_is_warm(tmp_path: Path, origin: tuple[Running, int], ends: str) -> None:
    edge = start_lone_edge(tmp_path, origin[1], 16, DISK)
    bodies = {target: ask(edge, target).body for target in (SMALL, LARGE)}
    assert [len(body) for body in bodies.values()] == [300, 3_000_000]
    if ends == "SIGTERM":
        assert edge.process.stop() == 0
    else:
        wait_for("all is written", lambda: rows(tmp_path) == ROWS)
        kill(edge.process)
    assert origin[0].stop() != 0  # it ends by the signal: from here on nobody else has it
    edge = started_again(tmp_path, edge.plain, edge.tls, edge.health)
    for target, body in bodies.items():
        again = ask(edge, target)
        assert (again.status, again.body) == (200, body)
        assert again.x_cache == "Hit"
    assert edge.process.stop() == 0


def rows(folder: Path) -> int:
    """How many entries the index of the worker's disk has."""
    (index,) = folder.glob("state/disk/*/index.db")
    with contextlib.closing(sqlite3.connect(index)) as connection:
        found: int = connection.execute("SELECT count(*) FROM entries").fetchone()[0]
        return found
