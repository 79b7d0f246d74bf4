"""Which of several controls a node follows: its own order, and when it moves."""

from __future__ import annotations

from collections import Counter

import httpx
import pytest

from edgecache.node.control_endpoints import (
    RETURN_S,
    RETURN_S_MAX,
    ControlEndpoint,
    ControlEndpoints,
)

CLIENT = httpx.AsyncClient()
URLS = ["http://a:8090", "http://b:8090", "http://c:8090"]


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


def controls(name: str, clock: Clock, urls: list[str] = URLS) -> ControlEndpoints:
    endpoints = [ControlEndpoint(url, CLIENT) for url in urls]
    return ControlEndpoints(name, endpoints, clock, lambda: 0.5)


def test_nodes_are_spread_over_all_and_choose_the_same_again(clock: Clock) -> None:
    names = [f"edge-LHR50-{number}" for number in range(300)]
    chosen = [controls(name, clock).current.url for name in names]
    assert chosen == [controls(name, clock, URLS[::-1]).current.url for name in names]
    assert min(Counter(chosen).values()) > 70


def test_who_loses_its_control_is_spread_over_the_others(clock: Clock) -> None:
    moved = []
    for number in range(300):
        one = controls(f"edge-{number}", clock)
        if one.current.url == URLS[0]:
            one.move()
            moved.append(one.current.url)
    assert {*moved} == {*URLS[1:]}
    assert min(Counter(moved).values()) > 25


def test_every_control_has_its_turn(clock: Clock) -> None:
    one = controls("edge-1", clock)
    seen = [one.current.url]
    for _ in range(3):
        one.move()
        seen.append(one.current.url)
    assert {*seen[:3]} == {*URLS}
    assert seen[3] == seen[0]


def test_the_first_choice_is_tried_again_after_a_while(clock: Clock) -> None:
    one = controls("edge-1", clock)
    first = one.current
    one.move()
    second = one.current
    assert one.settle() is None
    clock.now += RETURN_S - 1
    assert not one.try_first_choice()
    clock.now += 1
    assert one.try_first_choice()
    assert one.current is first
    assert one.settle() is second  # to be told
    assert not one.try_first_choice()


def test_and_ever_more_seldom_while_it_is_away(clock: Clock) -> None:
    one = controls("edge-1", clock)
    one.move()
    one.settle()
    second, waited = one.current, []
    for _ in range(6):
        since = clock.now
        while not one.try_first_choice():
            clock.now += 1
        one.move()
        assert one.current is second  # its lease still stands
        waited.append(clock.now - since)
    assert waited == [RETURN_S, 2 * RETURN_S, 4 * RETURN_S, 8 * RETURN_S, 300, 300]
    assert RETURN_S_MAX == 300


def test_a_node_that_knows_one_control_stays(clock: Clock) -> None:
    one = ControlEndpoints.only(CLIENT)
    first = one.current
    one.move()
    assert one.current is first
    assert not one.try_first_choice()
