"""Barrier: whether every node that may serve has applied a number. Law: no yes that is not true.

A node asks for the log with the number it has applied: that is its acknowledgement. The answer
that brings it up to date is a *lease* of LEASE_S, which the node counts from before it asked, and
we from when we answered. A node stands in the way of number s while it may serve under a lease
given before s and has not acknowledged s: it has acknowledged, or its lease has run out
("Leases: an efficient fault-tolerant mechanism for distributed file cache consistency",
SOSP 1989). Nodes that go on serving without a lease (`on_partition = "serve"`) stand in the way
until they acknowledge or are removed.

A lease is granted without a word to the disk. Where other controls write to the same database, or
one that replaces it (PostgreSQL's standby), it is *nested*: none ends later than this control's own
lease, see `control_group`. Whoever had one when control ended is waited for by time: each control
begins by waiting out the longest lease. Only who goes on serving without one is written down,
before its first.
"""

from __future__ import annotations

import asyncio
import contextlib
import math
import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from edgecache.cluster.lease import LEASE_S, Instance
from edgecache.control.state.database import StateDatabase
from edgecache.control.state.migrations import BEFORE

SWEEP_S = 1.0  # between two looks for nodes that are silent
DRIFT_S = 0.1  # two clocks of one machine that differ by 3 %, far beyond what NTP slews
ALL = 2**63 - 1  # beyond every number


@dataclass(slots=True)
class _Known:
    began_with: int  # the number it was first brought up to; -1: not known
    acknowledged: int = 0
    leases: list[tuple[int, float]] = field(default_factory=list)  # (number, end), in order
    low: int = 0  # nothing it has stored or under way is older; see Log.trim
    least: int = 0  # what it is brought up to before it may go on serving without a lease
    poll: int = 0  # the number of the newest of its polls that gave it a lease
    told: float = -math.inf  # the end of the newest lease as the node counts it
    received: float = -math.inf  # the same of the newest that it has had since the clock was moved
    recorded: bool = True  # whether what must be written down of it is

    def blocks(self, seq: int, now: float, *, serves: bool) -> bool:
        if self.acknowledged >= seq:
            return False
        if serves:
            return self.began_with < seq
        return any(number < seq and now < end for number, end in self.leases)

    def clear_upto(self, now: float, *, serves: bool) -> int:
        """The newest number that it does not stand in the way of."""
        if serves:
            return max(self.acknowledged, self.began_with)
        lasting = (number for number, end in self.leases if now < end)
        return max(self.acknowledged, min(lasting, default=ALL))

    def expired(self, now: float) -> bool:
        return all(now >= end for _, end in self.leases)


def _for_good(_seq: int) -> float:
    return math.inf


