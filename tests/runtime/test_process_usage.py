"""What a process uses, as its system tells it."""

from __future__ import annotations

import os
import time

import pytest

from edgecache.observe.metric_families import PROCESSES
from edgecache.runtime.process_usage import RESTARTS_ENV, ProcessUsage


def test_every_figure_is_of_this_process() -> None:
    before = len(os.listdir("/proc/self/fd"))
    usage = ProcessUsage(time.time)
    figures = usage.figures()
    assert set(figures) == set(PROCESSES)
    assert figures["process_cpu_ms"] > 0
    assert figures["process_resident_bytes"] > 1_000_000
    reading, writing = os.pipe()
    more = usage.figures()["process_open_fds"]
    os.close(reading)
    os.close(writing)
    assert more - figures["process_open_fds"] == 2
    assert abs(figures["process_open_fds"] - before) <= 2
    assert 0 < figures["process_started_ms"] <= time.time() * 1_000
    assert figures["process_started_ms"] == usage.figures()["process_started_ms"]


@pytest.mark.parametrize(("text", "restarts"), [("3", 3), ("", 0), ("x", 0)])
def test_how_often_it_died_before_is_the_supervisors_to_say(
    text: str, restarts: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(RESTARTS_ENV, text)
    assert ProcessUsage(time.time).figures()["process_restarts"] == restarts
    assert RESTARTS_ENV not in os.environ
