"""The health of a node by what its workers say: one answer, right when one of them hangs."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from typing import Any

import msgspec
import pytest

from edgecache.runtime.inherited import Beat, Orders, Unready
from edgecache.supervisor.child import Child
from edgecache.supervisor.health import (
    LIVE_SILENT_S,
    READY_SILENT_S,
    HealthApp,
    NodeHealth,
    node_health,
)
from edgecache.supervisor.supervisor import Supervisor

FIT, AWAY = Beat(connections=2), Beat({"lease": "control is away"})


class Stage(Supervisor):
    """A supervisor of two workers whose processes are played: pids and heartbeats."""

    def __init__(self) -> None:
        super().__init__([
            Child("edge-A-1", "edge", (), location="A"),
            Child("edge-A-2", "edge", (), location="A"),
            Child("control", "control", ()),
        ])  # fmt: skip
        self.running = {"edge-A-1": 11, "edge-A-2": 12, "control": 13}
        self.ends: dict[int, Any] = {}

    def pids(self) -> dict[str, int]:
        return self.running

    def start(self) -> None:
        for child in self.children:
            with self.heartbeats.pair() as (ours, theirs):
                self.heartbeats.add(child, self.running[child.name], ours)
                self.ends[self.running[child.name]] = theirs.dup()

    async def say(self, pid: int, beat: Beat) -> None:
        self.ends[pid].send(msgspec.json.encode(beat))
        pulse = self.heartbeats.of(pid)
        assert pulse is not None
        await until(lambda: pulse.beat == beat)

    def stop_all(self) -> None:
        self.heartbeats.close()
        for end in self.ends.values():
            end.close()


async def until(condition: Any) -> None:
    """Turns of the loop until it is so."""
    loop = asyncio.get_running_loop()
    while not condition():
        turn = loop.create_future()
        loop.call_soon(turn.set_result, None)
        await turn


def judged(
    beats: Mapping[int, Beat | None], silent_s: Mapping[int, float] | None = None, exclude: str = ""
) -> NodeHealth:
    async def scene() -> NodeHealth:
        stage = Stage()
        stage.start()
        try:
            for pid, beat in beats.items():
                if beat is not None:
                    await stage.say(pid, beat)
            now = asyncio.get_running_loop().time()
            for pid, seconds in (silent_s or {}).items():
                pulse = stage.heartbeats.of(pid)
                assert pulse is not None
                pulse.heard_at = now - seconds
            return node_health(stage, "A", now, {exclude} - {""})
        finally:
            stage.stop_all()

    return asyncio.run(scene())


def words(health: NodeHealth) -> list[str]:
    return [one.reason for one in health.reasons]


def test_one_worker_that_is_fit_makes_a_node_ready() -> None:
    assert judged({11: FIT, 12: FIT}) == NodeHealth("A", True, True, connections=4)
    assert judged({11: FIT, 12: AWAY}).ready
    assert judged({11: FIT, 12: None}).ready, "one that is started again"


def test_why_none_is() -> None:
    health = judged({11: AWAY, 12: None})
    assert (health.ready, health.live, words(health)) == (False, True, ["lease", "starting"])
    assert health.reasons[0].worker == "edge-A-1"
    assert judged({11: AWAY, 12: AWAY}, exclude="lease").ready


def test_a_worker_that_hangs() -> None:
    late = judged({11: FIT, 12: FIT}, {12: READY_SILENT_S + 1})
    assert (late.ready, late.live, words(late)) == (False, True, ["silent"])
    hung = judged({11: FIT, 12: FIT}, {12: LIVE_SILENT_S + 1})
    assert (hung.ready, hung.live, hung.hung) == (False, False, ("edge-A-2",))


def test_a_drain_counts_at_once_and_a_successor_is_told() -> None:
    async def scene() -> None:
        stage = Stage()
        stage.start()
        for pid in (11, 12, 13):
            await stage.say(pid, FIT)
        now = asyncio.get_running_loop().time()
        stage.heartbeats.drain("A", drain=True)
        assert words(node_health(stage, "A", now)) == ["draining", "draining"]
        assert node_health(stage, "control", now).ready
        assert msgspec.json.decode(stage.ends[11].recv(99), type=Orders).drain
        assert not stage.heartbeats.say_that_they_drain("A")
        for pid in (11, 12):
            await stage.say(pid, Beat({Unready.DRAINING: "yes"}))
        assert stage.heartbeats.say_that_they_drain("A")
        with stage.heartbeats.pair() as (ours, theirs):
            stage.heartbeats.add(stage.children[0], 21, ours)
            assert msgspec.json.decode(theirs.recv(99), type=Orders).drain
        stage.stop_all()

    asyncio.run(scene())


def test_a_process_that_ends_is_forgotten() -> None:
    async def scene() -> None:
        stage = Stage()
        stage.start()
        stage.ends[11].close()
        await until(lambda: stage.heartbeats.of(11) is None)
        assert words(node_health(stage, "A", 0.0)) == ["starting", "starting"]
        stage.stop_all()

    asyncio.run(scene())


@pytest.mark.parametrize(
    ("method", "path", "query", "status"),
    [
        ("GET", "/live", b"", 200),
        ("GET", "/ready", b"", 503),
        ("HEAD", "/ready", b"exclude=lease", 200),
        ("GET", "/ready", b"exclude=lease,upstream&exclude=starting", 200),
        ("GET", "/ready", b"exclude=nonsense", 400),
        ("GET", "/ready", b"exclude=%ff%00", 400),
        ("POST", "/ready", b"", 405),
        ("GET", "/", b"", 404),
        ("GET", "/ready/", b"", 404),
    ],
)
def test_what_is_answered(method: str, path: str, query: bytes, status: int) -> None:
    async def scene() -> None:
        stage, sent = Stage(), []
        stage.start()
        for pid in (11, 12):
            await stage.say(pid, AWAY)

        async def send(message: Any) -> None:
            sent.append(message)

        async def receive() -> Any:
            raise AssertionError("nothing is read")

        scope = {"type": "http", "method": method, "path": path, "query_string": query}
        await HealthApp(stage, "A")(scope, receive, send)
        assert sent[0]["status"] == status
        assert json.loads(sent[1]["body"])
        stage.stop_all()

    asyncio.run(scene())