class Barrier:
    """The leases of all nodes. `clock` is monotonic. Changed on the loop; what it knows may be
    asked from the state's thread, too, where `record` and `forget` belong."""

    def __init__(self, state: StateDatabase, clock: Callable[[], float], control: str = "") -> None:
        """`control`: which of several this is, as rows of nodes name it; "": the only one."""
        self._state = state
        self._database = state
        self._clock = clock
        self._control = control
        self.lease_end: Callable[[int], float] = _for_good  # of a lease with this number, at most
        self._lock = threading.Lock()  # held for as long as a look at every lease takes
        self._known: dict[Instance, _Known] = {}
        self._gone: list[Instance] = []  # recorded, and to be forgotten
        self._changed = asyncio.Event()  # replaced at each change
        self._sweep_at = -math.inf  # when those that are silent are looked for again
        # Who had a lease when a control before ended may still have it, and is not known by name.
        longest = [(-1, clock() + self._longest_before_s() + DRIFT_S)]
        self._known[Instance(BEFORE, "")] = _Known(-1, leases=longest)
        with state.writing():  # a former version goes by these rows
            self._database.execute("DELETE FROM leases WHERE serves = 0")
            self._database.execute(
                "INSERT INTO leases (name, instance, serves) VALUES (?, '', 0)", (BEFORE,)
            )
            if not control:  # else those that are nobody's: see `control_group`
                self._database.execute("UPDATE leases SET control = '' WHERE control != ''")
        if not control:
            rows = self._database.execute("SELECT name, instance FROM leases WHERE serves = 1")
            self.take_over(Instance(name, instance, serves=True) for name, instance in rows)

    def _longest_before_s(self) -> float:
        """How long a lease of a control before this one may last, counted from now."""
        (nested,) = self._database.execute("SELECT count(*) FROM controls").fetchone()
        return LEASE_S if nested else LEASE_S + self._state.trusted_s  # a former release's

    def acknowledge(self, node: Instance, applied: int, low: int) -> None:
        """A node has applied all up to number `applied`, since it asks for what follows."""
        known = self._known.get(node)
        if known is None:
            return
        known.received = known.told  # who asks has had the answer before
        if applied > known.acknowledged or low > known.low:
            known.acknowledged, known.low = applied, low
            self.wake()

    def take_over(self, nodes: Iterable[Instance]) -> None:
        """Wait from now on for nodes that go on serving without a lease.

        Nobody here knows what they were brought up to.
        """
        ends = self._clock() + LEASE_S + DRIFT_S
        with self._lock:
            for node in nodes:
                self._known.setdefault(node, _Known(-1, leases=[(-1, ends)]))

    def looked_after(self) -> list[Instance]:
        """Those recorded here, which go on serving without a lease."""
        return [node for node, held in self._known.items() if node.serves and held.recorded]

    def give_up(self, nodes: Iterable[Instance]) -> None:
        """Wait no more for nodes that another control has recorded since, or that were removed."""
        with self._lock:
            for node in nodes:
                self._known.pop(node, None)

    def is_recorded(self, node: Instance) -> bool:
        """Whether a restart of control would find this node, or need not."""
        if not node.serves:
            return True
        held = self._known.get(node)
        return held is not None and held.recorded

    def record(
        self, node: Instance, applied: int = 0, beside: Callable[[], None] | None = None
    ) -> int:
        """Write down one that goes on serving without a lease, before its first here.

        `applied`: the number that another control brought it up to, 0 for one that serves nothing
        yet. It is waited for from before it is written, as who had it may forget it then. Gives the
        newest number there was, for `admit`; `beside` writes what is to be kept with it.
        """
        with self._lock:
            self._gone = [one for one in self._gone if one != node]
            self._known.setdefault(node, _Known(applied or ALL, applied, recorded=False))
        try:
            with self._state.writing():
                if beside is not None:
                    beside()
                self._database.execute(
                    "INSERT INTO leases (name, instance, serves, control) VALUES (?, ?, ?, ?)"
                    " ON CONFLICT (name, instance) DO UPDATE"
                    " SET serves = excluded.serves, control = excluded.control",
                    (node.name, node.instance, int(node.serves), self._control),
                )
                return self._database.last_seq
        except BaseException:
            with self._lock:
                held = self._known.get(node)
                if held is not None and not held.recorded:
                    del self._known[node]
            raise

    def admit(self, node: Instance, seq: int) -> None:
        """Admit a node that was recorded. It is to serve nothing before number `seq`."""
        with self._lock:
            held = self._known.setdefault(node, _Known(seq))
            held.began_with = min(held.began_with, seq)
            held.least, held.recorded = seq, True
            held.leases = [(seq, self._clock() + LEASE_S + DRIFT_S)]

    def grant(
        self, node: Instance, seq: int, asked_at: float | None = None, poll: int = 0
    ) -> float:
        """The answer that leaves now brings the node up to number `seq`, the newest there is.

        Gives for how many seconds after it asked, which was heard at `asked_at`, it may serve; 0:
        not at all. `poll` is the number of what it asked, see `remove_instance`.
        """
        assert self.is_recorded(node)
        now = self._clock()
        nested = self.lease_end(seq)
        end = min(now + LEASE_S, nested)
        if end <= now:
            return 0.0
        if node.serves or node not in self._known:
            self.forget_expired(node)
        elif now >= self._sweep_at:  # each second, not at each grant: that costs n² of n nodes
            self._sweep_at = now + SWEEP_S
            self._forget_silent(now)
        with self._lock:
            known = self._known.setdefault(node, _Known(seq))
            if seq < known.least:
                return 0.0
            lasting = [lease for lease in known.leases if now < lease[1] and lease[0] != seq]
            known.leases = [*lasting, (seq, end + DRIFT_S)]
            known.poll = max(known.poll, poll)
            asked_at = now if asked_at is None else asked_at
            known.told = asked_at + LEASE_S
        # No longer than DRIFT_S is for, however long the answer waited.
        return LEASE_S if nested == math.inf else min(LEASE_S, end - asked_at)

    def remove_instance(self, node: Instance, poll: int = ALL) -> bool:
        """A node has ended, or was removed by an operator. To be followed by `forget`.

        `poll`: of its polls the newest when it said so. What was on its way for so long that a
        newer one has brought a lease since removes nothing: False.
        """
        with self._lock:
            known = self._known.get(node)
            if known is None:
                return True
            if known.poll > poll:
                return False
            del self._known[node]
            self._drop((node,))
        self.wake()
        return True

    def remove(self, name: str, instance: str = "") -> int:
        """Wait for node `name` no more, on no machine or for one instance; how many there were."""
        gone = [
            node for node in self._known if node.name == name and instance in ("", node.instance)
        ]
        for node in gone:
            self.remove_instance(node)
        return len(gone)

    @property
    def forgets(self) -> bool:
        """Whether there is something for `forget` to do."""
        return bool(self._gone)

    def forget(self) -> None:
        """Let a restart of control not find those that are gone."""
        gone = [*self._gone]
        rows = [(node.name, node.instance, self._control) for node in gone]
        with self._state.writing():
            self._database.execute_many(
                "DELETE FROM leases WHERE name = ? AND instance = ? AND control = ?", rows
            )
        with self._lock:
            self._gone = [node for node in self._gone if node not in gone]

    def waiting_for(self, seq: int) -> list[str]:
        """The nodes that may still serve what an entry with number `seq` forbids."""
        now = self._clock()
        with self._lock:
            known = self._known.items()
            return sorted({x.name for x, held in known if held.blocks(seq, now, serves=x.serves)})

    def applied_everywhere(self, seq: int) -> bool:
        """Whether every node that may serve has applied all up to number `seq`."""
        now = self._clock()
        with self._lock:
            known = self._known.items()
            return not any(held.blocks(seq, now, serves=node.serves) for node, held in known)

    def clear_upto(self) -> int:
        """The newest number that no node known here stands in the way of; ALL without any."""
        now = self._clock()
        with self._lock:
            nodes = [(x, held) for x, held in self._known.items() if x.name != BEFORE]
            return min((held.clear_upto(now, serves=x.serves) for x, held in nodes), default=ALL)

    def clears(self, seq: int) -> bool:
        """Whether no node known here stands in the way of number `seq`."""
        now = self._clock()
        with self._lock:
            known = self._known.items()
            return not any(
                x.name != BEFORE and held.blocks(seq, now, serves=x.serves) for x, held in known
            )

    def lease_s(self, name: str, instance: str) -> float:
        """How long a node may serve yet without word from control, in seconds; 0: it has run out.

        On a node that goes on serving without a lease it says how long ago it was heard of.
        """
        now = self._clock()
        known = self._known.get(Instance(name, instance)) or self._known.get(
            Instance(name, instance, serves=True)
        )
        ends = [] if known is None else [end for _, end in known.leases]
        return round(max(max(ends, default=now) - now, 0.0), 3)

    @property
    def now(self) -> float:
        """The time that leases end by."""
        return self._clock()

    def leased(self, left_s: float = 0.0) -> frozenset[Instance]:
        """The nodes that have a lease for `left_s` yet as far as is known, or go on without one."""
        least = self._clock() + left_s
        with self._lock:
            known = self._known.items()
            return frozenset(x for x, held in known if x.serves or least < held.received)

    def clock_moved(self) -> None:
        """The clock was moved (dev mode). Set back, no lease lasts longer than one granted now: it
        may be only while no node has one.
        """
        longest = self._clock() + LEASE_S + DRIFT_S
        with self._lock:
            for held in self._known.values():
                held.leases = [(seq, min(end, longest)) for seq, end in held.leases]
                held.told = held.received = -math.inf
            self._sweep_at = -math.inf
        self.wake()

    def low(self, without: int = 0) -> int:
        """Nothing any node with a lease holds is older than this number; `without` nodes that."""
        now = self._clock()
        lows = [
            held.low for node, held in self._known.items() if node.serves or not held.expired(now)
        ]
        return min(lows, default=without)

    async def wait(self, seq: int, timeout_s: float) -> bool:
        """Wait at most so long until `applied_everywhere(seq)`; whether it is so."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(timeout_s):
                while not self.applied_everywhere(seq):
                    await self.next_change()
        return self.applied_everywhere(seq)

    async def next_change(self, pause_s_max: float = LEASE_S) -> None:
        """Wait for an acknowledgement, or the end of a lease; at most so long."""
        now = self._clock()
        ends = [end for held in self._known.values() for _, end in held.leases if end > now]
        pause_s = min([pause_s_max, *(end - now for end in ends)])
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(pause_s):
                await self._changed.wait()

    def forget_expired(self, heir: Instance) -> None:
        """Drop nodes whose last lease ended; of those that go on serving, the one `heir` replaced.

        A supervisor starts a process under the name of one that has ended, on the same machine; on
        another one the same name is another node's.
        """
        now = self._clock()
        with self._lock:
            silent = [
                node
                for node, held in self._known.items()
                if held.expired(now) and node != heir and (not node.serves or _replaces(heir, node))
            ]
            for node in silent:
                del self._known[node]
            self._drop(silent)

    def _forget_silent(self, now: float) -> None:
        """As `forget_expired`, for each node that has a lease."""
        with self._lock:
            known = self._known.items()
            living = {(node.name, node.machine) for node, held in known if not held.expired(now)}
            silent = [
                node
                for node, held in known
                if held.expired(now) and (not node.serves or (node.name, node.machine) in living)
            ]
            for node in silent:
                del self._known[node]
            self._drop(silent)

    def _drop(self, nodes: Iterable[Instance]) -> None:
        self._gone += [node for node in nodes if node.serves]

    def wake(self) -> None:
        """Have those that wait look again: something else has changed."""
        self._changed.set()
        self._changed = asyncio.Event()


def _replaces(heir: Instance, node: Instance) -> bool:
    return (heir.name, heir.machine) == (node.name, node.machine)
