"""Group of controls on one database: whether every node of every control has applied a number.

Law: no yes that is not true, whichever control says it, and whichever of them has stopped.

Each control is itself a node of the database. Its own lease lasts LEASE_S from before its last
*beat* ended: a commit, after every other one in order (to read is no proof that a database is the
one that others write to). What was accepted before it has a number up to the one it saw; so it
brings nodes up to that one at least, and no lease it grants ends later than its own (a *nested*
lease). With each beat it writes in its row of `controls` up to which number its nodes have
*acknowledged*.

A control stands in the way of number s while it has not acknowledged s and may have granted leases
before s. Those end within LEASE_S (and DRIFT_S) of when s is known to be committed, since all later
beats have seen s; and within as much of when its last beat was first seen here, where it was looked
for after s. Nodes that go on serving without a lease are rows of `leases`, each looked after by one
control (`control`): until that one acknowledges, however long it takes. When its own lease has run
out, whoever notices first takes them over, and acknowledges less from then on.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial

from edgecache.cluster.lease import LEASE_S, Instance
from edgecache.control.nodes.barrier import DRIFT_S, Barrier
from edgecache.control.state.database import StateDatabase
from edgecache.control.state.log import ControlLog

ENDS_S = LEASE_S + DRIFT_S  # by an observer's clock
NEVER = float("-inf")


@dataclass(frozen=True, slots=True)
class ControlIdentity:
    """One run of one control: its machine's name, the run, and HOST:PORT where others ask it."""

    name: str
    instance: str
    address: str = ""


@dataclass(frozen=True, slots=True)
class OtherControl:
    """Another control as its row was read last; `seen_at`: when this beat was first seen here."""

    identity: ControlIdentity
    beat: int
    seen_at: float
    acknowledged: int
    low: int

    def is_over(self, now: float) -> bool:
        """Whether its own lease, and so each it has granted, has run out."""
        return now >= self.seen_at + ENDS_S


@dataclass(frozen=True, slots=True)
class _Look:
    """What was read of the others: all of it as of number `seq`, or later."""

    seq: int = -1
    others: tuple[OtherControl, ...] = ()
    serving: Mapping[Instance, str] = field(default_factory=dict)  # no lease; who looks after it

    def others_of(self, control: str) -> bool:
        """Whether a control looks after a node that goes on serving without a lease."""
        return control in self.serving.values()


