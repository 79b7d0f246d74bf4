"""Failover: who may be asked a second time, on what, in which order."""

from __future__ import annotations

import pytest

from edgecache.config.model import Behavior, Config, Distribution, Origin, OriginGroup
from edgecache.rules.routing import Route, compile_routes, route
from edgecache.upstream.origin_group import fails_over, has_second, ordered_members, patience_s
from tests.rules.pieces import asks

GROUP = OriginGroup(id="g", members=("b", "a"), status_codes=(404, 503))


def on(target: str = "g") -> Route:
    distribution = Distribution(
        id="E",
        origins=(
            Origin(id="a", domain_name="a.test"),
            Origin(
                id="b",
                domain_name="b.test",
                connection_attempts=1,
                connection_timeout_s=2,
                read_timeout_s=5,
            ),
        ),
        origin_groups=(GROUP,),
        default_behavior=Behavior(origin=target),
    )
    return route(compile_routes(Config(distributions=(distribution,))).by_id["E"], b"/")


def test_a_behavior_may_name_a_group() -> None:
    found = on()
    assert found.group == GROUP
    assert [origin.id for origin in found.origins] == ["b", "a"]
    assert found.origin is found.origins[0]


def test_a_behavior_that_names_an_origin_has_no_group() -> None:
    found = on("a")
    assert (found.group, found.origin.id, len(found.origins)) == (None, "a", 1)


@pytest.mark.parametrize(
    ("method", "length", "target", "may"),
    [
        ("GET", 0, "g", True),
        ("HEAD", 0, "g", True),
        ("OPTIONS", 0, "g", True),
        ("OPTIONS", 5, "g", False),
        ("POST", 0, "g", False),
        ("PUT", 5, "g", False),
        ("PATCH", None, "g", False),
        ("DELETE", 0, "g", False),
        ("GET", 0, "a", False),
    ],
)
def test_who_may_be_asked_a_second_time(
    method: str, length: int | None, target: str, may: bool
) -> None:
    assert has_second(asks(method=method, length=length), on(target)) is may


@pytest.mark.parametrize(
    ("status", "fails"), [(200, False), (404, True), (503, True), (500, False)]
)
def test_only_what_is_listed_fails_over(status: int, fails: bool) -> None:
    assert fails_over(GROUP, status) is fails


@pytest.mark.parametrize(
    ("preferred", "order"), [("", "ba"), ("b", "ba"), ("a", "ab"), ("gone", "ba")]
)
def test_the_order_is_the_groups_but_for_who_is_preferred(preferred: str, order: str) -> None:
    assert "".join(origin.id for origin in ordered_members(on(), preferred)) == order


def test_patience_covers_every_attempt_of_every_member() -> None:
    assert patience_s(on("b")) == 7
    assert patience_s(on()) == 7 + 3 * (10 + 30)
