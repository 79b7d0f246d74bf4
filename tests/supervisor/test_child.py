"""Child processes: none outlives its parent, and every ending has words."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

import msgspec
import pytest

from edgecache.runtime.inherited import PARENT_FD_ENV, Orders, has_parent, watch_parent
from edgecache.supervisor.child import Child, Heartbeats, LocationWords, exit_reason
from tests.supervisor.child_tracker import REPORT, RollCall, play

ROOT = Path(__file__).resolve().parents[2]

ORPHANAGE = """
import asyncio, sys
from edgecache.supervisor.child import Child
from edgecache.supervisor.supervisor import Supervisor
command = (sys.executable, "-c", sys.argv[1], sys.argv[2], "orphan")
asyncio.run(Supervisor([Child("orphan", "edge", command)]).run())
"""
ORPHAN = (
    REPORT
    + """
import asyncio
from edgecache.runtime.inherited import watch_parent
async def main():
    gone = asyncio.Event()
    assert watch_parent(asyncio.get_running_loop(), gone.set)
    report.sendall(b"watching")
    await gone.wait()
asyncio.run(main())
"""
)


def test_no_child_outlives_a_supervisor_that_was_killed() -> None:
    async def scene(roll_call: RollCall) -> None:
        supervisor = await asyncio.create_subprocess_exec(
            sys.executable, "-c", ORPHANAGE, ORPHAN, str(roll_call.port), cwd=ROOT
        )
        assert await roll_call.next() == "orphan"
        assert await roll_call.readers["orphan"].readexactly(8) == b"watching"
        supervisor.kill()
        await supervisor.wait()
        assert await roll_call.gone("orphan")

    play(scene)


def test_a_process_nobody_started_has_no_parent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(PARENT_FD_ENV, raising=False)

    async def watch() -> bool:
        return watch_parent(asyncio.get_running_loop(), lambda: None)

    assert not has_parent()
    assert not asyncio.run(watch())


def test_a_pipe_that_was_not_passed_on_is_no_parent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(PARENT_FD_ENV, "999999")  # beyond what a process may open

    async def watch() -> bool:
        return watch_parent(asyncio.get_running_loop(), lambda: None)

    assert has_parent()
    assert not asyncio.run(watch())
    assert not has_parent()


@pytest.mark.parametrize(
    ("code", "words"),
    [
        (0, "exited with 0"),
        (3, "exited with 3"),
        (-9, "was killed by SIGKILL"),
        (-99, "was killed by signal 99"),
    ],
)
def test_endings_have_words(code: int, words: str) -> None:
    assert exit_reason(code) == words


def test_workers_of_a_location_share_words() -> None:
    words = LocationWords(64)
    try:
        first, second = (words.of(child_of("LHR50", number)) for number in (1, 2))
        assert first is not None
        assert first == second
        assert words.of(child_of("FRA50", 1)) not in (None, first)
        assert words.of(Child("regional", "regional", ("true",))) is None
    finally:
        words.close()
    assert words.of(Child("control", "control", ("true",))) is None


def child_of(location: str, worker: int) -> Child:
    return Child(f"edge-{location}-{worker}", "edge", ("true",), location=location)


def test_every_process_is_told_to_open_its_logs_anew_and_drains_on() -> None:
    async def scene() -> None:
        heartbeats = Heartbeats()
        child = Child("edge-LHR50-1", "edge", (), location="LHR50")
        with heartbeats.pair() as (ours, theirs):
            heard = theirs.dup()
            heartbeats.add(child, 1, ours)
        heartbeats.drain("LHR50", drain=True)
        heartbeats.reopen_logs()
        told = [msgspec.json.decode(heard.recv(4096), type=Orders) for _ in range(2)]
        assert told == [Orders(drain=True), Orders(drain=True, reopen=1)]
        heartbeats.close()
        heard.close()

    asyncio.run(scene())
