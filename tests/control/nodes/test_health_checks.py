"""Verdicts on health checks at control: from reports of locations, kept, with their history."""

from __future__ import annotations

import asyncio
from typing import Any

import msgspec
import pytest
from msgspec.structs import replace

from edgecache.cluster.node_status import NodeStatus
from edgecache.config.health_checks import CHECKS_MAX, HealthCheck
from edgecache.control.nodes.health_checks import (
    FRESH_S,
    HISTORY_MAX,
    OPINIONS,
    CheckerOpinions,
    ControlOpinions,
    HealthCheckStatuses,
)
from edgecache.control.nodes.other_controls import ControlAnswers, InstallationNodes
from edgecache.control.nodes.registry import SILENT_S, NodeRegistry
from edgecache.health.verdict import CheckerOpinion
from edgecache.observe.counters import Counters

WEB = HealthCheck(id="web", type="TCP", address="192.0.2.1", port=80)
BEGAN = 1_000.0


class Control:
    """A control that locations report to."""

    def __init__(self, *checks: HealthCheck, others: ControlAnswers | None = None) -> None:
        self.now = BEGAN
        self.nodes = NodeRegistry(lambda: self.now)
        self.checks = checks
        self.statuses = HealthCheckStatuses(
            self.nodes, lambda: self.checks, lambda: self.now, others
        )

    def hears(self, location: str, worker: int = 1, **said: bool | None) -> None:
        by_id = {one.id: one for one in self.checks}
        opinions = {
            id: CheckerOpinion(
                definition=by_id[id].definition, healthy=healthy, said=f"{location}: {healthy}",
                at=self.now,
            )
            for id, healthy in said.items()
        }  # fmt: skip
        self.nodes.report(f"edge-{location}-{worker}", status(location, opinions))

    def says(self, id: str = "web") -> bool | None:
        self.now += FRESH_S
        return self.statuses.is_healthy(id)


def status(location: str, opinions: dict[str, CheckerOpinion]) -> NodeStatus:
    return NodeStatus(
        role="edge", location=location, pid=1, generation=1, sample=Counters().snapshot(),
        health_checks=opinions,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("said", "healthy"),
    [
        ([], True),
        ([None], True),
        ([False], False),
        ([False, None], False),
        ([False, True], True),
        ([False] * 5 + [True], False),  # 16.7 %
        ([False] * 4 + [True], True),  # 20 %
    ],
)
def test_locations_are_counted(said: list[bool | None], healthy: bool) -> None:
    control = Control(WEB)
    for number, one in enumerate(said):
        control.hears(f"L{number}", web=one)
    assert control.says() is healthy


def test_who_is_silent_does_not_count_and_the_verdict_stays_when_nobody_does() -> None:
    control = Control(WEB)
    control.hears("A", web=True)
    control.hears("B", web=False)
    assert control.says() is True
    control.now += SILENT_S - 1
    control.hears("B", web=False)
    assert control.says() is True
    control.now += 1
    assert control.says() is False  # A is silent
    control.now += 60
    assert control.says() is False  # so are both
    control.hears("A", web=None)  # and begins anew
    assert control.says() is False
    control.hears("A", web=True)
    assert control.says() is True
    assert control.statuses.percent_healthy(WEB) == 100


def test_what_was_said_of_another_endpoint_does_not_count() -> None:
    control = Control(WEB)
    control.hears("A", web=False)
    assert control.says() is False
    control.checks = (replace(WEB, port=81),)
    assert control.says() is True
    assert control.statuses.of(control.checks[0]) == {}
    control.hears("A", web=False)
    assert control.says() is False
    control.checks = (replace(WEB, port=81, inverted=True),)
    assert control.says() is True


def test_calculated_ones_follow_at_once() -> None:
    parent = HealthCheck(id="any", type="CALCULATED", children=("web", "b"), health_threshold=1)
    control = Control(WEB, replace(WEB, id="b"), parent)
    control.hears("A", web=False, b=True)
    assert (control.says("web"), control.says("any")) == (False, True)
    control.hears("A", web=False, b=False)
    assert control.says("any") is False
    control.now = BEGAN + SILENT_S + 1
    assert control.statuses.unhealthy() == ["web", "b", "any"]
    assert control.statuses.figures() == {"web": (False, None), "b": (False, None),
                                          "any": (False, None)}  # fmt: skip


def test_nothing_is_said_before_all_can_have_reported() -> None:
    control = Control(WEB)
    control.hears("A", web=False)
    control.now += SILENT_S
    assert control.statuses.unhealthy() is None
    control.now += 0.5
    control.hears("A", web=False)
    assert control.statuses.unhealthy() == ["web"]


def test_changes_are_kept_the_newest_first_and_not_without_end() -> None:
    control = Control(WEB)
    control.says()
    for number in range(HISTORY_MAX + 10):
        control.hears("A", web=bool(number % 2))
        control.says()
        control.hears("A", web=bool(number % 2))  # the same again
        control.says()
    history = control.statuses.history("web")
    assert len(history) == HISTORY_MAX
    assert [one.healthy for one in history[:3]] == [True, False, True]
    assert history[0].at > history[1].at > BEGAN
    assert history[0].said == "A: True"
    assert control.statuses.size_bytes > 0
    control.checks = ()
    control.says()
    assert (control.statuses.history("web"), control.statuses.size_bytes) == ([], 0)


def test_a_report_has_no_more_than_the_quota_of_checks() -> None:
    opinion = CheckerOpinion(definition="d")
    fits = status("A", {str(n): opinion for n in range(CHECKS_MAX)})
    many = status("A", {str(n): opinion for n in range(CHECKS_MAX + 1)})
    assert msgspec.json.decode(msgspec.json.encode(fits), type=NodeStatus) == fits
    with pytest.raises(msgspec.ValidationError):
        msgspec.json.decode(msgspec.json.encode(many), type=NodeStatus)


class OtherControls(InstallationNodes):
    """Others that answer so."""

    def __init__(self, told: ControlOpinions) -> None:
        super().__init__(NodeRegistry(lambda: 0.0))
        self.told = told

    async def answers(self, target: str, bytes_max: int) -> dict[str, Any]:
        assert target == f"{OPINIONS}?own=1"
        return {"b": msgspec.json.encode(self.told), "c": "no answer within 1 s"}


def test_locations_of_other_controls_count_as_long_as_they_are_heard() -> None:
    said = {"web": CheckerOpinion(definition=WEB.definition, healthy=False)}
    others = OtherControls(ControlOpinions({"edge-B-1@m": CheckerOpinions("B", 1.0, said)}))
    control = Control(WEB, others=ControlAnswers(others))
    asyncio.run(control.statuses.ask_others())
    assert control.says() is False
    assert control.statuses.of(WEB).keys() == {"edge-B-1@m"}
    assert control.statuses.own_opinions() == {}
    control.hears("A", web=True)
    assert control.says() is True
    control.now += SILENT_S
    assert control.statuses.of(WEB) == {}
    assert control.says() is True


def test_figures_look_at_reports_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """A scrape costs as much for 200 checks of a thousand nodes as a look at them."""
    control = Control(*(replace(WEB, id=f"c{number}") for number in range(CHECKS_MAX)))
    control.hears("A", **{one.id: True for one in control.checks})
    looks, look = [], control.nodes.processes

    def counted() -> object:
        looks.append(1)
        return look()

    monkeypatch.setattr(control.nodes, "processes", counted)
    figures = control.statuses.figures()
    assert [*figures.values()] == [(True, 100.0)] * CHECKS_MAX
    assert len(looks) == 1
