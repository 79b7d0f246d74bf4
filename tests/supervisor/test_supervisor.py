"""The supervisor with real children, which report to the test: see `roll_call`."""

from __future__ import annotations

import asyncio
import os
import signal
from dataclasses import replace

import pytest

from edgecache.runtime.inherited import EXIT_CONFIGURATION, EXIT_STATE
from edgecache.supervisor.child import Child
from edgecache.supervisor.managed_process import RestartTiming
from edgecache.supervisor.supervisor import NotReadyError, Pids, Supervisor, SupervisorHooks
from tests.supervisor.child_tracker import REPORT, RollCall, play

QUICK = RestartTiming(back_off_s_min=0.01, back_off_s_max=0.04, healthy_s=1_000, drain_s_max=20)

OBEDIENT = REPORT + "signal.pause()"
STUBBORN = (
    "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN)" + REPORT + "report.recv(1)"
)
SLOW_TO_LEAVE = (
    """
import signal
signal.signal(signal.SIGTERM, lambda *_: report.sendall(b"leaving"))
"""
    + REPORT
    + "report.recv(1)"
)
DEFIANT = "import sys; sys.exit(2)"
STATELESS = f"import sys; sys.exit({EXIT_STATE})"
FRAIL = "import sys; sys.exit(3)"


