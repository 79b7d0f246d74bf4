"""Invalidations as control keeps them: accepted once, durable, Completed only when it is so."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path

import pytest

from edgecache.cluster.lease import LEASE_S, Instance
from edgecache.cluster.log_entries import read_entry
from edgecache.control.nodes.barrier import DRIFT_S, Barrier
from edgecache.control.state import invalidations
from edgecache.control.state.invalidations import (
    InvalidationRecord,
    InvalidationRequest,
    Invalidations,
    ReferenceTakenError,
    TooManyInvalidationsError,
)
from edgecache.control.state.log import ControlLog
from edgecache.control.state.migrations import BEFORE
from edgecache.control.state.sqlite import SqliteDatabase
from edgecache.rules.invalidation.items import ItemKind, items_of
from edgecache.rules.invalidation.matcher import GLOBS_MAX
from edgecache.store.invalidation import Invalidation
from tests.control.conftest import Opener

EDGE = Instance("edge-a", "1")


class Place:
    """Control's state, opened anew by `restart`."""

    def __init__(self, opened: Opener) -> None:
        self.opened, self.now, self._random = opened, 50.0, count()
        self.open()
        self.barrier.remove(BEFORE)

    def open(self) -> None:
        self.state = self.opened()
        self.log = ControlLog(self.state, lambda: self.now)
        self.barrier = Barrier(self.state, lambda: self.now)
        world = (lambda: self.now, lambda size: next(self._random).to_bytes(size, "little"))
        self.all = Invalidations(self.state, self.log, self.barrier, *world)

    def restart(self) -> None:
        self.state.close()
        self.open()

    def create(self, *paths: str, reference: str = "", site: str = "E1") -> InvalidationRecord:
        wanted = InvalidationRequest(
            site, items_of(paths), reference or f"ref-{next(self._random)}"
        )
        return self.all.create(wanted)[0]

    def status(self, record: InvalidationRecord) -> str:
        found = self.all.get(record.distribution, record.id)
        return found.status if found else ""


@pytest.fixture
def place(opened: Opener) -> Iterator[Place]:
    place = Place(opened)
    yield place
    place.state.close()


def test_one_is_accepted_and_told_to_the_nodes(place: Place) -> None:
    record = place.create("/a/*", "#T")
    assert (record.paths, record.created_at) == (("/a/*", "#t"), 50.0)
    assert len(record.id) == 14
    entry = place.log.live.after(0).entries[0]
    items = ((ItemKind.PATH, "/a/*"), (ItemKind.TAG, "t"))
    assert read_entry(entry) == Invalidation(1, 50.0, "E1", items)


def test_items_beyond_cloudfront_are_told_with_their_kind(place: Place) -> None:
    wanted = InvalidationRequest(
        "E1", ((ItemKind.GLOB, "/*.jpg"), (ItemKind.HOST, "x.test")), "r", soft=True
    )
    record, new = place.all.create(wanted)
    assert (new, record.paths) == (True, ("glob:/*.jpg", "host:x.test"))
    assert read_entry(place.log.live.after(0).entries[0]).soft


def test_the_same_reference_is_the_same_invalidation(place: Place) -> None:
    first = place.create("/a", reference="r")
    wanted = InvalidationRequest("E1", items_of(["/a"]), "r")
    assert place.all.create(wanted) == (first, False)
    assert len(place.log.live.after(0).entries) == 1
    with pytest.raises(ReferenceTakenError):
        place.create("/b", reference="r")
    assert place.create("/b", reference="r", site="E2").seq == 2


def test_it_is_completed_when_every_node_has_heard(place: Place) -> None:
    place.barrier.grant(EDGE, 0)
    first, second = place.create("/a"), place.create("/b")
    assert [x.status for x in (first, second)] == ["InProgress"] * 2
    assert [x.id for x in place.all.in_progress("E1")] == [first.id, second.id]
    place.barrier.acknowledge(EDGE, 1, 0)
    assert [place.status(x) for x in (first, second)] == ["Completed", "InProgress"]
    place.barrier.acknowledge(EDGE, 2, 0)
    assert place.status(second) == "Completed"


def test_those_of_all_distributions_that_somebody_waits_for_or_did_lately(place: Place) -> None:
    place.barrier.grant(EDGE, 0)
    made = [place.create("/a", site=f"E{number}") for number in range(5)]
    place.barrier.acknowledge(EDGE, 2, 0)

    def told(since: float, open_max: int = 9, completed_max: int = 9) -> list[str]:
        found = place.all.lately(since, open_max, completed_max)
        return [one.distribution for one in found]

    assert told(0) == ["E2", "E3", "E4", "E1", "E0"]
    assert told(51) == ["E2", "E3", "E4"]
    assert told(0, open_max=1) == ["E2", "E1", "E0"]
    assert told(0, completed_max=4) == ["E2", "E3", "E4", "E1"]  # of the four that came last
    assert place.all.lately(0, 9, 9)[-1].id == made[0].id


