"""Faults of a fleet: what stops, dies or is cut off, for how long, and back to well again."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass

from tests.end_to_end.processes import wait_for
from tests.fleet.roles import Fleet
from tests.fleet.topology import Host
from tests.fleet.writers import Row

LASTS_S = (4.0, 7.0)  # beyond a lease, and what waits for one
ACCEPTED_S_MAX = 30.0
BETWEEN_S_MAX = 3.0
SETTLED_ROWS = 3  # invalidations that are Completed before the next fault
_clock = threading.Event()


@dataclass(frozen=True, slots=True)
class Fault:
    """A fault by name; `make` is undone when its block ends."""

    name: str
    make: Callable[[], AbstractContextManager[None]]
    promotes: bool = False
    of_database: bool = False  # nothing is committed while it lasts


def faults(fleet: Fleet) -> list[Fault]:
    """Every fault of every host, and cuts between any two."""
    found = []
    topology = fleet.topology
    for host in topology.hosts:
        if host.role not in ("origin", "database"):
            found += _of_host(fleet, host, host.name)
    found += _of_databases(fleet)
    hosts = [host for host in topology.hosts if host.role != "origin"]
    for number, one in enumerate(hosts):
        for other in hosts[:number]:
            if _talk(one, other):
                name = f"cut between {other.name} and {one.name}"
                databases = one.role == other.role == "database"
                cut = _bound(fleet.cut_between, [(one, other)])
                found.append(Fault(name, cut, of_database=databases))
    return found


def _of_host(fleet: Fleet, host: Host, name: str) -> list[Fault]:
    return [
        Fault(f"{name} stopped", _bound(fleet.stopped, host)),
        Fault(f"{name} killed", _bound(fleet.killed, host)),
        Fault(f"{name} cut off", _bound(fleet.cut_off, host)),
    ]


def _of_databases(fleet: Fleet) -> list[Fault]:
    def standby() -> Host:
        return fleet.databases.standby.host

    return [
        Fault("standby stopped", lambda: fleet.stopped(standby()), of_database=True),
        Fault("standby killed", lambda: fleet.killed(standby()), of_database=True),
        Fault("standby cut off", lambda: fleet.cut_off(standby()), of_database=True),
        Fault(
            "primary stopped", lambda: fleet.stopped(fleet.databases.primary.host), of_database=True
        ),
        Fault(
            "primary killed, standby promoted",
            lambda: primary_killed(fleet),
            promotes=True,
            of_database=True,
        ),
        Fault(
            "primary cut off, standby promoted",
            lambda: primary_deposed(fleet),
            promotes=True,
            of_database=True,
        ),
    ]


@contextmanager
def primary_killed(fleet: Fleet) -> Iterator[None]:
    """The primary dies, and the standby takes writes; the dead one comes back as its standby."""
    with fleet.killed(fleet.databases.primary.host):
        fleet.databases.fail_over()
        yield


@contextmanager
def primary_deposed(fleet: Fleet) -> Iterator[None]:
    """The primary is cut off, the standby takes writes; the deposed one comes back as it was.

    An operator, or Patroni, makes it the other's standby some seconds later.
    """
    deposed = fleet.databases.primary.host
    with fleet.cut_off(deposed):
        fleet.databases.fail_over()
        yield
    _clock.wait(BETWEEN_S_MAX)
    fleet.databases.make_standby()


def _talk(one: Host, other: Host) -> bool:
    """Whether these have something to say to each other."""
    talks = {
        frozenset({"control"}), frozenset({"control", "database"}), frozenset({"database"}),
        frozenset({"control", "regional"}), frozenset({"control", "edge"}),
        frozenset({"regional", "edge"}),
    }  # fmt: skip
    return frozenset({one.role, other.role}) in talks


def _bound(
    make: Callable[..., AbstractContextManager[None]], *arguments: object
) -> Callable[[], AbstractContextManager[None]]:
    return lambda: make(*arguments)


def befalls(fleet: Fleet, fault: Fault, draw: random.Random) -> float:
    """Make a fault for a while, and wait until all is well again.

    Seconds until something was accepted again after its beginning: only then the fault ends where
    it is one that promotes.
    """
    ledger = fleet.writers.ledger
    ledger.outages += fault.of_database
    ledger.phase = fault.name
    row, began, accepting_s = ledger.row, time.monotonic(), 0.0
    with fault.make():
        if fault.promotes:
            before = len(ledger.accepted)
            wait_for("accepting again", lambda: len(ledger.accepted) > before, ACCEPTED_S_MAX)
            accepting_s = time.monotonic() - began
        _clock.wait(draw.uniform(*LASTS_S))
    ledger.phase = "after faults"
    _settle(fleet, ledger.row)
    assert row is ledger.rows[fault.name]
    return accepting_s


def _settle(fleet: Fleet, row: Row) -> None:
    for host in fleet.running:
        fleet.until_ready(host)
    before = len(row.took_s)
    wait_for("it is well again", lambda: len(row.took_s) >= before + SETTLED_ROWS)
