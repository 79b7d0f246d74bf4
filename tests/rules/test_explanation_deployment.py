"""What is said of a request whose distribution has a staging one."""

from __future__ import annotations

from typing import Any

import pytest

from edgecache.config.model import (
    Behavior,
    Config,
    ContinuousDeploymentPolicy,
    Distribution,
    Origin,
    SessionStickiness,
)
from edgecache.rules.explanation import explain
from edgecache.rules.routing import RouteTable, compile_routes
from edgecache.rules.viewer.access import EntryPoint
from edgecache.rules.viewer.continuous_deployment import ServedSide
from tests.rules.pieces import NOW, asks

STICKY = SessionStickiness(idle_ttl_s=300, maximum_ttl_s=900)


def table(**traffic: Any) -> RouteTable:
    parts: dict[str, Any] = {
        "origins": (Origin(id="o", domain_name="o.test"),),
        "default_behavior": Behavior(origin="o"),
    }
    old = Distribution(id="OLD", aliases=("site.test",), continuous_deployment_policy="p", **parts)
    new = Distribution(id="NEW", staging=True, **parts)
    policy = ContinuousDeploymentPolicy(id="p", staging_distribution="NEW", **traffic)
    return compile_routes(
        Config(distributions=(old, new), continuous_deployment_policies=(policy,))
    )


def told(routes: RouteTable, *fields: str) -> tuple[str, str]:
    """Which distribution serves a request of these fields, and what is said of it."""
    choice = explain(asks("/a", *fields), routes, EntryPoint(), NOW).choice
    assert choice is not None
    return choice.distribution, choice.deployment


@pytest.mark.parametrize(
    ("fields", "distribution", "side"),
    [((), "OLD", "primary"), (("aws-cf-cd-next: yes",), "NEW", "staging")],
)
def test_a_header(fields: tuple[str, ...], distribution: str, side: str) -> None:
    routes = table(header="aws-cf-cd-next", value="yes")
    share = "its staging NEW serves requests with aws-cf-cd-next: yes"
    assert told(routes, *fields) == (distribution, f"{side} of OLD; {share}")


def test_a_weight_and_a_session() -> None:
    routes = table(weight=0.05, session_stickiness=STICKY)
    share = "5.00% of requests, by chance, for sessions of 300 s idle and 900 s at most"
    assert told(routes) == ("OLD", f"primary of OLD; its staging NEW serves {share}")
    rule = routes.by_id["OLD"].traffic
    assert rule is not None
    ((_, cookie),) = ServedSide(rule, staging=True).session_fields((), NOW - 9)
    field = f"cookie: {cookie.partition(b';')[0].decode()}"
    assert told(routes, field) == ("NEW", f"staging of OLD; its staging NEW serves {share}")


def test_one_that_has_none() -> None:
    assert told(table(weight=0.05, enabled=False)) == ("OLD", "")
