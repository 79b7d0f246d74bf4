"""How a worker follows its certificate files: what counts when, and what is told, once."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

import pytest
from msgspec.structs import replace

from edgecache.config.model import Behavior, Config, Distribution, Origin, ViewerCertificate
from edgecache.node import certificate_watch
from edgecache.node.certificate_watch import DAY_S, STOOD_S, CertificateWatch, days_passed
from edgecache.runtime.environment import pause
from edgecache.server.dev_certificate import SITE_DAYS, development_certificate

MADE = datetime.now(UTC)


class World:
    """A pair of files, the watch over it, and the time."""

    def __init__(self, folder: Path, *, speaks: bool = True) -> None:
        self.folder = folder
        self.now, self.asked = MADE.timestamp(), 0
        self.write("first")
        certificate = ViewerCertificate(
            certificate_file=str(folder / "site.pem"), key_file=str(folder / "site.key")
        )
        site = Distribution(
            id="E",
            aliases=("own.test",),
            origins=(Origin(id="o", domain_name="origin.test"),),
            default_behavior=Behavior(origin="o"),
            viewer_certificate=certificate,
        )
        self.config = Config(state_dir=str(folder), distributions=(site,))
        self.watch = CertificateWatch(self.config, self.clock, speaks=speaks)

    def write(self, issuer: str, *names: str) -> None:
        """Put a pair of an issuer's there, or one of its files."""
        pem = development_certificate(self.folder / issuer, ["own.test"], MADE).read_bytes()
        at = pem.index(b"-----BEGIN CERTIFICATE")
        for name in names or ("site.pem", "site.key"):
            new = self.folder / "new"
            new.write_bytes(pem[at:] if name == "site.pem" else pem[:at])
            os.replace(new, self.folder / name)

    def shown(self) -> object:
        return self.watch.port.certificates[0]

    async def until(self, condition: Callable[[], bool]) -> None:
        async with asyncio.timeout(30):
            while not condition():
                await pause(0.001)

    async def looks(self) -> None:
        """Wait until it has looked a few times more, and spoken if there was anything to say."""
        aim = self.asked + 5
        await self.until(lambda: self.asked >= aim)

    def clock(self) -> float:
        self.asked += 1
        return self.now


@pytest.fixture(autouse=True)
def _at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(certificate_watch, "WATCH_S", 0.001)


def play(world: World, scene: Callable[[], object]) -> None:
    """`scene`, a coroutine function, while the watch runs."""

    async def whole() -> None:
        task = asyncio.create_task(world.watch.run())
        try:
            await scene()  # type: ignore[misc]
        finally:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task

    asyncio.run(whole())


def test_a_changed_pair_counts_and_a_faulty_one_is_told_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    world = World(tmp_path)
    first = world.shown()

    async def scene() -> None:
        world.write("second", "site.pem")
        await world.until(lambda: bool(world.watch.faults))
        assert world.shown() is first
        await world.looks()
        assert not caplog.records  # it may be half replaced
        world.now += STOOD_S
        await world.until(lambda: bool(caplog.records))
        await world.looks()
        world.write("second", "site.key")
        await world.until(lambda: world.shown() is not first)

    play(world, scene)
    (record,) = caplog.records
    line = record.getMessage()
    assert line.startswith(f"a certificate stays as it was: {tmp_path}/site.key: is not the key of")
    assert "\n" not in line
    assert not world.watch.faults


def test_a_worker_that_does_not_speak_follows_all_the_same(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    world = World(tmp_path, speaks=False)
    first = world.shown()
    world.now += (SITE_DAYS - 1) * DAY_S

    async def scene() -> None:
        (tmp_path / "site.pem").write_text("spoilt")
        await world.until(lambda: bool(world.watch.faults))
        world.now += STOOD_S
        world.write("second")
        await world.until(lambda: world.shown() is not first)

    play(world, scene)
    assert not caplog.records


def test_the_end_is_told_at_14_and_3_days_once_each(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    world = World(tmp_path)
    ends = world.watch.ends
    assert [*ends] == ["own.test"]

    async def scene() -> None:
        for days in (15, 13.9, 13, 2.9, 1):
            world.now = ends["own.test"] - days * DAY_S
            await world.looks()

    play(world, scene)
    lines = [record.getMessage() for record in caplog.records]
    assert [line.partition(" (")[0] for line in lines] == [
        "the certificate of own.test ends in 13.9 days",
        "the certificate of own.test ends in 2.9 days",
    ]
    assert all(f"{tmp_path}/site.pem; write a new one there" in line for line in lines)


@pytest.mark.parametrize(
    ("left", "passed"), [(14.1, 0), (14, 14), (3.1, 14), (3, 3), (0, 3), (-5, 3)]
)
def test_days_passed(left: float, passed: int) -> None:
    assert days_passed(left) == passed


def test_another_configuration_is_of_this_machines_folder(tmp_path: Path) -> None:
    world = World(tmp_path)
    (site,) = world.config.distributions
    bare = replace(site, viewer_certificate=ViewerCertificate())
    asyncio.run(world.watch.use(Config(state_dir="/nowhere", distributions=(bare,))))
    assert (tmp_path / "tls" / "ca.pem").exists()
    assert not world.watch.ends
