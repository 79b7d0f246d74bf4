"""Memory of dev mode: one word moves the clocks of all who have mapped it."""

from __future__ import annotations

import os
import subprocess
import sys
import time

import pytest

from edgecache.runtime.dev_mode import (
    DEV_ENV,
    DevMode,
    SeededBytes,
    clocks_of,
    inherited_dev_mode,
    make_dev_mode,
)

CHILD = """
from edgecache.runtime.dev_mode import inherited_dev_mode
mode = inherited_dev_mode()
print(mode.moved_s(), mode.seed, inherited_dev_mode())
mode.move(7.0)
"""


def test_whoever_has_mapped_it_moves_at_once() -> None:
    one = make_dev_mode()
    other = DevMode(one.fd)
    one.move(3_600.0)
    assert other.moved_s() == 3_600.0
    now = time.time()
    assert all(now + 3_599 < clock() < now + 3_660 for clock in other.clocks())
    one.move(0.0)
    assert other.clocks().wall() < now + 60


def test_a_process_inherits_it_once() -> None:
    mode = make_dev_mode(seed=5)
    mode.move(60.0)
    done = subprocess.run(
        [sys.executable, "-c", CHILD],
        env={**os.environ, **mode.environment()},
        pass_fds=[mode.fd],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.split() == ["60.0", "5", "None"]
    assert mode.moved_s() == 7.0


def test_a_process_without_it_is_in_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(DEV_ENV, raising=False)
    assert inherited_dev_mode() is None
    clocks = clocks_of(None)
    assert clocks.wall is time.time
    assert abs(clocks.steady() - time.time()) < 60


def test_one_that_cannot_be_mapped_is_no_way_to_start(monkeypatch: pytest.MonkeyPatch) -> None:
    reading, writing = os.pipe()
    try:
        monkeypatch.setenv(DEV_ENV, f'{{"fd": {reading}}}')
        with pytest.raises((OSError, ValueError)):
            inherited_dev_mode()
    finally:
        os.close(reading)
        os.close(writing)


def test_it_is_ready_once_somebody_says_so() -> None:
    mode = make_dev_mode()
    assert not mode.is_prepared
    mode.prepared()
    assert DevMode(mode.fd).is_prepared


def test_bytes_come_again_from_a_seed_alone() -> None:
    seeded = SeededBytes(7)
    first = [seeded(13), seeded(8)]
    seeded.restart()
    assert [seeded(13), seeded(8)] == first == [SeededBytes(7)(13), first[1]]
    other = SeededBytes(None)
    drawn = other(16)
    other.restart()
    assert other(16) != drawn
