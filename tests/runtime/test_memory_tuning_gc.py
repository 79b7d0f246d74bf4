"""The collector sets aside what lives on, and looks through everything only when nobody waits."""

from __future__ import annotations

import asyncio
import gc
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import httpx
import msgspec
import pytest

from edgecache.cache.failure_cache import FailureCache
from edgecache.cache.outcome import FetchErrand
from edgecache.cluster.log_entries import LogEntry, LogPage
from edgecache.config.model import Behavior, Config, Control, Distribution, Location, Origin
from edgecache.node.build import NodeParts
from edgecache.node.control_endpoints import ControlEndpoints
from edgecache.rules.caching.freshness import assess
from edgecache.rules.caching.key import cache_key, forwarded
from edgecache.rules.reasons import MissReason
from edgecache.rules.routing import Route, RouteTable
from edgecache.runtime.memory_tuning import (
    ALLOCATIONS,
    GROWN_BYTES,
    GROWN_S,
    RETAINED,
    THOROUGH_S,
    GcTuning,
)
from edgecache.store.entry import Entry as StoredEntry
from edgecache.store.invalidation import InvalidationState
from tests.rules.pieces import NOW, asks
from tests.rules.pieces import answer as rules_answer


class Enough(Exception):
    """The script has ended."""


class Stage:
    """What follows a log and applies nothing."""

    low = 0

    def begin(self, page: LogPage) -> bool:
        return True

    def confirm(self, asked_at: float, lease_s: float) -> None: ...


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Iterator[Clock]:
    """A clock; the collector of this process has nothing set aside, and is afterwards as it was."""
    thresholds = gc.get_threshold()
    gc.unfreeze()
    yield Clock()
    GcTuning(Clock()).uninstall()
    gc.unfreeze()
    gc.set_threshold(*thresholds)
    gc.collect()
    gc.freeze()


def test_what_lives_when_it_settles_is_set_aside(clock: Clock) -> None:
    mine: list[list[int]] = [[] for _ in range(1_000)]
    GcTuning(clock).install()
    assert gc.get_freeze_count() > len(mine)
    assert gc.get_threshold()[0] == ALLOCATIONS


def test_what_outlives_two_looks_is_set_aside(clock: Clock) -> None:
    GcTuning(clock).install()
    before = gc.get_freeze_count()
    kept: list[list[int]] = [[] for _ in range(5 * ALLOCATIONS)]
    assert gc.get_freeze_count() - before >= 2 * ALLOCATIONS
    assert len(gc.get_objects(2)) < ALLOCATIONS
    assert len(kept) == 5 * ALLOCATIONS


def test_what_takes_the_place_of_old_is_set_aside_too(clock: Clock) -> None:
    kept: list[list[int]] = [[] for _ in range(100_000)]
    collector = GcTuning(clock)
    collector.install()
    for number in range(50_000):  # as much is freed as is made: Python never looks
        kept[number] = []
        if not number % 20:
            collector.count_retained()
    assert len(gc.get_objects(0)) < 20 * RETAINED + ALLOCATIONS
    assert len(gc.get_objects(1)) < 20 * RETAINED + ALLOCATIONS
    assert len(kept) == 100_000


def test_everything_is_looked_through_once_an_hour_and_only_when_nobody_is_there(
    clock: Clock,
) -> None:
    collector = GcTuning(clock)
    collector.install()
    assert not collector.tick(0)
    clock.now = THOROUGH_S
    assert not collector.tick(1)
    assert collector.tick(0)
    assert not collector.tick(0)


def test_a_cycle_that_was_set_aside_is_freed_then(clock: Clock) -> None:
    collector = GcTuning(clock)
    cycle: list[object] = []
    cycle.append(cycle)
    collector.install()
    told: list[str] = []

    class Dying:
        def __del__(self) -> None:
            told.append("gone")

    cycle.append(Dying())
    del cycle
    gc.collect()
    assert told == []
    clock.now = THOROUGH_S
    collector.tick(0)
    assert told == ["gone"]


