"""The register of the simulation: which answers may be older than one before."""

from __future__ import annotations

import pytest

from tests.simulation.machine import Machine
from tests.simulation.objects import OBJECTS
from tests.simulation.register import Get, Register, Told, Violation


@pytest.fixture
def register() -> Register:
    return Register(Machine(), [1] * len(OBJECTS))


def begins(register: Register) -> Get:
    return register.begins(OBJECTS[5], "edge-1", 1, "en", calm=True)


def ends(register: Register, get: Get, version: int) -> None:
    register.ends(get, Told(200, version, "Miss"), "en", monotonic=True)


def test_an_edge_gives_no_older_version_than_before(register: Register) -> None:
    ends(register, begins(register), 8)
    with pytest.raises(Violation, match="version 7 after 8 from the same edge"):
        ends(register, begins(register), 7)


def test_what_a_reload_fetches_may_be_overtaken(register: Register) -> None:
    """It asked the origin before, and is stored after, a part that a viewer has got meanwhile."""
    reload = begins(register)
    register.reloads(reload)
    part = begins(register)
    ends(register, reload, 7)
    ends(register, part, 8)
    ends(register, begins(register), 7)


def test_what_came_before_a_reload_is_not_gone_back_behind(register: Register) -> None:
    ends(register, begins(register), 8)
    reload = begins(register)
    register.reloads(reload)
    ends(register, reload, 8)
    with pytest.raises(Violation):
        ends(register, begins(register), 7)
