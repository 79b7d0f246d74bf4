"""The register of the simulation: which answers may be older than one before."""

from __future__ import annotations

import pytest

from tests.simulation.machine import Machine
from tests.simulation.objects import OBJECTS
from tests.simulation.register import Get, Register, Told, Violation


@pytest.fixture
def register() -> Register:
    return Register(Machine(), [1] * len(OBJECTS))


def begins(register: Register, how: str = "get") -> Get:
    get = register.begins(OBJECTS[5], "edge-1", 1, "en", calm=True)
    register.asks(get, how, "en")
    return get


def ends(register: Register, get: Get, version: int) -> None:
    register.ends(get, Told(200, version, "Miss"), "en", monotonic=True)


def test_an_edge_gives_no_older_version_than_before(register: Register) -> None:
    ends(register, begins(register), 8)
    with pytest.raises(Violation, match="version 7 after 8 from the same edge"):
        ends(register, begins(register), 7)


@pytest.mark.parametrize("how", ["reload", "range 0-7"])
def test_what_another_kind_fetches_may_overtake(register: Register, how: str) -> None:
    """The whole was asked for before, and is stored after, a part of the later one."""
    whole, other = begins(register), begins(register, how)
    ends(register, whole, 7)
    ends(register, other, 8)
    ends(register, begins(register), 7)


def test_two_of_a_kind_share_a_fetch(register: Register) -> None:
    one, other = begins(register), begins(register)
    ends(register, one, 8)
    ends(register, other, 8)
    with pytest.raises(Violation):
        ends(register, begins(register), 7)


def test_what_came_before_a_reload_is_not_gone_back_behind(register: Register) -> None:
    ends(register, begins(register), 8)
    ends(register, begins(register, "reload"), 8)
    with pytest.raises(Violation):
        ends(register, begins(register), 7)
