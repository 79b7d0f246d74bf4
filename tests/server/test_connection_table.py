"""Who is let in when there is no room, and who gives way."""

from __future__ import annotations

from dataclasses import dataclass

from edgecache.config.model import Limits
from edgecache.server.connection_table import LOOKED_AT_MAX, ConnectionTable


@dataclass(eq=False)
class Connection:
    network: str = "192.0.2.1"
    gives_way: bool = False
    deadline: float = 0.0
    held_bytes: int = 0
    closed: int = 0
    protocol: str = "http1.1"

    @property
    def at_rest(self) -> bool:
        return self.gives_way

    def make_way(self) -> None:
        self.gives_way = False
        self.closed += 1

    def close(self) -> None:
        raise AssertionError("for a newcomer it makes way")

    def end_overdue(self, now: float) -> None: ...


def comes(table: ConnectionTable, limits: Limits, newcomer: Connection) -> bool:
    table.add(newcomer)
    return table.make_room(newcomer, limits)


def full(number: int, *, gives_way: bool = True) -> tuple[ConnectionTable, list[Connection]]:
    table = ConnectionTable()
    inside = [Connection(f"192.0.2.{n}", gives_way) for n in range(number)]
    for one in inside:
        table.add(one)
    return table, inside


def test_the_oldest_that_gives_way_goes() -> None:
    table, inside = full(4)
    inside[0].gives_way = False
    assert comes(table, Limits(connections_max=4), Connection())
    assert [one.closed for one in inside] == [0, 1, 0, 0]


def test_each_newcomer_costs_another() -> None:
    """In one turn of the loop, before any has gone."""
    table, inside = full(4)
    limits = Limits(connections_max=4)
    assert [comes(table, limits, Connection()) for _ in range(5)] == [True] * 4 + [False]
    assert [one.closed for one in inside] == [1, 1, 1, 1]


def test_among_its_own_client_first() -> None:
    table = ConnectionTable()
    other, own = Connection("192.0.2.9", True), Connection("2001:db8::/64", True)
    for one in (other, own, Connection("2001:db8::/64")):
        table.add(one)
    limits = Limits(connections_per_address_max=2)
    assert comes(table, limits, Connection("2001:db8::/64"))
    assert (other.closed, own.closed) == (0, 1)
    assert not comes(table, limits, Connection("2001:db8::/64"))


def test_a_socket_file_has_no_client_to_bound() -> None:
    table = ConnectionTable()
    limits = Limits(connections_per_address_max=1)
    assert all(comes(table, limits, Connection("")) for _ in range(5))


def test_a_flood_is_not_a_walk_of_all_each() -> None:
    table, inside = full(LOOKED_AT_MAX + 1, gives_way=False)
    inside[-1].gives_way = True
    limits = Limits(connections_max=LOOKED_AT_MAX)
    assert not comes(table, limits, Connection())
    assert comes(table, limits, Connection())  # which looks on where the last one ended


def test_descriptors_bound_it_too() -> None:
    table, inside = full(2)
    table.room = lambda: 2
    assert comes(table, Limits(), Connection())
    assert inside[0].closed


def test_who_has_left_is_forgotten() -> None:
    table, inside = full(3)
    for one in inside:
        table.discard(one)
        table.discard(one)
    assert not len(table)
    assert comes(table, Limits(connections_max=1), Connection())