class ControlGroup:
    """All controls of an installation, as the one `me` knows them.

    `beat` and `look` belong on the state's thread; what they find may be asked from any.
    """

    def __init__(
        self, me: ControlIdentity, state: StateDatabase, barrier: Barrier, log: ControlLog
    ) -> None:
        self.me = me
        self._state = state
        self._barrier = barrier
        self._log = log
        self._lock = threading.Lock()
        self._beats: list[tuple[int, float]] = []  # own: the number it saw, and when it was
        self._count = 0
        self._told = -1  # what was acknowledged with the last of them
        self._learned: list[tuple[int, float]] = []  # numbers, and when they were first known
        self._past = -1  # all up to it were known ENDS_S ago
        self._look = _Look()
        barrier.lease_end = self.lease_end
        log.live.on_growth = self.grown

    # On the state's thread.

    def beat(self) -> None:
        """Inside `writing`: say that this control is there, and what its nodes acknowledge.

        Takes the place of those whose own lease has run out.
        """
        at = self._clock()
        self.look()
        self._replace_the_dead()
        self._count += 1
        row = (self._count, self._acknowledged(), self._barrier.low(without=self._newest()))
        changed = self._state.execute(
            "UPDATE controls SET beat = ?, acknowledged = ?, low = ?"
            " WHERE name = ? AND instance = ?",
            (*row, self.me.name, self.me.instance),
        ).rowcount
        if not changed:
            self._state.execute(
                "INSERT INTO controls (name, instance, address, beat, acknowledged, low)"
                " VALUES (?, ?, ?, ?, ?, ?)",
                (self.me.name, self.me.instance, self.me.address, *row),
            )
        self._state.on_commit(partial(self._beaten, self._look.seq, at, row[1]))

    def look(self) -> None:
        """Read what the others say."""
        # In this order: a node that has gone over to another control is found at the former one, or
        # with what the other acknowledges since.
        seq = self._state.last_seq
        serving = {
            Instance(name, instance, serves=True): control
            for name, instance, control in self._state.execute(
                "SELECT name, instance, control FROM leases WHERE serves = 1"
            )
        }
        rows = self._state.execute(
            "SELECT name, instance, address, beat, acknowledged, low FROM controls"
        ).fetchall()
        now = self._clock()
        before = {one.identity.instance: one for one in self._look.others}
        others = []
        for name, instance, address, beat, acknowledged, low in rows:
            if instance == self.me.instance:
                continue
            known = before.get(instance)
            seen_at = known.seen_at if known is not None and known.beat == beat else now
            identity = ControlIdentity(name, instance, address)
            others.append(OtherControl(identity, beat, seen_at, acknowledged, low))
        with self._lock:
            self._look = _Look(seq, tuple(others), serving)
        self._give_up_those_of_others(serving)
        self.learned(seq)
        self._log.hand(self._barrier.wake)

    def refresh(self) -> None:
        """Look again, where there are entries since the last look."""
        if self.is_to_look and not self._state.in_transaction:
            self.look()

    def record(self, node: Instance, applied: int) -> int:
        """Write down a node that goes on serving without a lease: see `Barrier.record`."""
        return self._barrier.record(node, applied, self._acknowledge_less)

    def remove(self, name: str, instance: str = "") -> int:
        """Have no control wait any more for nodes that an operator has removed; how many."""
        clause, values = "WHERE serves = 1 AND name = ?", [name]
        if instance:
            clause, values = f"{clause} AND instance = ?", [name, instance]
        with self._state.writing():
            return self._state.execute(f"DELETE FROM leases {clause}", values).rowcount

    def _replace_the_dead(self) -> None:
        now = self._clock()
        dead = [one for one in self._look.others if one.is_over(now)]
        for one in dead:
            self._state.execute(
                "DELETE FROM controls WHERE name = ? AND instance = ?",
                (one.identity.name, one.identity.instance),
            )
        alive = [one for one in self._look.others if one not in dead]
        nobodys = {*self._orphans(alive)}
        if nobodys:
            self._barrier.take_over(nobodys)
            for node in nobodys:
                self._state.execute(
                    "UPDATE leases SET control = ? WHERE name = ? AND instance = ?",
                    (self.me.instance, node.name, node.instance),
                )
        mine = dict.fromkeys(nobodys, self.me.instance)
        with self._lock:
            look = self._look
            self._look = _Look(look.seq, tuple(alive), {**look.serving, **mine})

    def _orphans(self, alive: Iterable[OtherControl]) -> Iterator[Instance]:
        """The nodes without a lease that no control looks after."""
        known = {self.me.instance, *(one.identity.instance for one in alive)}
        return (node for node, control in self._look.serving.items() if control not in known)

    def _give_up_those_of_others(self, serving: Mapping[Instance, str]) -> None:
        mine = {*self._barrier.looked_after()}
        self._barrier.give_up(node for node in mine if serving.get(node) != self.me.instance)
        processes = {(node.name, node.machine) for node in mine}
        for heir in serving:
            if heir not in mine and (heir.name, heir.machine) in processes:
                self._barrier.forget_expired(heir)

    def _acknowledge_less(self) -> None:
        """Inside `writing`: a node has come that has not applied all that was acknowledged."""
        self._state.execute(
            "UPDATE controls SET acknowledged = ? WHERE name = ? AND instance = ?",
            (self._acknowledged(), self.me.name, self.me.instance),
        )
        self._told = -1

    def _beaten(self, seq: int, at: float, acknowledged: int) -> None:
        now = self._clock()
        with self._lock:
            lasting = [(n, then) for n, then in self._beats if n != seq and then + LEASE_S > now]
            self._beats = [*lasting, (seq, at)]
            self._told = acknowledged
        self._log.hand(self._barrier.wake)

    # From any thread.

    def learned(self, seq: int) -> None:
        """The entry with number `seq`, and all before it, are committed."""
        now = self._clock()
        with self._lock:
            over = bisect_left(self._learned, now - ENDS_S, key=lambda one: one[1])
            if over:
                self._past = self._learned[over - 1][0]
                del self._learned[:over]
            if seq > max(self._past, self._learned[-1][0] if self._learned else -1):
                self._learned.append((seq, now))

    @property
    def others(self) -> list[OtherControl]:
        """Those whose own lease may last."""
        now = self._clock()
        return [one for one in self._look.others if not one.is_over(now)]

    def lease_end(self, seq: int) -> float:
        """When a lease ends, at most, that is granted with number `seq`; long ago: none is."""
        with self._lock:
            return max((at for n, at in self._beats if n <= seq), default=NEVER) + LEASE_S

    def has_beaten_since(self, moment: float) -> bool:
        """Whether a beat began after `moment`."""
        with self._lock:
            return any(at >= moment for _, at in self._beats)

    def low(self) -> int:
        """Nothing any node with a lease holds is older than this number; see `Barrier.low`."""
        own = self._barrier.low(without=self._newest())
        return min([own, *(one.low for one in self.others)])

    def waiting_for(self, seq: int) -> list[str]:
        """The nodes, and the controls, because of which number `seq` is not applied everywhere."""
        own = self._barrier.waiting_for(seq)
        return sorted({*own, *self._standing_in_the_way(seq)})

    def applied_everywhere(self, seq: int) -> bool:
        """Whether every node that may serve has applied all up to number `seq`."""
        if seq > self._newest() or not self._barrier.applied_everywhere(seq):
            return False
        return next(self._standing_in_the_way(seq), None) is None

    def _standing_in_the_way(self, seq: int) -> Iterator[str]:
        now, look = self._clock(), self._look
        if look.seq < seq:
            yield "controls that were not looked for yet"
            return
        alive = [one for one in look.others if not one.is_over(now)]
        yield from (node.name for node in self._orphans(alive))
        leased_are_over = now >= self._known_since(seq) + ENDS_S
        for one in alive:
            if one.acknowledged >= seq:
                continue
            if look.others_of(one.identity.instance) or not leased_are_over:
                yield f"control {one.identity.name}"

    def _known_since(self, seq: int) -> float:
        """When `seq` was known to be committed, at the latest."""
        with self._lock:
            if seq <= self._past:
                return NEVER
            index = bisect_left(self._learned, seq, key=lambda one: one[0])
            return self._learned[index][1] if index < len(self._learned) else self._clock()

    @property
    def now(self) -> float:
        """The time that leases end by."""
        return self._barrier.now

    def _clock(self) -> float:
        return self._barrier.now

    def _newest(self) -> int:
        """The newest number that nodes are told here."""
        return self._log.live.last_seq

    def _acknowledged(self) -> int:
        return min(self._newest(), self._barrier.clear_upto())

    # On the loop.

    def grown(self, seq: int) -> None:
        """Nodes are told of number `seq` from now on."""
        self.learned(seq)
        self._barrier.wake()

    async def next_change(self, pause_s_max: float) -> None:
        """Wait, at most so long, until there may be something to tell others, or to look for."""
        await self._barrier.next_change(pause_s_max)

    @property
    def is_to_beat(self) -> bool:
        """Whether nodes here have acknowledged what other controls have not been told."""
        told = self._told
        return bool(self._look.others) and told < self._newest() and self._barrier.clears(told + 1)

    @property
    def is_to_look(self) -> bool:
        """Whether there are entries since the others were looked for."""
        return self._look.seq < self._newest()

    async def wait_for_beat(self, moment: float, timeout_s: float) -> None:
        """Wait at most so long until a beat has begun after `moment`."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(timeout_s):
                while not self.has_beaten_since(moment):
                    await self._barrier.next_change()

    async def wait(self, seq: int, timeout_s: float) -> bool:
        """Wait at most so long until `applied_everywhere(seq)`; whether it is so."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(timeout_s):
                while not self.applied_everywhere(seq):
                    await self._barrier.next_change(self._until_over_s(seq))
        return self.applied_everywhere(seq)

    def _until_over_s(self, seq: int) -> float:
        """Seconds until a lease of another control's is over, by when it is known to be."""
        now = self._clock()
        ends = [self._known_since(seq), *(one.seen_at for one in self._look.others)]
        return min([LEASE_S, *(end + ENDS_S - now for end in ends if end + ENDS_S > now)])
