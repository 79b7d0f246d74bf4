"""Posts with real children: a successor serves before its predecessor is let go."""

from __future__ import annotations

import asyncio

import pytest

from edgecache.supervisor.child import Child
from edgecache.supervisor.managed_process import NotReplacedError, RestartTiming
from edgecache.supervisor.supervisor import Supervisor
from tests.supervisor.child_tracker import REPORT, RollCall, play
from tests.supervisor.test_supervisor import until_ready

QUICK = RestartTiming(back_off_s_min=0.01, back_off_s_max=0.04, healthy_s=1_000, drain_s_max=20)
SERVING = """
import os
if "EDGECACHE_SERVING_FD" in os.environ:
    os.write(int(os.environ["EDGECACHE_SERVING_FD"]), b"1")
"""
POLITE = (
    REPORT
    + "signal.signal(signal.SIGQUIT, lambda *_: report.sendall(b'leaving'))\n"
    + SERVING
    + "report.recv(1)"
)
FRAIL = "import sys; sys.exit(3)"


async def begun(roll_call: RollCall, child: Child) -> tuple[Supervisor, asyncio.Task[int]]:
    supervisor = Supervisor([child], timing=QUICK, say=lambda line: None)
    running = asyncio.create_task(supervisor.run())
    await until_ready(supervisor)
    await roll_call.next()
    return supervisor, running


def test_the_former_leaves_when_the_new_one_serves() -> None:
    async def scene(roll_call: RollCall) -> None:
        child = roll_call.child("a", POLITE)
        supervisor, running = await begun(roll_call, child)
        first, reader, writer = (
            roll_call.pids["a"], roll_call.readers["a"], roll_call.writers["a"],
        )  # fmt: skip
        await supervisor.replace([child])
        assert await roll_call.next() == "a"
        assert supervisor.pids() == {"a": roll_call.pids["a"]} != {"a": first}
        assert await reader.readexactly(7) == b"leaving"  # and is waited for
        writer.write(b"x")
        assert await reader.read() == b""
        supervisor.stop()
        assert await running == 0

    play(scene)


def test_one_that_does_not_come_to_serve_changes_nothing() -> None:
    async def scene(roll_call: RollCall) -> None:
        child = roll_call.child("a", POLITE)
        supervisor, running = await begun(roll_call, child)
        before = supervisor.pids()
        with pytest.raises(NotReplacedError, match=r"a \(pid \d+\) exited with 3"):
            await supervisor.replace([roll_call.child("a", FRAIL)])
        assert supervisor.pids() == before
        assert supervisor.children == [child]
        supervisor.stop()
        assert await running == 0

    play(scene)


def test_of_two_writers_of_one_log_the_first_leaves_first() -> None:
    async def scene(roll_call: RollCall) -> None:
        child = roll_call.child("a", REPORT + SERVING + "signal.pause()", "control")
        supervisor, running = await begun(roll_call, child)
        reader = roll_call.readers["a"]
        await supervisor.replace([child])
        assert await reader.read() == b""
        assert await roll_call.next() == "a"
        supervisor.stop()
        assert await running == 0

    play(scene)


def test_one_that_left_first_and_has_no_successor_is_started_again() -> None:
    async def scene(roll_call: RollCall) -> None:
        child = roll_call.child("a", REPORT + SERVING + "signal.pause()", "control")
        supervisor, running = await begun(roll_call, child)
        first = roll_call.pids["a"]
        with pytest.raises(NotReplacedError):
            await supervisor.replace([roll_call.child("a", FRAIL, "control")])
        assert await roll_call.next() == "a"
        assert roll_call.pids["a"] != first
        supervisor.stop()
        assert await running == 0

    play(scene)


def test_what_is_no_longer_wanted_leaves() -> None:
    async def scene(roll_call: RollCall) -> None:
        children = [roll_call.child(name, POLITE) for name in ("a", "b")]
        supervisor = Supervisor(children, timing=QUICK, say=lambda line: None)
        running = asyncio.create_task(supervisor.run())
        await until_ready(supervisor)
        for _ in children:
            await roll_call.next()
        gone = roll_call.readers["b"]
        await supervisor.replace(children[:1])
        assert await gone.readexactly(7) == b"leaving"
        assert list(supervisor.pids()) == ["a"]
        supervisor.stop()
        assert await running == 0

    play(scene)


def test_a_stop_ends_those_that_hand_over_too() -> None:
    async def scene(roll_call: RollCall) -> None:
        child = roll_call.child("a", POLITE)
        supervisor, running = await begun(roll_call, child)
        reader = roll_call.readers["a"]
        await supervisor.replace([child])
        assert await reader.readexactly(7) == b"leaving"
        supervisor.stop()
        assert await running == 0
        assert await reader.read() == b""

    play(scene)
