"""The chart's panels: one unit each, better and worse told apart, nothing that is no ratio."""

from __future__ import annotations

from typing import Any

from benchmarks.chart import HERE, UNITS, latest, panels
from benchmarks.scenarios import SCENARIOS


def line(median: float, peer: str = "nginx") -> dict[str, Any]:
    return {"ratios": {peer: {"median": median, "min": median / 2, "max": median * 2}}}


def test_a_panel_has_one_unit_and_every_ratio_to_nginx() -> None:
    drawn = panels({one.name: line(0.5) for one in SCENARIOS}, {})
    kinds = {one.name: one.goal for one in SCENARIOS}
    assert set(drawn) == set(UNITS)
    for unit, rows in drawn.items():
        assert {kinds[row.scenario].of for row in rows} == {unit}
    shown = {row.scenario for rows in drawn.values() for row in rows}
    assert shown == {name for name, goal in kinds.items() if goal.to == "nginx"}
    assert "S14" not in shown  # start-up: on one axis with the others it hid them


def test_less_cpu_and_more_bytes_are_better() -> None:
    drawn = panels({"S1": line(0.6), "S5": line(1.2), "S3": line(0.9), "S4": line(1.8)}, {})
    better = {row.scenario: row.is_better for rows in drawn.values() for row in rows}
    assert better == {"S1": True, "S5": False, "S3": False, "S4": True}


def test_the_better_nginx_counts_where_both_were_measured() -> None:
    drawn = panels({"S1": line(0.6)}, {"S1": line(0.8, "the better nginx")})
    ((row,),) = drawn.values()
    assert (row.median, row.of_better_peer) == (0.8, True)


def test_what_is_recorded_can_be_drawn() -> None:
    drawn = panels(latest(HERE / "results.jsonl"), latest(HERE / "compared.jsonl"))
    assert sum(map(len, drawn.values())) > 10
