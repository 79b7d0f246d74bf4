"""Processes, addresses and numbers of workers change under traffic, and no request is lost."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from tests.end_to_end.installation import Installation, Up, make_installation, start_up
from tests.end_to_end.processes import free_ports, listens, wait_for
from tests.end_to_end.renewals import ask, left_over, plan, renew
from tests.end_to_end.traffic import Traffic
from tests.end_to_end.viewers import curl

UPS_OWN_MAX = 20  # requests, of `up` that looks whether all answer
RELOADS, UPGRADES = 20, 2  # `python -m tests.end_to_end.renewals` does 300 and 50


@pytest.fixture(scope="module")
def renewed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Up]:
    """An installation of its own."""
    running = start_up(make_installation(tmp_path_factory.mktemp("renewed")))
    yield running
    assert running.process.stop() == 0, running.process.stderr
    assert not running.installation.left_running()


def pids(up: Up) -> dict[str, int]:
    """The nodes control sees alive."""
    nodes = up.asked_control("/nodes")["nodes"]
    return {node["name"]: node["pid"] for node in nodes if node["alive"]}


def test_reloads_and_upgrades_under_traffic_lose_nothing(renewed: Up) -> None:
    before = pids(renewed)
    with Traffic(plan(renewed, download_s=6)) as traffic:
        traffic.more(200)
        renew(renewed, traffic, RELOADS, UPGRADES)
        traffic.more(200)
    assert traffic.failures == []
    assert traffic.downloaded
    assert traffic.hits / traffic.answered > 0.9, "the caches are not emptied all at once"
    after = pids(renewed)
    assert after.keys() == before.keys()
    assert not set(after.values()) & set(before.values())
    wait_for("former processes are gone", lambda: not left_over(renewed))


def requests_counted(up: Up) -> int:
    """By all edges, as control has it."""
    text = curl(f"{up.installation.control}/metrics").body.decode()
    lines = [line for line in text.splitlines() if line.startswith("edgecache_requests_total{")]
    edges = [line for line in lines if 'location="regional"' not in line]
    return sum(int(float(line.rpartition(" ")[2])) for line in edges)


def test_what_former_processes_count_until_they_leave_is_not_lost(tmp_path: Path) -> None:
    up = start_up(make_installation(tmp_path, workers=1))
    before = requests_counted(up)
    with Traffic(plan(up, download_s=3, per_s=200)) as traffic:
        traffic.more(100)
        ask(up, "upgrade")
        traffic.more(100)
    wait_for("former processes are gone", lambda: not left_over(up))
    asked = traffic.answered + traffic.downloaded
    wait_for("all is counted", lambda: requests_counted(up) >= before + asked)
    assert requests_counted(up) <= before + asked + UPS_OWN_MAX, "some count twice"
    assert up.process.stop() == 0
    assert not up.installation.left_running()


def test_a_signal_upgrades_too(renewed: Up) -> None:
    before = pids(renewed)["edge-NRT57-1"]
    renewed.process.signal(signal.SIGUSR2)
    renewed.process.await_said("upgraded: 6 processes")
    assert pids(renewed)["edge-NRT57-1"] != before


def other_workers(up: Up, workers: int, nrt: int) -> Installation:
    """The file with other numbers."""
    installation = up.installation
    changed = replace(installation, workers=workers, ports=replace(installation.ports, nrt=nrt))
    changed.write()
    return changed


def test_a_reload_changes_workers_and_addresses(renewed: Up) -> None:
    ports = renewed.installation.ports
    (another,) = free_ports(1)
    at_lhr = replace(plan(renewed, download_s=3), ports=(ports.lhr,), per_s=200)
    with Traffic(at_lhr) as traffic:
        for workers, nrt, nodes in ((3, another, 5), (1, ports.nrt, 3), (2, ports.nrt, 4)):
            traffic.more(50)
            other_workers(renewed, workers, nrt)
            assert ask(renewed, "reload") == f"upgraded: {nodes + 2} processes"
            assert curl(f"http://127.0.0.1:{nrt}/").status == 200
            traffic.more(50)
    assert traffic.failures == []
    wait_for("the other address is given up", lambda: not listens(another))


def test_what_cannot_be_had_changes_nothing(renewed: Up) -> None:
    ports = renewed.installation.ports
    before = pids(renewed)
    other_workers(renewed, 2, ports.bucket)  # the bucket's own
    code, _, err = renewed.installation.run("upgrade")
    assert (code, f"{ports.bucket}" in err) == (2, True), err
    other_workers(renewed, 2, ports.nrt)
    assert pids(renewed) == before


def test_viewers_of_a_worker_that_hangs_are_taken_in_by_its_sibling(renewed: Up) -> None:
    stopped = pids(renewed)["edge-LHR50-1"]
    os.kill(stopped, signal.SIGSTOP)
    try:
        for _ in range(12):  # the kernel would deal half of them to the one that hangs
            assert curl(f"{renewed.lhr}/robots.txt").status == 200
    finally:
        os.kill(stopped, signal.SIGCONT)


def test_a_second_supervisor_of_the_same_state_is_refused(renewed: Up) -> None:
    code, _, err = renewed.installation.run("up")
    assert code == 2
    assert "another `up` on this state_dir" in err
    assert Path(renewed.installation.state, "up.sock").stat().st_mode & 0o777 == 0o600
