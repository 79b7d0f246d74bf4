"""One supervisor as a service: signs of life for systemd, and orders to drain."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from edgecache.config.model import Config
from edgecache.runtime.inherited import Beat, Unready
from edgecache.runtime.systemd import ServiceManager
from edgecache.supervisor.health import LIVE_SILENT_S
from edgecache.supervisor.reload import DONE, REFUSED
from edgecache.supervisor.service import SupervisedService
from edgecache.supervisor.topology import Part
from tests.supervisor.test_health import FIT, Stage


@pytest.fixture
def hears(tmp_path: Path) -> Iterator[socket.socket]:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as made:
        made.bind(str(tmp_path / "notify"))
        made.setblocking(False)
        yield made


def service(hears: socket.socket, stage: Stage) -> SupervisedService:
    part = Part("", lambda _: stage.children, lambda _: ())
    manager = ServiceManager(hears.getsockname(), 30.0)
    made = SupervisedService(part, Config(), Path("/x.toml"), lambda *_: None, manager, {})
    made.supervisor = stage
    return made


def test_a_sign_of_life_while_every_worker_gives_one(hears: socket.socket) -> None:
    async def scene() -> None:
        stage = Stage()
        stage.start()
        made = service(hears, stage)
        made.give_sign_of_life()
        assert hears.recv(99) == b"WATCHDOG=1"
        pulse = stage.heartbeats.of(12)
        assert pulse is not None
        pulse.heard_at -= LIVE_SILENT_S + 1
        made.give_sign_of_life()
        with pytest.raises(BlockingIOError):
            hears.recv(99)
        stage.stop_all()

    asyncio.run(scene())


def test_a_drain_is_done_once_every_process_says_so_and_nobody_is_left(
    hears: socket.socket,
) -> None:
    async def scene() -> None:
        stage = Stage()
        stage.start()
        drain, undrain = service(hears, stage)._drain, service(hears, stage)._undrain
        for pid in (11, 12):
            await stage.say(pid, FIT)
        told = await drain("A")
        assert (told.code, told.done, told.connections) == (DONE, False, 4)
        assert b"drained: A" in hears.recv(999)
        for pid in (11, 12):
            await stage.say(pid, Beat({Unready.DRAINING: "yes"}))
        assert (await drain("A")).done
        assert (await undrain("A")).lines == ("A: takes viewers again",)
        refused = await drain("B")
        assert (refused.code, refused.lines) == (
            REFUSED,
            ("no node B runs here (known: A, control)",),
        )
        stage.stop_all()

    asyncio.run(scene())