def is_running(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


async def until_ready(supervisor: Supervisor) -> None:
    ready = asyncio.get_running_loop().create_future()

    def look() -> None:
        if supervisor.ready:
            ready.set_result(None)
        else:
            asyncio.get_running_loop().call_later(0.005, look)

    look()
    await ready


def test_children_start_in_order_and_stop_in_reverse() -> None:
    turns: list[str] = []

    async def scene(roll_call: RollCall) -> None:
        async def after_start(child: Child) -> None:
            turns.append(await roll_call.next())

        async def watch(name: str) -> None:
            await roll_call.gone(name)
            turns.append(f"{name} gone")

        watching: list[asyncio.Task[None]] = []
        pids: dict[str, int] = {}

        async def when_started(running: Pids) -> None:
            pids.update(running())
            watching.extend(asyncio.create_task(watch(name)) for name in pids)
            supervisor.stop()

        children = [roll_call.child(name, OBEDIENT) for name in ("control", "regional", "edge")]
        supervisor = Supervisor(children, SupervisorHooks(after_start, when_started), QUICK)
        assert await supervisor.run() == 0
        await asyncio.gather(*watching)
        assert not any(map(is_running, pids.values()))
        assert supervisor.pids() == {}

    play(scene)
    assert turns == ["control", "regional", "edge", "edge gone", "regional gone", "control gone"]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_stops_everything(number: signal.Signals) -> None:
    async def scene(roll_call: RollCall) -> None:
        async def when_started(pids: Pids) -> None:
            os.kill(os.getpid(), number)

        supervisor = Supervisor(
            [roll_call.child("a", OBEDIENT)], SupervisorHooks(when_started=when_started)
        )
        assert await supervisor.run() == 0

    play(scene)


def test_a_hangup_reloads_and_stops_nothing() -> None:
    reloads: list[str] = []

    async def scene(roll_call: RollCall) -> None:
        async def when_started(pids: Pids) -> None:
            os.kill(os.getpid(), signal.SIGHUP)

        async def reload() -> None:
            reloads.append("reload")
            supervisor.stop()

        hooks = SupervisorHooks(when_started=when_started, reload=reload)
        supervisor = Supervisor([roll_call.child("a", OBEDIENT)], hooks)
        assert await supervisor.run() == 0

    play(scene)
    assert reloads == ["reload"]


def test_one_that_dies_is_started_again_each_time_later() -> None:
    said: list[str] = []

    async def scene(roll_call: RollCall) -> None:
        def say(line: str) -> None:
            said.append(line.partition(")")[2])
            if len(said) == 4:
                supervisor.stop()

        supervisor = Supervisor([roll_call.child("a", FRAIL)], timing=QUICK, say=say)
        assert await supervisor.run() == 0

    play(scene)
    assert said == [
        f" exited with 3; starting it again in {delay} s" for delay in (0.01, 0.02, 0.04, 0.04)
    ]


def test_after_a_healthy_while_the_back_off_starts_anew() -> None:
    said: list[str] = []

    async def scene(roll_call: RollCall) -> None:
        def say(line: str) -> None:
            said.append(line.rpartition(" in ")[2])
            if len(said) == 3:
                supervisor.stop()

        timing = RestartTiming(back_off_s_min=0.01, back_off_s_max=1, healthy_s=0)
        supervisor = Supervisor([roll_call.child("a", FRAIL)], timing=timing, say=say)
        assert await supervisor.run() == 0

    play(scene)
    assert said == ["0.01 s"] * 3


def test_a_killed_child_comes_back_with_another_pid() -> None:
    said: list[str] = []

    async def scene(roll_call: RollCall) -> None:
        supervisor = Supervisor([roll_call.child("a", OBEDIENT)], timing=QUICK, say=said.append)
        running = asyncio.create_task(supervisor.run())
        await until_ready(supervisor)
        await roll_call.next()
        first = roll_call.pids["a"]
        os.kill(first, signal.SIGKILL)
        await roll_call.next()
        assert roll_call.pids["a"] != first
        supervisor.stop()
        assert await running == 0
        assert said == [f"a (pid {first}) was killed by SIGKILL; starting it again in 0.01 s"]

    play(scene)


def test_a_child_that_refuses_before_all_are_ready_stops_everything() -> None:
    async def scene(roll_call: RollCall) -> None:
        async def when_started(pids: Pids) -> None:
            await asyncio.Event().wait()

        def died(child: Child, code: int) -> None:
            said.append(f"{child.name} is started again")  # and so nobody waits for it

        children = [roll_call.child("a", OBEDIENT), roll_call.child("b", DEFIANT)]
        said: list[str] = []
        hooks = SupervisorHooks(when_started=when_started, died=died)
        assert await Supervisor(children, hooks, QUICK, said.append).run() == 2
        assert said == []

    play(scene)


@pytest.mark.parametrize(("known", "code"), [(True, 0), (False, EXIT_CONFIGURATION)])
def test_nodes_start_without_a_control_that_cannot_use_its_state(known: bool, code: int) -> None:
    """Once, and no more: starting it again is no use. Where they know what they are to serve."""

    async def scene(roll_call: RollCall) -> None:
        async def when_started(pids: Pids) -> None:
            await roll_call.next()
            await told.wait()
            supervisor.stop()

        told = asyncio.Event()
        said: list[str] = []

        def say(line: str) -> None:
            said.append(line)
            told.set()

        hooks = SupervisorHooks(when_started=when_started, knows_configuration=lambda: known)
        control = replace(roll_call.child("control", STATELESS), role="control")
        supervisor = Supervisor([control, roll_call.child("a", OBEDIENT)], hooks, QUICK, say)
        assert await supervisor.run() == code
        assert [line.partition(",")[0] for line in said] == (
            ["control is not started again"] if known else []
        )

    play(scene)


def test_a_child_that_refuses_later_is_started_again() -> None:
    async def scene(roll_call: RollCall) -> None:
        said = asyncio.Event()

        async def when_started(pids: Pids) -> None:
            await roll_call.next()

        script = REPORT + "report.recv(1); sys.exit(2)"
        supervisor = Supervisor(
            [roll_call.child("a", script)],
            SupervisorHooks(when_started=when_started),
            QUICK,
            lambda line: said.set(),
        )
        running = asyncio.create_task(supervisor.run())
        await until_ready(supervisor)
        roll_call.writers["a"].write(b"x")
        await said.wait()
        assert await roll_call.next() == "a"
        supervisor.stop()
        assert await running == 0

    play(scene)


def test_what_is_not_ready_in_time_is_told_and_stopped() -> None:
    said: list[str] = []

    async def scene(roll_call: RollCall) -> None:
        async def when_started(pids: Pids) -> None:
            raise NotReadyError("not ready after 1 s: a")

        hooks = SupervisorHooks(when_started=when_started)
        children = [roll_call.child("a", OBEDIENT)]
        assert await Supervisor(children, hooks, QUICK, said.append).run() == 1

    play(scene)
    assert said == ["not ready after 1 s: a"]


def test_one_that_does_not_stop_is_killed() -> None:
    said: list[str] = []

    async def scene(roll_call: RollCall) -> None:
        timing = RestartTiming(drain_s_max=0.05)
        children = [roll_call.child("a", OBEDIENT), roll_call.child("b", STUBBORN)]
        supervisor = Supervisor(children, timing=timing, say=said.append)
        running = asyncio.create_task(supervisor.run())
        await until_ready(supervisor)
        await roll_call.next()
        await roll_call.next()
        pid = roll_call.pids["b"]
        supervisor.stop()
        assert await running == 1
        assert await roll_call.gone("b")
        assert f"b (pid {pid}) did not stop in time: killed" in said

    play(scene)


def test_a_drain_is_waited_for() -> None:
    async def scene(roll_call: RollCall) -> None:
        supervisor = Supervisor([roll_call.child("a", SLOW_TO_LEAVE)], timing=QUICK)
        running = asyncio.create_task(supervisor.run())
        await until_ready(supervisor)
        await roll_call.next()
        supervisor.stop()
        assert await roll_call.readers["a"].readexactly(7) == b"leaving"
        assert not running.done()
        roll_call.writers["a"].write(b"x")
        assert await running == 0

    play(scene)


def test_a_command_that_cannot_start_is_told() -> None:
    said: list[str] = []

    async def scene(roll_call: RollCall) -> None:
        child = Child("a", "edge", ("/nonexistent/program",))
        assert await Supervisor([child], say=said.append).run() == 1

    play(scene)
    assert said == ["[Errno 2] No such file or directory: '/nonexistent/program'"]
