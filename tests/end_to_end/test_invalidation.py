"""Invalidations on real processes: none of what was there is read after Completed."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from edgecache.cluster.lease import LEASE_S
from tests.end_to_end.installation import Installation, Up, start_up
from tests.end_to_end.invalidation_history import History, Readers, installed, invalidate, read
from tests.end_to_end.processes import Running, free_ports, wait_for
from tests.end_to_end.versioned import Relay, VersionedOrigin

INVALIDATIONS = 1_000
PATHS = [f"/object-{n}" for n in range(20)]


@dataclass(frozen=True, slots=True)
class Stage:
    up: Up
    origin: VersionedOrigin

    @property
    def control(self) -> int:
        return self.up.installation.ports.control

    @property
    def lhr(self) -> int:
        return self.up.installation.ports.lhr

    @property
    def nrt(self) -> int:
        return self.up.installation.ports.nrt

    def invalidates(self, path: str, history: History) -> float:
        """Seconds it took to be Completed."""
        done = invalidate(self.up.installation.socket, self.origin, path, history)
        return done.completed - done.began


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    origin = VersionedOrigin(free_ports(1)[0])
    with origin:
        up = start_up(installed(tmp_path_factory.mktemp("invalidation"), origin))
        yield Stage(up, origin)
        assert up.process.stop() == 0, up.process.stderr


def test_a_thousand_under_load(stage: Stage, capsys: pytest.CaptureFixture[str]) -> None:
    history = History()
    with Readers([stage.lhr, stage.lhr, stage.nrt], PATHS, history):
        for number in range(INVALIDATIONS):
            stage.invalidates(PATHS[number % len(PATHS)], history)
    assert not history.stale()
    assert len(history.reads) > INVALIDATIONS
    took = history.took_s()
    with capsys.disabled():
        print(
            f"\n{len(took)} invalidations beside {len(history.reads)} reads: Completed after"
            f" p50 {took[len(took) // 2] * 1e3:.0f} ms, p99 {took[len(took) * 99 // 100] * 1e3:.0f}"
            f" ms, most {took[-1] * 1e3:.0f} ms"
        )


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGSTOP])
def test_an_edge_that_is_gone_is_waited_for_no_longer_than_its_lease(
    stage: Stage, how: signal.Signals, capsys: pytest.CaptureFixture[str]
) -> None:
    history = History()
    path = f"/gone-{how.name}"
    read(stage.nrt, path, history)
    pid = int(stage.up.node("edge-NRT57-1")["pid"])
    os.kill(pid, how)
    took_s = stage.invalidates(path, history)
    if how is signal.SIGSTOP:
        os.kill(pid, signal.SIGCONT)
        read(stage.nrt, path, history)  # at once: before it can have heard
    wait_for("it answers", lambda: stage.up.node("edge-NRT57-1")["alive"])
    wait_for("it is read", lambda: _can_read(stage, path, history))
    assert not history.stale()
    with capsys.disabled():
        print(f"\n{how.name}: Completed after {took_s:.2f} s (lease {LEASE_S:g} s)")


def _can_read(stage: Stage, path: str, history: History) -> bool:
    try:
        return bool(read(stage.nrt, path, history).version)
    except OSError:
        return False


def test_an_edge_that_is_cut_off_serves_nothing_it_cannot_confirm(
    stage: Stage, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    port, listen = free_ports(2)
    relay, history = Relay(port, stage.control), History()
    with relay:
        away = edge_through(stage, relay, listen, tmp_path)
        wait_for("it answers", lambda: _answers(listen, history))
        wait_for("it follows", lambda: _hits(stage, listen, history))
        relay.cut = True
        took_s = stage.invalidates("/cut", history)
        for _ in range(3):
            assert read(listen, "/cut", history).version == 1
        relay.cut = False
        wait_for("it has caught up", lambda: _hits(stage, listen, history))
        assert away.stop() == 0, away.stderr
    assert not history.stale()
    with capsys.disabled():
        print(f"\ncut off: Completed after {took_s:.2f} s (lease {LEASE_S:g} s)")


def edge_through(stage: Stage, relay: Relay, listen: int, folder: Path) -> Running:
    """One more edge, which reaches control through the relay alone."""
    up = stage.up.installation
    text = up.config.read_text().replace(f":{stage.control}", f":{relay.port}")
    text = text.replace(f":{stage.nrt}", f":{listen}").replace('"state"', f'"{up.state}"')
    text = text.replace('"NRT57"', '"CDG52"')
    mine = Installation(folder, up.ports)
    mine.config.write_text(text)
    return mine.start("edge", "--location", "CDG52")


def _answers(port: int, history: History) -> bool:
    try:
        return read(port, "/cut", history).version >= 0
    except OSError:
        return False


def _hits(stage: Stage, port: int, history: History) -> bool:
    """Two reads in a row that ask nobody: the edge has its lease."""
    read(port, "/cut", history)
    before = stage.origin.asked
    read(port, "/cut", history)
    return stage.origin.asked == before
