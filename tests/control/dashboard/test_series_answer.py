"""Answers for charts: aligned columns, nulls where control did not run, sums of what is joined."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import parse_qsl

import msgspec
import pytest

from edgecache.control.dashboard.ring_file import RESOLUTIONS
from edgecache.control.dashboard.series_answer import (
    ANSWERS_KEPT,
    RANGES,
    SERIES_TOLD_MAX,
    STEPS,
    SeriesAnswers,
    SeriesQuery,
    UnknownSeriesError,
)
from edgecache.control.dashboard.traffic_step import MEASURES
from edgecache.control.nodes.other_controls import ControlAnswers, InstallationNodes
from edgecache.control.nodes.registry import NodeRegistry
from tests.control.dashboard.reports import BEGAN_AT, ReportingEdge
from tests.control.dashboard.test_series_recorder import Recorded

T = TypeVar("T")


@pytest.fixture
def world(tmp_path: Path) -> Recorded:
    return Recorded(tmp_path)


def edge() -> ReportingEdge:
    return ReportingEdge(started_at=BEGAN_AT)


def answers(world: Recorded) -> SeriesAnswers:
    """Of a control that is the only one."""
    return SeriesAnswers(world.recorder, AskedControls())


class AskedControls(ControlAnswers):
    """Other controls, asked as they are over the wire; one that is None does not answer."""

    def __init__(self, *others: Recorded | None) -> None:
        super().__init__(InstallationNodes(NodeRegistry(lambda: 0.0)))
        self.others = others

    async def ask(self, target: str, kind: type[T]) -> tuple[dict[str, T], list[str]]:
        assert target.startswith(STEPS)
        values = dict(parse_qsl(target.partition("?")[2]))
        found, missing = {}, []
        for number, other in enumerate(self.others, 1):
            if other is None:
                missing.append(f"c{number}")
                continue
            own = SeriesAnswers(other.recorder, AskedControls())
            steps = await own.own(SeriesQuery.read(values), int(values["until"]))
            found[f"c{number}"] = msgspec.json.decode(msgspec.json.encode(steps), type=kind)
        return found, missing


def ask(world: Recorded, **query: str) -> dict[str, Any]:
    return asyncio.run(answers(world).answer(SeriesQuery.read(query)))


def column(answer: dict[str, Any], measure: str, which: int = 0) -> list[Any]:
    values: list[Any] = answer["series"][which][measure]
    assert len(values) == len(answer["times"])
    return values


def begin(world: Recorded, seconds: int, node: ReportingEdge | None = None) -> None:
    async def play() -> None:
        await world.recorder.begin()
        await world.passes(seconds, node)

    asyncio.run(play())


def test_the_last_five_minutes_by_the_second(world: Recorded) -> None:
    begin(world, 10, edge())
    answer = ask(world, range="5m")
    assert len(answer["times"]) == 300
    assert answer["times"][-1] == answer["to"] == BEGAN_AT + 9
    assert column(answer, "requests_s")[-11:] == [None, 0.333, 0.667, *[1.0] * 8]
    assert column(answer, "hit_ratio")[-1] == 1.0
    assert column(answer, "miss_p99_s")[-1] is None
    assert {*answer["series"][0]} == {"by", "name", *MEASURES}


@pytest.mark.parametrize(("name", "wanted"), RANGES.items())
def test_each_range_has_its_points_and_the_ring_has_them(name: str, wanted: Any) -> None:
    seconds = {"5m": 300, "1h": 3_600, "6h": 21_600, "1d": 86_400, "7d": 604_800}[name]
    assert wanted.step_s * wanted.points == seconds
    if wanted.ring is not None:  # the step of now is written over none that is asked for
        assert wanted.ring.step_s * wanted.ring.steps >= seconds + wanted.step_s


def test_an_hour_by_ten_seconds_of_which_the_last_is_not_over(world: Recorded) -> None:
    begin(world, 25, edge())
    answer = ask(world)
    assert (answer["range"], answer["step_s"], answer["to"]) == ("1h", 10, BEGAN_AT + 10)
    assert column(answer, "requests_s")[-3:] == [None, 1.0, 1.0]
    by = ask(world, by="distribution", name="E1")
    assert column(by, "requests_s")[-3:] == [None, 1.0, 1.0]


def test_six_hours_are_joined_by_the_minute(world: Recorded) -> None:
    begin(world, 130, edge())
    answer = ask(world, range="6h")
    assert (answer["step_s"], answer["to"]) == (60, BEGAN_AT + 60)
    assert column(answer, "requests_s")[-3:] == [None, 1.0, 1.0]


def test_nothing_asked_is_zero_and_not_running_is_null(world: Recorded) -> None:
    async def play() -> None:
        node = edge()
        await world.recorder.begin()
        await world.passes(10, node)
        await world.passes(10)
        world.recorder.close()
        world.now += 20
        world.run()
        await world.recorder.begin()
        await world.passes(10, node)

    asyncio.run(play())
    for query in ({}, {"by": "location"}, {"by": "behavior", "name": "E1 *"}):
        told = column(ask(world, **query), "requests_s")[-6:]
        assert told == [None, 1.0, 0.0, None, None, 1.0], query


def test_the_busiest_of_a_dimension(world: Recorded) -> None:
    node = edge()
    for number in range(20):
        node.count(times=number + 1, id=f"E{number:02}")
    begin(world, 10, node)
    answer = ask(world, by="distribution")
    names = [one["name"] for one in answer["series"]]
    assert len(names) == SERIES_TOLD_MAX
    assert names[0] == "E19"
    assert answer["folded"] == 0


def test_what_is_unknown_is_refused(world: Recorded) -> None:
    for query in ({"range": "2h"}, {"range": ""}, {"by": "color"}):
        with pytest.raises(ValueError, match="is not one of"):
            ask(world, **query)
    with pytest.raises(UnknownSeriesError):
        ask(world, by="node", name="edge-z-9")


def test_an_answer_is_made_once_for_its_step_and_few_are_kept(world: Recorded) -> None:
    begin(world, 25, edge())

    async def play() -> None:
        reads = 0
        read = world.recorder.read

        async def counted(*asked: Any) -> Any:
            nonlocal reads
            reads += 1
            return await read(*asked)

        world.recorder.read = counted  # type: ignore[method-assign, assignment]
        kept, query = answers(world), SeriesQuery("1h")
        first = await kept.answer(query)
        assert await kept.answer(query) is first
        told = reads
        await world.passes(10)
        assert await kept.answer(query) is not first
        assert reads == 2 * told
        for number in range(2 * ANSWERS_KEPT):
            with pytest.raises(UnknownSeriesError):
                await kept.answer(SeriesQuery("1h", "node", str(number)))
            assert len(kept._kept) <= ANSWERS_KEPT

    asyncio.run(play())


def test_a_page_that_comes_back_gets_what_it_missed(world: Recorded) -> None:
    begin(world, 20, edge())
    made = answers(world)
    assert len(asyncio.run(made.newest(0))["times"]) == 300
    missed = asyncio.run(made.newest(BEGAN_AT + 16))
    assert missed["times"] == [BEGAN_AT + 17, BEGAN_AT + 18, BEGAN_AT + 19]
    assert column(missed, "requests_s") == [1.0] * 3
    for known in (BEGAN_AT + 19, BEGAN_AT + 10_000):
        nothing = asyncio.run(made.newest(known))
        assert (nothing["times"], column(nothing, "requests_s")) == ([], [])


def test_rings_are_those_that_ranges_are_of() -> None:
    assert {one.ring for one in RANGES.values()} == {None, *RESOLUTIONS}


def test_series_of_several_controls_are_one(tmp_path: Path) -> None:
    first, second = (Recorded(tmp_path / name) for name in ("one", "two"))
    begin(first, 20, edge())

    async def play() -> None:
        node = ReportingEdge("edge-b-1", started_at=BEGAN_AT + 10)
        await second.recorder.begin()
        await second.passes(10)
        second.recorder.close()
        second.run()  # it did not run all the time
        await second.recorder.begin()
        await second.passes(10, node)

    asyncio.run(play())
    made = SeriesAnswers(first.recorder, AskedControls(second, None))

    def told(**query: str) -> dict[str, Any]:
        return asyncio.run(made.answer(SeriesQuery.read(query)))

    whole = told()
    assert column(whole, "requests_s")[-3:] == [None, 1.0, 2.0]
    assert (whole["controls"], whole["controls_missing"]) == (["this", "c1"], ["c2"])
    assert [one["name"] for one in told(by="distribution")["series"]] == ["E1"]
    assert column(told(by="distribution", name="E1"), "requests_s")[-1] == 2.0
    late = ReportingEdge("edge-c-1", started_at=BEGAN_AT + 20).count("Miss", 20, "E2")
    asyncio.run(second.passes(10, late))
    asyncio.run(first.passes(10))
    names = [one["name"] for one in told(by="distribution")["series"]]
    assert names == ["E1", "E2"]
    assert column(told(by="distribution", name="E2"), "misses_s")[-1] == 2.0
