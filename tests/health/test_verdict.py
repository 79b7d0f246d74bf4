"""Verdicts on health checks: the 18 % rule, calculated and inverted checks, as tables."""

from __future__ import annotations

import pytest

from edgecache.config.health_checks import HealthCheck
from edgecache.health.verdict import share_verdict, verdicts


@pytest.mark.parametrize(
    ("healthy", "checkers", "verdict"),
    [
        (0, 0, None),
        (0, 1, False),
        (1, 1, True),
        (0, 2, False),
        (1, 2, True),
        (1, 5, True),  # 20 %
        (1, 6, False),  # 16.7 %
        (2, 11, True),  # 18.2 %
        (2, 12, False),
        (9, 50, False),  # 18 %
        (10, 50, True),
        (18, 100, False),
        (19, 100, True),
        (100, 100, True),
    ],
)
def test_more_than_18_percent_of_checkers_say_so(
    healthy: int, checkers: int, verdict: bool | None
) -> None:
    assert share_verdict([True] * healthy + [False] * (checkers - healthy)) is verdict


def check(id: str, *, inverted: bool = False, disabled: bool = False) -> HealthCheck:
    return HealthCheck(
        id=id, type="TCP", address="192.0.2.1", port=1, inverted=inverted, disabled=disabled
    )


@pytest.mark.parametrize(
    ("observed", "inverted", "disabled", "verdict"),
    [
        (True, False, False, True),
        (False, False, False, False),
        (None, False, False, True),  # a new one
        (True, True, False, False),
        (False, True, False, True),
        (None, True, False, False),
        (False, False, True, True),
        (False, True, True, False),
    ],
)
def test_an_endpoint(observed: bool | None, inverted: bool, disabled: bool, verdict: bool) -> None:
    one = check("a", inverted=inverted, disabled=disabled)
    assert verdicts([one], {"a": observed}) == {"a": verdict}


@pytest.mark.parametrize(
    ("threshold", "down", "verdict"),
    [
        (None, "", True),  # all of them
        (None, "a", False),
        (1, "ab", True),
        (1, "abc", False),
        (2, "a", True),
        (2, "ab", False),
        (0, "abc", True),  # always
        (4, "", False),  # never: there are three
    ],
)
def test_a_calculated_one(threshold: int | None, down: str, verdict: bool) -> None:
    observed = {id: id not in down for id in "abc"}
    for inverted in (False, True):
        parent = HealthCheck(
            id="p", type="CALCULATED", children=("a", "b", "c"), health_threshold=threshold,
            inverted=inverted,
        )  # fmt: skip
        found = verdicts([parent, *map(check, "abc")], observed)
        assert found["p"] is (verdict is not inverted)


def test_children_count_as_they_are_told() -> None:
    """An inverted child counts inverted, a disabled one is healthy; so is the parent, disabled."""
    parent = HealthCheck(id="p", type="CALCULATED", children=("a", "b"), health_threshold=2)
    children = [check("a", inverted=True), check("b", disabled=True)]
    assert verdicts([parent, *children], {"a": False, "b": False})["p"] is True
    assert verdicts([parent, *children], {"a": True, "b": False})["p"] is False
    disabled = HealthCheck(id="p", type="CALCULATED", children=("a",), disabled=True)
    assert verdicts([disabled, check("a")], {"a": False})["p"] is True
