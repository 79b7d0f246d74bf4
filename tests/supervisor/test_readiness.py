"""Readiness and reload against a control that says what the test wants."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from edgecache.cluster.client import answers, ask_control
from edgecache.cluster.control_access import ControlAccess
from edgecache.config.listen import TcpAddress
from edgecache.supervisor.child import Child
from edgecache.supervisor.readiness import (
    Readiness,
    ReloadAccepted,
    ReloadRefused,
    reload,
)
from edgecache.supervisor.supervisor import NotReadyError

DEADLINE_S = 30


class Peer:
    """An HTTP server with one scripted answer for every request, the last one repeated."""

    def __init__(self, *script: tuple[int, Any]) -> None:
        self.script = list(script)
        self.heard: list[str] = []
        self.address = TcpAddress("127.0.0.1", 0)

    async def answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        self.heard.append(head.split(b"\r\n")[0].decode())
        status, told = self.script.pop(0) if len(self.script) > 1 else self.script[0]
        body = told if isinstance(told, bytes) else json.dumps(told).encode()
        lines = f"HTTP/1.1 {status} X\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n"
        writer.write(lines.encode() + body)
        writer.close()


def play(peer: Peer, scene: Callable[[], Awaitable[None]]) -> None:
    async def run() -> None:
        server = await asyncio.start_server(peer.answer, "127.0.0.1", 0)
        peer.address = TcpAddress("127.0.0.1", server.sockets[0].getsockname()[1])
        async with server, asyncio.timeout(DEADLINE_S):
            await scene()

    asyncio.run(run())


async def at_once(seconds: float) -> None:
    """A pause that only lets others run."""
    loop = asyncio.get_running_loop()
    turn = loop.create_future()
    loop.call_soon(turn.set_result, None)
    await turn


async def time_is_up(seconds: float) -> None:
    raise TimeoutError


def node(name: str, pid: int, generation: int = 2, alive: bool = True) -> dict[str, Any]:
    return {"name": name, "pid": pid, "generation": generation, "alive": alive, "role": "edge"}


@pytest.mark.parametrize(
    ("role", "line"),
    [
        ("regional", "OPTIONS * HTTP/1.1"),
        ("", "OPTIONS * HTTP/1.1"),
        ("control", "GET /health HTTP/1.1"),
        ("origin", "HEAD / HTTP/1.1"),
    ],
)
def test_any_answer_is_an_answer(role: str, line: str) -> None:
    peer = Peer((403, b""))

    async def scene() -> None:
        assert await answers(peer.address, role)
        assert peer.heard == [line]

    play(peer, scene)


def test_an_edge_is_asked_nothing_and_closes_what_was_ended() -> None:
    async def scene() -> None:
        gone: list[bytes] = []

        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            gone.append(await reader.read())
            writer.close()

        server = await asyncio.start_server(serve, "127.0.0.1", 0)
        async with server:
            host, port = server.sockets[0].getsockname()
            assert await answers(TcpAddress(host, port), "edge")
        assert gone == [b""]

    asyncio.run(scene())


def test_nobody_does_not_answer() -> None:
    assert not asyncio.run(answers(TcpAddress("127.0.0.1", 1)))
    with pytest.raises(OSError, match=r"."):
        asyncio.run(ask_control(ControlAccess("http://127.0.0.1:1"), "/"))


@pytest.mark.parametrize(
    ("status", "told", "outcome"),
    [
        (200, {"generation": 7, "changed": True}, ReloadAccepted(7, True)),
        (200, {"generation": 7, "changed": False}, ReloadAccepted(7, False)),
        (200, {"generation": 7, "changed": True, "file": "/f"}, ReloadAccepted(7, True, "/f")),
        (400, {"problems": ["a: wrong", "b: bad"]}, ReloadRefused(("a: wrong", "b: bad"))),
        (403, {"error": "no"}, ReloadRefused(("no",))),
        (403, {}, ReloadRefused(("control answered 403",))),
        (500, b"<html>", ReloadRefused(("control answered 500",))),
        (200, b"[]", ReloadRefused(("control answered 200",))),
    ],
)
def test_reload_tells_what_control_said(
    status: int, told: Any, outcome: ReloadAccepted | ReloadRefused
) -> None:
    peer = Peer((status, told))

    async def scene() -> None:
        assert await reload(ControlAccess(peer.address.url)) == outcome
        assert peer.heard == ["POST /reload HTTP/1.1"]

    play(peer, scene)


def test_a_reload_reads_as_one_line() -> None:
    assert str(ReloadAccepted(7, True)) == "generation 7"
    assert str(ReloadAccepted(7, False)) == "generation 7 (unchanged)"


def test_ready_is_alive_on_the_current_generation_as_the_process_we_started() -> None:
    def nodes(*told: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        return 200, {"nodes": told, "generation": 2}

    peer = Peer(
        (500, b""),
        nodes(),
        nodes(node("edge-A-1", 11), node("edge-A-2", 12, generation=1)),
        nodes(node("edge-A-1", 11), node("edge-A-2", 12, alive=False)),
        nodes(node("edge-A-1", 11), node("edge-A-2", 99)),
        nodes(node("edge-A-1", 11), node("edge-A-2", 12)),
    )

    async def scene() -> None:
        children = [
            Child("control", "control", (), peer.address),
            Child("edge-A-1", "edge", (), peer.address),
            Child("edge-A-2", "edge", (), peer.address),
        ]
        pids = {"control": 10, "edge-A-1": 11, "edge-A-2": 12}
        readiness = Readiness(children, ControlAccess(peer.address.url), pause=at_once)
        await readiness.when_started(lambda: pids)
        assert peer.heard[:6] == ["GET /nodes HTTP/1.1"] * 6
        assert len(peer.heard) == 7

    play(peer, scene)


def test_who_is_late_is_named() -> None:
    peer = Peer((200, {"nodes": [node("edge-A-1", 11)], "generation": 2}))

    async def scene() -> None:
        children = [
            Child("edge-A-1", "edge", (), peer.address),
            Child("regional", "regional", (), peer.address),
        ]
        readiness = Readiness(children, ControlAccess(peer.address.url), pause=time_is_up)
        with pytest.raises(NotReadyError) as caught:
            await readiness.when_started(lambda: {"edge-A-1": 11, "regional": 12})
        assert str(caught.value) == "not ready after 60 s: regional (has not reported to control)"

    play(peer, scene)


@pytest.mark.parametrize(
    ("told", "pids", "line"),
    [
        ([], {"a": 11}, "a (has not reported to control)"),
        ([node("a", 10)], {"a": 11}, "a (has not reported to control)"),
        ([node("a", 11, alive=False)], {"a": 11}, "a (no longer reports to control)"),
        ([node("a", 11, generation=1)], {"a": 11}, "a (on generation 1, not 2)"),
        ([node("a", 11)], {}, "a (not running)"),
        (7, {"a": 11}, "control"),
    ],
)
def test_and_why(told: Any, pids: dict[str, int], line: str) -> None:
    peer = Peer((200, {"nodes": told, "generation": 2}))

    async def scene() -> None:
        readiness = Readiness(
            [Child("a", "edge", (), peer.address)],
            ControlAccess(peer.address.url),
            pause=time_is_up,
        )
        with pytest.raises(NotReadyError) as caught:
            await readiness.when_started(lambda: pids)
        assert str(caught.value) == f"not ready after 60 s: {line}"

    play(peer, scene)


def test_only_control_is_waited_for_before_the_next_one_starts() -> None:
    peer = Peer((200, {}))

    async def scene() -> None:
        readiness = Readiness([])
        await readiness.after_start(Child("edge-A-1", "edge", (), peer.address))
        assert peer.heard == []
        await readiness.after_start(Child("control", "control", (), peer.address))
        assert peer.heard == ["GET /health HTTP/1.1"]

    play(peer, scene)


@pytest.mark.parametrize(("code", "waited"), [(1, False), (-9, True)])
def test_a_control_that_fails_is_not_waited_for(code: int, waited: bool) -> None:
    """Its disk is full, or another process holds its state: nodes serve what the file says."""
    peer = Peer((200, {}))

    async def scene() -> None:
        control = Child("control", "control", (), TcpAddress("127.0.0.1", 1))
        children = [control, Child("edge-A-1", "edge", (), peer.address)]
        nobody = ControlAccess("http://127.0.0.1:1")
        readiness = Readiness(children, nobody, pause=time_is_up)
        readiness.died(control, code)
        if waited:
            with pytest.raises(NotReadyError):
                await readiness.when_started(dict)
        else:
            await readiness.when_started(dict)

    play(peer, scene)