def test_a_new_configuration_is_a_reason_to_look_when_nobody_is_there(clock: Clock) -> None:
    collector = GcTuning(clock)
    collector.install()
    collector.config_replaced()
    assert not collector.tick(1)
    assert collector.tick(0)
    assert not collector.tick(0)


def test_a_thousand_configurations_leave_nothing_behind(clock: Clock, tmp_path: Path) -> None:
    """Not even with the collector setting aside, at the worst moment, all that is alive."""
    writes = 1_000

    def config(number: int) -> Config:
        origin = Origin(id="o", domain_name="o.test")
        behavior = Behavior(origin="o")
        one = Distribution(
            id="E1", comment=f"{number}", origins=(origin,), default_behavior=behavior
        )
        place = Location(name="LHR50", listen="127.0.0.1:1")
        control = Control(listen="127.0.0.1:2")
        return Config(
            distributions=(one,), locations=(place,), control=control, state_dir=str(tmp_path)
        )

    class Followed(Stage):
        async def apply(self, entry: LogEntry) -> None:
            await node.apply(entry)
            (route,) = node.listener.frontend.table.routes()
            errand = FetchErrand(asks("/"), route, cache_key(asks("/"), route), MissReason.ABSENT)
            forwarded(errand.request, route, cacheable=True)
            assess(rules_answer(200, "cache-control: max-age=9"), route)
            failures.stood_in(errand, 503, NOW, mark=0)
            store, key = node.listener.frontend.tier.store, b"%d" % entry.seq
            store.put(StoredEntry(key, rules_answer(200), b""))
            met = store.get(key, ())
            assert met is not None
            met.assessment(route)
            store.tick(NOW)

    def answer(request: httpx.Request) -> httpx.Response:
        if request.method == "POST":
            return httpx.Response(200)
        seq = int(request.url.params["after"]) + 1
        if seq > writes:
            raise Enough
        body = msgspec.to_builtins(config(seq))
        page = LogPage([LogEntry(seq, 0.0, "config", body)], seq, seq, "epoch", 0)
        return httpx.Response(200, content=msgspec.json.encode(page))

    async def follow() -> None:
        assert node.follower is not None
        transport = httpx.MockTransport(answer)
        async with httpx.AsyncClient(transport=transport, base_url="http://c.test") as client:
            node.follower._controls = ControlEndpoints.only(client)
            with pytest.raises(Enough):
                await node.follower.follow(0, Followed())

    failures = FailureCache(InvalidationState())
    node = NodeParts(config(0), "edge-LHR50-1").edge(config(0).locations[0])
    before = Counter(type(one) for one in gc.get_objects())
    node.gc_tuning.install()
    gc.set_threshold(
        50, 1, 1_000_000
    )  # looks while each page is read: a large one is 2,000 objects
    asyncio.run(follow())
    gc.unfreeze()
    kinds = Counter(type(one) for one in gc.get_objects())
    left = {
        kind: kinds[kind] - before[kind] for kind in (RouteTable, Route, Config, httpx.Response)
    }
    assert max(left.values()) <= 1, left


def test_on_a_busy_edge_it_is_looked_through_when_memory_grows_that_nobody_accounts_for(
    clock: Clock,
) -> None:
    collector = GcTuning(clock)
    collector.install()
    assert not collector.tick(1, 200 << 20)
    assert not collector.tick(1, 100 << 20)
    clock.now = GROWN_S
    assert not collector.tick(1, (100 << 20) + GROWN_BYTES - 1)
    assert collector.tick(1, (100 << 20) + GROWN_BYTES)
    assert not collector.tick(1, (100 << 20) + 3 * GROWN_BYTES), "not at once again"
    clock.now = 2 * GROWN_S
    assert collector.tick(1, (100 << 20) + 3 * GROWN_BYTES)
    clock.now = 3 * GROWN_S
    assert not collector.tick(1, (100 << 20) + 3 * GROWN_BYTES), "it has not grown since"
