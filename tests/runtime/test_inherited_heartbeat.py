"""The end of a heartbeat that a process has: what it says, what it is told, and the end of it."""

from __future__ import annotations

import asyncio
import os
import socket

import msgspec
import pytest

from edgecache.runtime.inherited import (
    HEARTBEAT_FD_ENV,
    Beat,
    Heartbeat,
    Orders,
    inherited_heartbeat,
)


def pair() -> tuple[socket.socket, socket.socket]:
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    theirs.setblocking(False)
    return ours, theirs


def test_without_a_supervisor_nobody_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(HEARTBEAT_FD_ENV, raising=False)
    inherited_heartbeat().send(Beat())


def test_what_it_says_arrives_and_no_child_has_it(monkeypatch: pytest.MonkeyPatch) -> None:
    ours, theirs = pair()
    fd = theirs.detach()
    os.set_inheritable(fd, True)
    monkeypatch.setenv(HEARTBEAT_FD_ENV, str(fd))
    heartbeat = inherited_heartbeat()
    assert HEARTBEAT_FD_ENV not in os.environ
    assert not os.get_inheritable(fd)
    beat = Beat({"lease": "control is away"}, 3)
    heartbeat.send(beat)
    with ours:
        assert msgspec.json.decode(ours.recv(4_096), type=Beat) == beat
    heartbeat.close()


def test_a_supervisor_that_does_not_read_is_not_waited_for() -> None:
    ours, theirs = pair()
    with ours, theirs:
        for _ in range(10_000):
            Heartbeat(theirs).send(Beat({"lease": "x" * 500}))


def test_orders_are_obeyed_until_the_supervisor_is_gone() -> None:
    async def scene() -> list[bool]:
        ours, theirs = pair()
        told: list[bool] = []
        heard = asyncio.Event()

        def obey(orders: Orders) -> None:
            told.append(orders.drain)
            heard.set()

        heartbeat = Heartbeat(theirs)
        heartbeat.obey(obey)
        for message in (b'{"drain":true}', b"nonsense", b'{"drain":false,"of":"later"}'):
            ours.send(message)
        while len(told) < 2:
            heard.clear()
            await heard.wait()
        ours.close()
        loop = asyncio.get_running_loop()
        while theirs.fileno() >= 0:
            turn = loop.create_future()
            loop.call_soon(turn.set_result, None)
            await turn
        heartbeat.send(Beat())
        return told

    assert asyncio.run(scene()) == [True, False]
