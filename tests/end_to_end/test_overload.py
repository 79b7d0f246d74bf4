"""More than can be served: what is too much is turned away at once; afterwards all is as before."""

from __future__ import annotations

import asyncio
import subprocess
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.end_to_end.installation import PLAYED, Up, make_installation, start_up
from tests.end_to_end.nginx import installed
from tests.end_to_end.probe import BACK_S_MAX, Probes
from tests.end_to_end.processes import DEADLINE_S, wait_for
from tests.end_to_end.renewals import plan
from tests.end_to_end.scripted_origin import Exchange, PlayedOrigin
from tests.end_to_end.traffic import Plan, Traffic
from tests.end_to_end.viewers import curl
from tests.measurements import tell

pytestmark = pytest.mark.alone

ERRANDS_MAX = 50
TIMES = 10  # what is offered, of what is let in
FLOOD_S = 4
FLOOD_CONNECTIONS = 500
AS_FAST = 1 / 3  # of the speed before: on a shared machine it is never twice the same


@pytest.fixture(scope="module")
def narrow(tmp_path_factory: pytest.TempPathFactory, played: PlayedOrigin) -> Iterator[Up]:
    """An installation whose workers wait for few answers at once."""
    installation = make_installation(tmp_path_factory.mktemp("narrow"), played=played.port)
    installation.write(more=f"[limits]\nerrands_max = {ERRANDS_MAX}\n")
    running = start_up(installation)
    yield running
    assert running.process.stop() == 0, running.process.stderr
    assert "Traceback" not in running.process.stderr, running.process.stderr
    assert not running.installation.left_running()


@pytest.fixture
def probes(narrow: Up) -> Iterator[Probes]:
    shape = plan(narrow, download_s=1)
    with Probes(shape.ports, shape.pages) as running:
        yield running


@dataclass(slots=True)
class Speed:
    """Kept connections that ask as fast as they are answered."""

    shape: Plan

    def per_s(self, seconds: float = 0.3) -> float:
        """Answers a second over so long."""
        with Traffic(self.shape) as traffic:
            traffic.more(20)
            began, before = time.monotonic(), traffic.answered
            wait_for("a while", lambda: time.monotonic() > began + seconds)
            rate = (traffic.answered - before) / (time.monotonic() - began)
        assert traffic.failures == []
        return rate


def speed_of(up: Up) -> Speed:
    shape = plan(up, download_s=1)
    return Speed(Plan(shape.ports, shape.pages, per_s=100_000))


def is_full_speed_again(speed: Speed, before: float, what: str) -> None:
    began = time.monotonic()
    again = wait_for(f"full speed after {what}", lambda: _enough(speed.per_s(), before), BACK_S_MAX)
    told = f"{before:.0f} answers a second before, {again:.0f} "
    tell(f"{what}: {told}{time.monotonic() - began:.1f} s after")


def _enough(rate: float, before: float) -> float:
    return rate if rate >= AS_FAST * before else 0.0


async def _crowd(port: int, count: int) -> list[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    """So many connections, each of which asks for something nobody has."""
    opened = [await asyncio.open_connection("127.0.0.1", port) for _ in range(count)]
    for number, (_, writer) in enumerate(opened):
        request = f"GET /cold/{number} HTTP/1.1\r\nHost: {PLAYED}\r\nConnection: close\r\n\r\n"
        writer.write(request.encode())
    return opened


def test_what_is_too_much_is_turned_away_at_once(
    narrow: Up, played: PlayedOrigin, probes: Probes
) -> None:
    """The origin hangs, and ten times as many ask for it as may wait."""
    gate, told_ms = played.gate(), list[float]()

    async def slow(exchange: Exchange) -> None:
        await gate.passed()
        await exchange.answer(5)
        await exchange.send(b"hello")

    async def answer(streams: tuple[asyncio.StreamReader, asyncio.StreamWriter]) -> bytes:
        async with asyncio.timeout(DEADLINE_S):
            head = await streams[0].read(-1)
        told_ms.append(1000 * (time.monotonic() - began[0]))
        streams[1].close()
        if head.startswith(b"HTTP/1.1 503 "):
            assert b"\r\nRetry-After: 1\r\n" in head
            if len(told_ms) == TIMES * ERRANDS_MAX - ERRANDS_MAX:
                gate.open()
        return head[9:12]

    async def flood() -> Counter[bytes]:
        crowd = await _crowd(narrow.installation.ports.nrt, TIMES * ERRANDS_MAX)
        began.append(time.monotonic())
        return Counter(await asyncio.gather(*map(answer, crowd)))

    for number in range(TIMES * ERRANDS_MAX):
        played.plays(f"/cold/{number}", slow)
    speed, began = speed_of(narrow), list[float]()
    before = speed.per_s()
    with probes.recover("ten times what may wait"):
        found = asyncio.run(flood())
    assert found == {b"200": ERRANDS_MAX, b"503": (TIMES - 1) * ERRANDS_MAX}
    turned_away = sorted(told_ms)[: (TIMES - 1) * ERRANDS_MAX]
    tell(f"turned away within {turned_away[len(turned_away) // 2]:.0f} ms, half of them")
    is_full_speed_again(speed, before, "what waited")


def test_a_flood_of_hits(narrow: Up, probes: Probes, tmp_path: Path) -> None:
    """As fast as they can, five hundred at once, of what is in memory."""
    wrk, speed = installed("wrk", "wrk"), speed_of(narrow)
    page = f"{narrow.lhr}/robots.txt"
    wait_for("every worker has it", lambda: {curl(page).x_cache for _ in range(20)} == {"Hit"})
    before = speed.per_s()
    numbers = ["-t", "1", "-c", str(FLOOD_CONNECTIONS), "-d", str(FLOOD_S)]
    with probes.recover("a flood of hits"):
        done = subprocess.run([wrk, *numbers, page], capture_output=True, text=True, timeout=60)
    assert "Requests/sec" in done.stdout, done.stdout + done.stderr
    assert "Non-2xx" not in done.stdout, done.stdout
    is_full_speed_again(speed, before, "the flood")
