"""The oracle: a barrier register. Law: it believes nothing the product says but Completed.

What it holds the product to, each time:

* after Completed(I) every get of a matching object returns at least the version there was when I
  was accepted (G1-G6); after a soft I, unless the answer says that it is stale because upstream
  failed, or while it is revalidated;
* Completed(s) counts for every smaller number of its log (G10);
* Completed comes within the lease and half a second, where no node serves without a lease (G7);
* where nothing fails, what nothing named stays a hit (G9);
* a body is of one version, and of the version its head speaks of;
* once an edge has applied I, none of its answers is older, Completed or not: what it gives of an
  invalidated object does not go back (G8), not over a lost lease, database or regional cache;
* versions an edge gives never go back at all where nothing fails. Elsewhere that is not promised:
  without an invalidation between them, two fetches of one object (or of its parts) may overtake.

Its cost is linear in the length of the history.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from typing import NoReturn
from zlib import crc32

from edgecache.cluster.lease import LEASE_S
from edgecache.control.state.invalidations import InvalidationRecord
from tests.simulation.machine import Machine
from tests.simulation.objects import OBJECTS, Object, names

COMPLETED_S_MAX = LEASE_S + 0.5
FILL_S_MAX = 1.0  # of a body in pieces, where nothing fails
HISTORY = 4_000
TOLD = 60


class Violation(AssertionError):
    """A promise was broken: the message has the history of it."""


@dataclass(slots=True)
class Accepted:
    """An invalidation that is on disk."""

    epoch: str
    seq: int
    record: InvalidationRecord
    items: tuple[tuple[str, str], ...]
    soft: bool
    at: float
    versions: dict[int, int]  # of the objects it names, when it was accepted
    completed_at: float | None = None


class Known:
    """What one run of an edge has applied."""

    def __init__(self, told: set[str]) -> None:
        self.floors = [0] * len(OBJECTS)
        self._told = told  # ids: of another history there may be others with the same numbers
        self._read: dict[str, int] = {}  # of each log, how many

    def hear(self, log: list[Accepted], epoch: str, number: int) -> None:
        """It has applied all up to `number` of this log."""
        at = self._read.get(epoch, 0)
        while at < len(log) and log[at].seq <= number:
            self._apply(log[at])
            at += 1
        self._read[epoch] = at

    def hear_late(self, one: Accepted, place: int) -> None:
        """This one is in its log now, before `place`: who accepted it was slow to say so."""
        if self._read.get(one.epoch, 0) > place:
            self._read[one.epoch] += 1
            self._apply(one)

    def _apply(self, one: Accepted) -> None:
        if not one.soft and one.record.id in self._told:
            for thing, version in one.versions.items():
                self.floors[thing] = max(self.floors[thing], version)


@dataclass(slots=True, eq=False)
class Get:
    """One get under way, and what it may not fall below."""

    thing: Object
    edge: str
    run: int  # of the edge's process
    began: float
    floor: int
    soft_floor: int
    own_floor: int  # of what this edge has applied
    seen: int  # the newest version this edge has given before, of this variant
    named: int  # how many invalidations have named the object; -1: some are under way
    must_hit: bool
    accepted: int = 0  # how many invalidations of anything there were; -1: some are under way
    how: str = ""
    variant: str = ""
    beside: bool = (
        False  # another kind was under way with it, for which there may be a second fetch
    )


@dataclass(slots=True)
class Told:
    """What came of a get."""

    status: int
    version: int
    cached: str  # X-Cache's first word
    detail: str = ""  # of Cache-Status
    whole: bool = True
    forwarded: bool = False  # upstream was asked, by this viewer or by whom it joined


@dataclass(slots=True)
class Tally:
    """What was checked."""

    gets: int = 0
    answered: int = 0
    bound: int = 0  # gets of what a Completed invalidation had named
    hits: int = 0
    hits_due: int = 0  # gets that had to be hits
    accepted: int = 0
    completed: int = 0
    slowest_s: float = 0.0
    backward: int = 0  # a version older than one seen before, where that is not promised


class Register:
    """What was promised to whom, and the events that led to it."""

    def __init__(self, machine: Machine, versions: list[int]) -> None:
        self.tally = Tally()
        self.broken: Violation | None = None  # the first, wherever it was raised
        self.digest = 0  # of all that was ever noted: the same for the same seed
        self.bounded = True  # Completed has to come in time
        self.keeps = False  # what was accepted is in every later log, under its number
        self.control_began = 0.0
        self.troubled_until = 0.0  # so long something stale may be served for upstream's sake
        self._machine = machine
        self._versions = versions
        self._floors = [0] * len(OBJECTS)
        self._soft_floors = [0] * len(OBJECTS)
        self._named = [0] * len(OBJECTS)
        self._pending = [0] * len(OBJECTS)  # of those, how many are not Completed
        self._open: dict[tuple[str, int], Accepted] = {}
        self._numbers: dict[tuple[str, int], str] = {}  # of all accepted: by log and number the id
        self._completed: dict[str, int] = {}  # of each log, the highest number
        self._log: dict[str, list[Accepted]] = {}  # of each epoch, in the order of numbers
        self._known: dict[int, Known] = {}  # by the run of an edge
        self._seen: dict[tuple[str, int, int, str], int] = {}
        self._softened_at = [-FILL_S_MAX] * len(OBJECTS)  # by the newest soft one
        self._flying: list[list[Get]] = [[] for _ in OBJECTS]  # of all edges: the next tier is one
        self._stored: dict[tuple[str, int, int, str], None] = {}
        self._history: deque[tuple[float, int, str]] = deque(maxlen=HISTORY)

    def note(self, text: str, thing: Object | None = None) -> None:
        """One line of history, about one object or (None) about all."""
        now = self._machine.now
        self.digest = crc32(f"{now:.9f} {text}".encode(), self.digest)
        self._history.append((now, -1 if thing is None else thing.number, text))

    # What control does.

    def accepted(
        self, record: InvalidationRecord, epoch: str, versions: list[int] | None = None
    ) -> None:
        """Control says that it has it, at this moment, or says so again.

        `versions` are those that whoever asked for it had in mind; None: those there are.
        """
        epoch = self._log_of(epoch)
        if (epoch, record.seq) in self._numbers:
            if self._numbers[epoch, record.seq] != record.id:
                self.fail(f"number {record.seq} of one log is given twice")
            return
        self._numbers[epoch, record.seq] = record.id
        items = tuple((str(kind), value) for kind, value in record.items)
        versions = versions or self._versions
        named = {x.number: versions[x.number] for x in OBJECTS if names(items, x)}
        one = Accepted(epoch, record.seq, record, items, record.soft, self._machine.now, named)
        self._open[epoch, record.seq] = one
        self.tally.accepted += 1
        self._enter(one)
        kind = "soft invalidation" if record.soft else "invalidation"
        self.note(f"{kind} {record.seq} accepted: {' '.join(value for _, value in items)}")
        if record.seq <= self._completed.get(epoch, 0):  # another control said so before
            self._complete(one)

    def _enter(self, one: Accepted) -> None:
        """What it changes for gets that begin from here on."""
        log = self._log.setdefault(one.epoch, [])
        place = bisect_right(log, one.seq, key=lambda other: other.seq)
        log.insert(place, one)
        for known in self._known.values():
            known.hear_late(one, place)
        for number in one.versions:
            self._named[number] += 1
            self._pending[number] += 1
            if one.soft:
                self._softened_at[number] = one.at
        for stored in [stored for stored in self._stored if stored[2] in one.versions]:
            del self._stored[stored]

    def completed(self, record: InvalidationRecord, epoch: str) -> None:
        """Control says so, at this moment: of this one, and thereby of all before."""
        epoch = self._log_of(epoch)
        self._completed[epoch] = max(record.seq, self._completed.get(epoch, 0))
        for key, one in list(self._open.items()):
            if key[0] == epoch and key[1] <= record.seq:
                self._complete(one)

    def _complete(self, one: Accepted) -> None:
        now = self._machine.now
        del self._open[one.epoch, one.seq]
        self.tally.completed += 1
        floors = self._soft_floors if one.soft else self._floors
        for number, version in one.versions.items():
            self._pending[number] -= 1
            floors[number] = max(floors[number], version)
        self.note(f"invalidation {one.seq} Completed after {now - one.at:.3f} s")
        if one.at > self.control_began:
            self.tally.slowest_s = max(self.tally.slowest_s, now - one.at)

    def _log_of(self, epoch: str) -> str:
        return "" if self.keeps else epoch

    def require_kept(self, kept: Mapping[int, str]) -> None:
        """All that was ever accepted is what the database has, its id by its number."""
        for (_, seq), name in self._numbers.items():
            if kept.get(seq) != name:
                self.fail(f"invalidation {seq} was accepted, and is lost")

    def due(self) -> list[InvalidationRecord]:
        """What should be Completed by now, and has not been said to be."""
        due_from = self._machine.now - COMPLETED_S_MAX
        if not self.bounded or self.control_began > due_from:
            return []
        return [one.record for one in self._open.values() if one.at < due_from]

    def control_lost(self, epoch: str) -> None:
        """The database is gone: what was not Completed is promised no more."""
        for key in [key for key in self._open if key[0] == epoch]:
            del self._open[key]
        self._numbers = {key: name for key, name in self._numbers.items() if key[0] != epoch}

    @property
    def waiting(self) -> bool:
        return bool(self._open)

    # What viewers do.

    def applied(self, run: int, epoch: str, number: int, told: set[str]) -> None:
        """This run of an edge says that it has applied all up to `number`; which it was `told`."""
        epoch = self._log_of(epoch)
        known = self._known.setdefault(run, Known(told))
        known.hear(self._log.get(epoch, []), epoch, number)

    def begins(self, thing: Object, edge: str, run: int, variant: str, *, calm: bool) -> Get:
        """The first byte of a get reaches an edge now."""
        self.tally.gets += 1
        number = thing.number
        known = self._known.get(run)
        get = Get(
            thing,
            edge,
            run,
            self._machine.now,
            self._floors[number],
            self._soft_floors[number],
            known.floors[number] if known is not None else 0,
            self._seen.get((edge, run, number, variant), 0),
            -1 if self._pending[number] else self._named[number],
            calm and (edge, run, number, variant) in self._stored,
            -1 if self._open else self.tally.accepted,
        )
        self._flying[number].append(get)
        return get

    def asks(self, get: Get, how: str, variant: str) -> None:
        """What kind it is: others under way may have a fetch of their own, which overtakes."""
        get.how, get.variant = how, variant
        for one in self._flying[get.thing.number]:
            if (one.how, one.variant) != (how, variant):
                one.beside = get.beside = True

    def leaves(self, get: Get) -> None:
        """No answer will come."""
        self._flying[get.thing.number].remove(get)

    def ends(self, get: Get, told: Told, variant: str, *, monotonic: bool) -> None:
        """The last byte of its answer has come. Violation."""
        thing, tally, now = get.thing, self.tally, self._machine.now
        tally.answered += 1
        tally.hits += told.cached == "Hit"
        tally.bound += bool(get.floor or get.soft_floor)
        how = f"{get.edge}.{get.run} {get.how} begun {get.began:.4f}: {told.status}"
        self.note(f"{how} version {told.version} {told.cached} {told.detail}".rstrip(), thing)
        if told.version < get.floor:
            self.fail(f"version {told.version} after Completed for {get.floor}", thing)
        if told.version < get.own_floor:
            self.fail(f"version {told.version} after this edge applied {get.own_floor}", thing)
        # Who validates, or joins a fill, is not told that the next tier gave what is stale.
        may_be = now < self.troubled_until or "stale-while-revalidate" in thing.cache
        stale = told.detail.startswith("stale") or (told.forwarded and may_be)
        if told.version < get.soft_floor and not stale:
            self.fail(f"version {told.version} after soft Completed {get.soft_floor}", thing)
        if told.version < get.seen:
            tally.backward += 1
            if monotonic:
                self.fail(f"version {told.version} after {get.seen} from the same edge", thing)
        if get.must_hit:
            tally.hits_due += 1
            if told.cached != "Hit":
                self.fail(f"{told.cached}: nothing had named what was stored", thing)
        place = (get.edge, get.run, thing.number, variant)
        if not get.beside:
            self._seen[place] = max(self._seen.get(place, 0), told.version)
        self.leaves(get)
        flying = (get, *self._flying[thing.number])
        # What began before an invalidation may still come, and be stored stale after a soft one;
        # a fill may go on for a while after the last of its viewers has what it asked for.
        settled = all(other.named == self._named[thing.number] for other in flying)
        settled = settled and now - self._softened_at[thing.number] > FILL_S_MAX
        # An edge forgets what all it has is younger than. What the next tier began before one of
        # anything is not stored then: nobody knows any more what that named.
        settled = settled and all(other.accepted == tally.accepted for other in flying)
        if told.whole and thing.lasts and settled:
            self._stored[place] = None

    def forget_stored(self) -> None:
        """What was stored may be gone, or may no longer be served without asking."""
        self._stored.clear()

    def fail(self, why: str, thing: Object | None = None) -> NoReturn:
        """A promise is broken, about `thing` if it is about one object. Violation."""
        number = None if thing is None else thing.number
        told = [(at, text) for at, about, text in self._history if about in (-1, number)]
        lines = [f"{at:10.4f}  {text}" for at, text in told[-TOLD:]]
        what = "" if thing is None else f"{thing.target}: "
        broken = Violation(f"{what}{why}, at {self._machine.now:.4f}\n" + "\n".join(lines))
        self.broken = self.broken or broken
        raise broken
