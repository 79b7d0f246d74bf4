"""The canary finds an edge that serves what was invalidated, and says when it cannot look."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from edgecache.cluster.lease import LEASE_S, Instance
from edgecache.config.listen import Address
from edgecache.config.model import Config, Control, Location
from edgecache.control.nodes.barrier import DRIFT_S, Barrier
from edgecache.control.nodes.prometheus import exposition
from edgecache.control.nodes.registry import NodeRegistry
from edgecache.control.nodes.staleness_probe import (
    HOST,
    READS_PER_WORKER,
    ProbeEnvironment,
    StalenessProbe,
    probe_distribution,
)
from edgecache.control.nodes.workers import worker_groups
from edgecache.control.state.invalidations import Invalidations
from edgecache.control.state.log import ControlLog
from edgecache.control.state.probe_version import ProbeVersion
from edgecache.control.state.sqlite import SqliteDatabase

CONFIG = Config(locations=(Location(name="L1", listen="127.0.0.1:1", workers=2),))
Reply = Callable[[StalenessProbe], bytes]


class Stop(Exception):
    """The play is over."""


class Place:
    def __init__(self, folder: Path) -> None:
        self.now = 10.0
        self.state = SqliteDatabase(folder)
        self.log = ControlLog(self.state, lambda: self.now)
        self.barrier = Barrier(self.state, lambda: self.now)
        self.now += LEASE_S + DRIFT_S  # a database that is new waits for whom it cannot know
        world = (lambda: self.now, lambda size: bytes(size))
        self.invalidations = Invalidations(self.state, self.log, self.barrier, *world)
        self.asked: list[bytes] = []

    def rounds(self, reply: Reply) -> StalenessProbe:
        """A canary that has made one round, where every edge replies so."""

        async def exchange(_: Address, head: bytes) -> bytes:
            self.asked.append(head)
            return reply(canary)

        async def pause(_: float) -> None:
            raise Stop

        world = ProbeEnvironment(
            lambda: worker_groups(CONFIG), exchange, lambda: self.now, pause, bytes
        )
        canary = StalenessProbe(self.invalidations, world, ProbeVersion(self.state))
        with pytest.raises(Stop):
            asyncio.run(canary.run(60))
        return canary


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    place = Place(tmp_path)
    yield place
    place.state.close()


def version(number: int) -> bytes:
    return b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n%d" % number


def test_a_round_in_which_all_is_well(place: Place) -> None:
    canary = place.rounds(lambda canary: version(canary.version))
    reads = 2 * READS_PER_WORKER
    assert (canary.reads, canary.stale_after_completed) == (2 * reads, 0)
    assert len(place.asked) == 2 * reads
    assert f"Host: {HOST}\r\n".encode() in place.asked[0]
    assert sum(canary.time_to_completed.counts) == 1
    assert [record.paths for record in place.invalidations.page("ECANARY")] == [("/object",)]


def test_an_edge_that_serves_what_is_gone_is_found(place: Place) -> None:
    canary = place.rounds(lambda _: version(0))
    assert canary.stale_after_completed == 2 * READS_PER_WORKER


def test_an_edge_that_cannot_be_read_is_counted_apart(place: Place) -> None:
    def away(_: StalenessProbe) -> bytes:
        raise OSError("refused")

    for reply in (away, lambda _: b"HTTP/1.1 502 Bad Gateway\r\n\r\nno", lambda _: b""):
        canary = place.rounds(reply)
        assert (canary.reads, canary.unread) == (0, 4 * READS_PER_WORKER)
        assert canary.stale_after_completed == 0


def test_a_round_that_is_not_completed_is_overdue(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("edgecache.control.nodes.staleness_probe.COMPLETED_S_MAX", 0)
    place.barrier.grant(Instance("edge", "1"), 0)
    canary = place.rounds(lambda canary: version(canary.version))
    assert (canary.overdue, sum(canary.time_to_completed.counts)) == (1, 0)


def test_the_site_is_controls_own() -> None:
    site = probe_distribution(Control(listen="127.0.0.1:8090"))
    origin = site.origins[0]
    assert (origin.domain_name, origin.http_port, origin.path) == ("127.0.0.1", 8090, "/canary")


def test_it_is_told_to_prometheus(place: Place) -> None:
    canary = place.rounds(lambda _: version(0))
    text = exposition(NodeRegistry(lambda: 0.0), canary).decode()
    assert f"edgecache_stale_after_completed_total {2 * READS_PER_WORKER}.0" in text
    assert "edgecache_time_to_completed_seconds_count 1.0" in text
    assert "stale_after_completed" not in exposition(NodeRegistry(lambda: 0.0)).decode()
