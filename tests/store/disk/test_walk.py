"""A walk over a disk: what an invalidation names goes, what is left need not be checked again."""

from __future__ import annotations

import errno
from pathlib import Path

from edgecache.cache.coalescing import Flights
from edgecache.cache.invalidation_sweeper import InvalidationSweeper
from edgecache.config.model import Behavior, Config, Distribution, Origin, Release
from edgecache.rules.caching.key import cache_key
from edgecache.rules.invalidation.items import items_of
from edgecache.rules.invalidation.releases import ReleaseState as Becoming
from edgecache.rules.routing import RouteTable, compile_routes
from edgecache.store.disk.availability import TRY_AGAIN_S
from edgecache.store.disk.walk import DiskWalk
from edgecache.store.invalidation import FilteredStore, Invalidation, InvalidationState
from edgecache.store.memory import MemoryStore
from tests.rules.pieces import asks, site_of
from tests.store.disk.disk_world import FILED, DiskStage, entry, found, put
from tests.store.disk.faults import Faults, FaultyFiles

ROUTE = site_of()
A, B = cache_key(asks("/a"), ROUTE), cache_key(asks("/b"), ROUTE)


def invalidates(stage: DiskStage, path: str, *, soft: bool = False) -> None:
    marks = stage.marks
    marks.apply(
        Invalidation(marks.last + 1, 1_000.0, ROUTE.distribution.id, items_of((path,)), soft)
    )


def walk(stage: DiskStage) -> bool:
    task = stage.begin(
        DiskWalk(stage.store, stage.marks, lambda key: Becoming.CURRENT).check(stage.marks.last)
    )
    return task.result()


def test_what_is_named_goes_and_what_is_left_was_checked(stage: DiskStage) -> None:
    stage.marks.begin("epoch", 0)
    put(stage, entry(A, size=FILED), entry(B, size=FILED))
    invalidates(stage, "/a")
    assert walk(stage)
    assert stage.counters.disk_objects == 1
    assert stage.store.checked == 1
    stage.marks = InvalidationState()
    stage.restart()
    stage.marks.begin("epoch", 1)  # the log has forgotten what stands below
    left = found(stage, B)
    assert left is not None
    assert stage.marks.stands(left)


def test_of_another_log_nothing_is_known(stage: DiskStage) -> None:
    stage.marks.begin("epoch", 0)
    put(stage, entry(A))
    stage.marks = InvalidationState()
    stage.restart()
    stage.marks.begin("another", 0)
    assert found(stage, A) is None


def test_what_is_named_softly_stays_stale(stage: DiskStage) -> None:
    put(stage, entry(A, size=FILED))
    invalidates(stage, "/a", soft=True)
    assert walk(stage)
    stage.restart()
    left = found(stage, A)
    assert left is not None
    assert left.stale_from == 1_000.0
    assert left.body == entry(A, size=FILED).body


def test_what_waits_to_be_written_is_checked_too(stage: DiskStage) -> None:
    assert stage.store.put(entry(A))
    invalidates(stage, "/a")
    assert walk(stage)
    assert found(stage, A) is None
    assert stage.counters.disk_objects == 0


def swept(sweep: InvalidationSweeper, stage: DiskStage) -> None:
    for _ in iter(sweep.step, False):
        pass
    stage.run(sweep.check_disk())
    stage.settle()


def test_releases_are_judged_on_disk_too(stage: DiskStage) -> None:
    """Memory is empty, as after a restart."""
    put(stage, entry(A), entry(B, size=FILED))
    sweep = InvalidationSweeper(
        FilteredStore(MemoryStore(10**6), stage.marks), Flights(), stage.marks, stage.store
    )
    for current, kept, expected in (
        (1, (0, 1), [True, False]),  # cut
        (0, (0, 1), [False, False]),  # activated again
        (1, (0, 1), [True, False]),
    ):
        sweep.use(releases(Release(pattern="/a", current=current, kept=kept)))
        swept(sweep, stage)
        heads = stage.run(stage.store.heads(0, 9)) or []
        assert [head.former for head in heads] == expected
    sweep.use(releases(Release(pattern="/a", current=2, kept=(1, 2))))
    swept(sweep, stage)
    assert found(stage, A) is None
    assert found(stage, B) is not None


def releases(*cut: Release) -> RouteTable:
    site = Distribution(
        id=ROUTE.distribution.id,
        origins=(Origin(id="o", domain_name="o.test"),),
        default_behavior=Behavior(origin="o"),
        releases=cut,
    )
    return compile_routes(Config(distributions=(site,)))


def test_the_log_forgets_nothing_that_a_failing_disk_was_not_checked_for(tmp_path: Path) -> None:
    faults = Faults()
    stage = DiskStage(tmp_path / "disk", files=FaultyFiles(faults))
    put(stage, entry(A, size=FILED), entry(B, size=FILED))
    standing = FilteredStore(MemoryStore(10**6), stage.marks, stage.store)
    sweep = InvalidationSweeper(standing, Flights(), stage.marks, stage.store)
    invalidates(stage, "/a")
    faults.at, faults.error = faults.done + 1, errno.EIO
    swept(sweep, stage)
    assert sweep.low == 0
    faults.at = 0
    stage.advance(TRY_AGAIN_S + 1)
    swept(sweep, stage)
    assert sweep.low == 1
    assert found(stage, A) is None
    assert found(stage, B) is not None
    stage.close()