def test_12_what_was_accepted_outlives_control(place: Place) -> None:
    """Killed between the disk and the answer: who asks again with its reference finds it."""
    place.barrier.grant(EDGE, 0)
    record = place.create("/a", reference="r")
    place.restart()
    again, new = place.all.create(InvalidationRequest("E1", items_of(["/a"]), "r"))
    assert (again, new) == (record, False)
    assert place.status(record) == "InProgress"  # the edge may have its lease still
    place.now += LEASE_S + DRIFT_S
    assert place.status(record) == "Completed"


def test_it_is_not_completed_while_leases_are_given_without_it(place: Place) -> None:
    """It is on disk; the loop, which tells nodes and gives them leases, has yet to hear of it."""
    handed: list[Callable[[], None]] = []
    place.log = ControlLog(place.state, lambda: place.now, handed.append)
    world = (lambda: place.now, lambda size: next(place._random).to_bytes(size, "little"))
    place.all = Invalidations(place.state, place.log, place.barrier, *world)
    record = place.create("/a")
    assert place.barrier.applied_everywhere(record.seq)  # nobody has a lease yet
    assert place.status(record) == "InProgress"
    place.barrier.grant(EDGE, place.log.live.last_seq)  # and now somebody has, without it
    handed.pop()()
    assert place.status(record) == "InProgress"
    place.barrier.acknowledge(EDGE, record.seq, 0)
    assert place.status(record) == "Completed"


def test_12b_completed_stays_completed(place: Place) -> None:
    record = place.create("/a")
    assert place.status(record) == "Completed"
    place.restart()
    place.barrier.grant(EDGE, 0)
    assert place.status(record) == "Completed"


def test_13_numbers_go_on_after_a_restart_and_after_trimming(place: Place) -> None:
    place.create("/a")
    place.log.trim(1)
    place.restart()
    assert place.create("/b").seq == 2


def test_19_another_database_is_another_log(place: Place, tmp_path: Path) -> None:
    other = Place(lambda: SqliteDatabase(tmp_path / "other"))
    assert other.log.epoch != place.log.epoch
    other.state.close()


def test_live_globs_are_bounded_with_quotas_or_without(place: Place) -> None:
    """Each may be an expression that nodes try: 150,000 took 58 ms for every older object met."""

    def globs(count: int, site: str = "E1") -> InvalidationRequest:
        items = tuple((ItemKind.GLOB, f"/*{n}x") for n in range(count))
        return InvalidationRequest(site, items, f"{site} {next(place._random)}")

    place.all.create(globs(GLOBS_MAX - 1))
    with pytest.raises(TooManyInvalidationsError, match="1000 globs that nodes have yet to sweep"):
        place.all.create(globs(2))
    place.all.create(globs(1))
    place.all.create(globs(1, "E2"))
    place.create("/a*")  # a prefix is found in one look
    with pytest.raises(TooManyInvalidationsError):
        place.all.create(globs(1))
    place.restart()
    with pytest.raises(TooManyInvalidationsError):
        place.all.create(globs(1))
    place.log.trim(place.log.last_seq)
    place.all.create(globs(GLOBS_MAX))


def test_live_items_are_bounded(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(invalidations, "LIVE_ITEMS_MAX", 5)
    place.create("/a", "/b", "/c")
    with pytest.raises(TooManyInvalidationsError, match="5 items"):
        place.create("/d", "/e", "/f")
    place.create("/d", "/e")


def test_they_are_listed_newest_first(place: Place) -> None:
    made = [place.create(f"/{n}").id for n in range(5)]
    place.create("/x", site="E2")
    page = place.all.page("E1", most=2)
    assert [x.id for x in page] == made[:1:-1]  # one more than asked: there are more
    assert [x.id for x in place.all.page("E1", before=made[3], most=2)] == made[2::-1]
    assert place.all.page("E1", before="no-such") == []


def test_quotas_hold_where_they_are_switched_on(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    place.barrier.grant(EDGE, 0)
    for n in range(15):
        place.create(f"/{n}/*")
    wanted = InvalidationRequest("E1", items_of(["/x/*"]), "one more")
    with pytest.raises(TooManyInvalidationsError, match="15 wildcards"):
        place.all.create(wanted, quotas=True)
    place.all.create(wanted)
    many = InvalidationRequest("E1", items_of(f"/{n}" for n in range(2_985)), "many")
    with pytest.raises(TooManyInvalidationsError, match="3000 paths in progress"):
        place.all.create(many, quotas=True)
    with pytest.raises(TooManyInvalidationsError, match="more than 3000 paths"):
        place.create(*(f"/{n}" for n in range(3_001)))
    monkeypatch.setattr(invalidations, "LIVE_MAX", 16)
    with pytest.raises(TooManyInvalidationsError, match="yet to sweep"):
        place.create("/a")
