"""What control says is wrong with an installation: a table."""

from __future__ import annotations

from typing import Any

import pytest

from edgecache.config.model import Config, Control, Location, RegionalCache
from edgecache.control.nodes.registry import ALIVE_S, installation_problems

CONFIG = Config(
    control=Control(),
    regional=RegionalCache(),
    locations=(Location(name="LHR50", listen="127.0.0.1:8080"),),
)


def node(name: str = "edge-LHR50-1", **changed: Any) -> dict[str, Any]:
    regional = name == "regional"
    known: dict[str, Any] = {
        "name": name,
        "role": "regional" if regional else "edge",
        "location": "" if regional else "LHR50",
        "machine": "vm-1",
        "alive": True,
        "seen_s_ago": 0.5,
        "unready": {},
        "disk_failing": False,
        "clock_off_s": 0.0,
    }
    return known | changed


REGIONAL = node("regional")


@pytest.mark.parametrize(
    ("nodes", "lines"),
    [
        ([node(), REGIONAL], []),
        ([node()], ["the regional cache: no process of it reports"]),
        ([REGIONAL], ["location LHR50: no process of it reports"]),
        (
            [node(), node("regional", alive=False, seen_s_ago=12.3)],
            ["regional@vm-1: has not reported for 12 s"],
        ),
        (
            [node(unready={"upstream": "the regional cache at x: no answer"}), REGIONAL],
            ["edge-LHR50-1@vm-1: the regional cache at x: no answer"],
        ),
        ([node(unready={"draining": "an operator", "starting": "now"}), REGIONAL], []),
        ([node(disk_failing=True), REGIONAL], ["edge-LHR50-1@vm-1: its disk fails"]),
        ([node(clock_off_s=2.0), REGIONAL], []),
        (
            [node(clock_off_s=3.1), REGIONAL],
            ["edge-LHR50-1@vm-1: its clock is 3.1 s behind control's; set both by NTP"],
        ),
        (
            [node(clock_off_s=-3.1, machine=""), REGIONAL],
            ["edge-LHR50-1: its clock is 3.1 s ahead of control's; set both by NTP"],
        ),
    ],
)
def test_each_problem_has_a_line(nodes: list[dict[str, Any]], lines: list[str]) -> None:
    assert installation_problems(CONFIG, nodes, ALIVE_S + 1) == lines


def test_nobody_is_missed_while_control_has_just_started() -> None:
    assert installation_problems(CONFIG, [], ALIVE_S) == []
