"""slowhttptest in its four modes against a real edge, and a steady probe that must not notice.

What it takes is given back: descriptors and memory are looked at afterwards.
"""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.end_to_end.conftest import start_serve
from tests.end_to_end.nginx import Nginx, installed, start_nginx
from tests.end_to_end.processes import (
    Running,
    edge_of,
    raise_file_limit,
    resident_bytes,
    wait_for,
)
from tests.end_to_end.traffic import Plan, Traffic
from tests.hostile.settings import BOTH

pytestmark = pytest.mark.end_to_end
MIB = 1024 * 1024
CONNECTIONS = 1_000
ATTACK_S = 4
PAGES = {f"/page{n}": bytes([65 + n]) * 2_000 for n in range(10)}
BIG_BYTES = 4 * MIB
RSS_GROWTH_MAX = 64 * MIB  # of a process whose store may take 256 MiB

MODES = {
    "headers": ("-H", "-i", "1", "-u", "{url}/page1"),
    "body": ("-B", "-i", "1", "-s", "8192", "-t", "POST", "-u", "{url}/page1"),
    "ranges": ("-R", "-a", "1", "-b", "3000", "-t", "HEAD", "-u", "{url}/big"),
    "reading": ("-X", "-w", "512", "-y", "1024", "-n", "1", "-z", "32", "-u", "{url}/big"),
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Target:
    """The edge under attack."""

    process: Running
    port: int

    @property
    def descriptors(self) -> int:
        return len(list(Path(f"/proc/{edge_of(self.process.pid)}/fd").iterdir()))


@pytest.fixture(scope="module")
def origin(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Nginx]:
    root = tmp_path_factory.mktemp("slow_tree")
    for path, body in PAGES.items():
        (root / path[1:]).write_bytes(body)
    (root / "big").write_bytes(b"b" * BIG_BYTES)
    started = start_nginx(tmp_path_factory.mktemp("slow_nginx"), root)
    yield started
    started.process.stop()


@pytest.fixture(scope="module", params=BOTH)
def target(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, origin: Nginx
) -> Iterator[Target]:
    raise_file_limit()
    process, port = start_serve(tmp_path_factory.mktemp("slow"), origin.port, request.param)
    yield Target(process, port)
    assert process.stop() == 0
    assert "Traceback" not in process.stderr, process.stderr


@pytest.mark.parametrize("mode", MODES)
def test_no_probe_fails(mode: str, target: Target, capsys: pytest.CaptureFixture[str]) -> None:
    program = installed("slowhttptest", "slowhttptest")
    url = f"http://127.0.0.1:{target.port}"
    plan = Plan(ports=(target.port,), pages=PAGES, per_s=200)
    with Traffic(plan) as probe:
        probe.more(100)
        quiet, before, rss = len(probe.late_ms), target.descriptors, _resident(target)
        arguments = [part.format(url=url) for part in MODES[mode]]
        numbers = ["-c", str(CONNECTIONS), "-r", str(CONNECTIONS), "-l", str(ATTACK_S)]
        done = subprocess.run(
            [program, *numbers, *arguments], capture_output=True, text=True, timeout=60
        )
        assert "Exit status" in done.stdout, done.stdout[-500:] + done.stderr[-500:]
        grown = _resident(target) - rss
        attacked = len(probe.late_ms)
        probe.more(100)
    assert probe.failures == []
    wait_for("descriptors are given back", lambda: target.descriptors <= before + 5)
    assert grown < RSS_GROWTH_MAX, f"{grown / MIB:.0f} MiB more"
    told = f"{_p99(probe.late_ms[:quiet]):.1f} ms quiet, "
    told += f"{_p99(probe.late_ms[quiet:attacked]):.1f} ms attacked"
    with capsys.disabled():
        print(f" [{mode}: probe p99 {told}, +{grown / MIB:.0f} MiB]", end="")


def _resident(target: Target) -> int:
    return resident_bytes(edge_of(target.process.pid))


def _p99(values: list[float]) -> float:
    return sorted(values)[len(values) * 99 // 100]
