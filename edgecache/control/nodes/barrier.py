"""Barrier: whether every node that may serve has applied a number. Law: no yes that is not true.

A node asks for the log with the number it has applied: that is its acknowledgement. The answer
that brings it up to date is a *lease* of LEASE_S, which the node counts from before it asked, and
we from when we answered. A node stands in the way of number s while it may serve under a lease
given before s and has not acknowledged s: it has acknowledged, or its lease has run out
("Leases: an efficient fault-tolerant mechanism for distributed file cache consistency",
SOSP 1989). Nodes that go on serving without a lease (`on_partition = "serve"`) stand in the way
until they acknowledge or are removed.

A lease is granted without a word to the disk. Where the database may be replaced by another one
(PostgreSQL's primary by its standby), none is granted later than `trusted_s` after the last commit:
to read is no proof that it is the one that others write to, to commit is. Whoever had one when
control ended is waited for by time: each control begins by waiting out the longest lease. Only who
goes on serving without one is written down, before its first.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from edgecache.cluster.lease import LEASE_S, Instance
from edgecache.control.state.database import StateDatabase
from edgecache.control.state.migrations import BEFORE

DRIFT_S = 0.1  # two clocks of one machine that differ by 3 %, far beyond what NTP slews


@dataclass(slots=True)
class _Known:
    began_with: int  # the number it was first brought up to; -1: not known
    acknowledged: int = 0
    leases: list[tuple[int, float]] = field(default_factory=list)  # (number, end), in order
    low: int = 0  # nothing it has stored or under way is older; see Log.trim

    def blocks(self, seq: int, now: float, *, serves: bool) -> bool:
        if self.acknowledged >= seq:
            return False
        if serves:
            return self.began_with < seq
        return any(number < seq and now < end for number, end in self.leases)

    def expired(self, now: float) -> bool:
        return all(now >= end for _, end in self.leases)


class Barrier:
    """The leases of all nodes. `clock` is monotonic. Changed on the loop; what it knows may be
    asked from the state's thread, too, where `record` and `forget` belong."""

    def __init__(self, state: StateDatabase, clock: Callable[[], float]) -> None:
        self._state = state
        self._database = state
        self._clock = clock
        self._lock = threading.Lock()  # held for as long as a look at every lease takes
        self._known: dict[Instance, _Known] = {}
        self._gone: list[Instance] = []  # recorded, and to be forgotten
        self._changed = asyncio.Event()  # replaced at each change
        # Who had a lease when a control before ended may still have it, and is not known by name.
        longest = [(-1, clock() + state.trusted_s + LEASE_S + DRIFT_S)]
        self._known[Instance(BEFORE, "")] = _Known(-1, leases=longest)
        with state.writing():  # a former version goes by these rows
            self._database.execute("DELETE FROM leases WHERE serves = 0")
            self._database.execute(
                "INSERT INTO leases (name, instance, serves) VALUES (?, '', 0)", (BEFORE,)
            )
        for name, instance in self._database.execute(
            "SELECT name, instance FROM leases WHERE serves = 1"
        ):
            self._known[Instance(name, instance, serves=True)] = _Known(-1, leases=[*longest])

    def acknowledge(self, node: Instance, applied: int, low: int) -> None:
        """A node has applied all up to number `applied`, since it asks for what follows."""
        known = self._known.get(node)
        if known is None:
            return
        if applied > known.acknowledged or low > known.low:
            known.acknowledged, known.low = applied, low
            self._wake()

    def is_recorded(self, node: Instance) -> bool:
        """Whether a restart of control would find this node, or need not."""
        return not node.serves or node in self._known

    def record(self, node: Instance) -> None:
        """Write down one that goes on serving without a lease. To be followed by `admit`."""
        with self._lock:
            self._gone = [one for one in self._gone if one != node]
        row = (node.name, node.instance, int(node.serves))
        self._database.execute(
            "INSERT INTO leases (name, instance, serves) VALUES (?, ?, ?)"
            " ON CONFLICT (name, instance) DO UPDATE SET serves = excluded.serves",
            row,
        )

    def admit(self, node: Instance, seq: int) -> None:
        """Admit a node that was recorded. It serves nothing before number `seq`."""
        held = _Known(seq, leases=[(seq, self._clock() + LEASE_S + DRIFT_S)])
        with self._lock:
            self._known.setdefault(node, held)

    @property
    def may_grant(self) -> bool:
        """Whether the database is known to be the one that everybody writes to."""
        return self._clock() - self._state.committed_at <= self._state.trusted_s

    def grant(self, node: Instance, seq: int) -> None:
        """The answer that leaves now brings the node up to number `seq`, the newest there is."""
        assert self.is_recorded(node)
        with self._lock:
            self._forget_expired(node)
            known = self._known.setdefault(node, _Known(seq))
            now = self._clock()
            end = now + LEASE_S + DRIFT_S
            lasting = [lease for lease in known.leases if now < lease[1] and lease[0] != seq]
            known.leases = [*lasting, (seq, end)]

    def remove_instance(self, node: Instance) -> None:
        """A node has ended, or was removed by an operator. To be followed by `forget`."""
        with self._lock:
            if self._known.pop(node, None) is None:
                return
            self._drop((node,))
        self._wake()

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
        rows = [(node.name, node.instance) for node in gone]
        with self._state.writing():
            self._database.execute_many("DELETE FROM leases WHERE name = ? AND instance = ?", rows)
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

    def low(self) -> int:
        """Nothing any node with a lease holds is older than this number; 0 without nodes."""
        now = self._clock()
        lows = [
            held.low for node, held in self._known.items() if node.serves or not held.expired(now)
        ]
        return min(lows, default=0)

    async def wait(self, seq: int, timeout_s: float) -> bool:
        """Wait at most so long until `applied_everywhere(seq)`; whether it is so."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(timeout_s):
                while not self.applied_everywhere(seq):
                    await self._next_change()
        return self.applied_everywhere(seq)

    async def _next_change(self) -> None:
        """Wait for an acknowledgement, or the end of a lease."""
        now = self._clock()
        ends = [end for held in self._known.values() for _, end in held.leases if end > now]
        pause_s = min(ends) - now if ends else LEASE_S
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(pause_s):
                await self._changed.wait()

    def _forget_expired(self, heir: Instance) -> None:
        """Drop nodes whose last lease ended; of those that go on serving, the one `heir` replaced.

        A supervisor starts a process under the name of one that has ended, on the same machine; on
        another one the same name is another node's.
        """
        now = self._clock()
        silent = [
            node
            for node, held in self._known.items()
            if held.expired(now) and node != heir and (not node.serves or _replaces(heir, node))
        ]
        for node in silent:
            del self._known[node]
        self._drop(silent)

    def _drop(self, nodes: Iterable[Instance]) -> None:
        self._gone += [node for node in nodes if node.serves]

    def _wake(self) -> None:
        self._changed.set()
        self._changed = asyncio.Event()


def _replaces(heir: Instance, node: Instance) -> bool:
    return (heir.name, heir.machine) == (node.name, node.machine)
