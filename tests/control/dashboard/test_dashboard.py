"""The dashboard's figures over HTTP: state, series and rankings, as a page asks for them."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from edgecache.cluster.lease import Instance
from edgecache.cluster.log_readers import ReaderBatch, ReaderBatches
from edgecache.config.model import Config
from edgecache.control.dashboard.live_stream import STREAMS_MAX
from edgecache.control.dashboard.report_differences import SeriesName
from edgecache.control.dashboard.session_handlers import PRIVATE
from edgecache.control.state.invalidations import InvalidationRequest
from edgecache.control.state.log import publish_config
from edgecache.control.state.migrations import BEFORE
from edgecache.observe.traffic_summary import TrafficSummary
from edgecache.rules.invalidation.items import items_of
from tests.control.dashboard.browser import Browsed, Browser
from tests.control.dashboard.reports import ReportingEdge
from tests.observe.test_traffic_summary import row

HOSTILE = '<script>alert("x")</script>'


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Browsed]:
    made = Browsed(tmp_path)
    publish_config(made.log, Config())
    yield made
    made.state.close()


@pytest.fixture
def browser(place: Browsed) -> Browser:
    made = Browser(place)
    assert made.logs_in(place.own_key()).status_code == 201
    return made


def reports(place: Browsed, node: ReportingEdge, seconds: int = 1, **counted: Any) -> None:
    for _ in range(seconds):
        node.count(**counted)
        place.control.nodes.report(node.name, node.status())
        place.now += 1
        asyncio.run(place.dashboard.recorder.step())


def state(place: Browsed) -> dict[str, Any]:
    asyncio.run(place.dashboard.recorder.step())
    asyncio.run(place.dashboard.publish())
    event = place.dashboard.publisher.newest.decode()
    kind, id, data, *rest = event.split("\n")
    assert (kind, rest) == ("event: state", ["", ""])
    assert id == f"id: {int(place.now) - 1}"
    document: dict[str, Any] = json.loads(data.removeprefix("data: "))
    return document


def test_the_state_has_what_nodes_report(place: Browsed) -> None:
    node = ReportingEdge(started_at=place.now)
    node.counters.store_bytes, node.counters.store_objects = 5_000, 7
    node.counters.memory["fills"] = 12
    reports(place, node, 10, times=3)
    reports(place, node, 1, result="Miss", pattern="/api/*", taken_s=0.03)
    told = state(place)
    assert (told["generation"], told["pages"], told["window_s"]) == (1, 0, 5)
    total = told["total"]
    assert (total["requests"], total["hit_ratio"], total["requests_s"]) == (31, 0.9677, 2.6)
    assert (total["hit_p99_s"], total["miss_p50_s"]) == (0.0005, 0.05)
    assert [one["name"] for one in told["behaviors"]] == ["E1 *", "E1 /api/*"]
    assert told["behaviors"][0]["errors_s"] is None
    for rows in ("distributions", "locations", "nodes_traffic"):
        assert [one["requests"] for one in told[rows]] == [31], rows
    (one,) = told["nodes"]
    assert (one["name"], one["alive"], one["drain"]) == ("edge-a-1", True, False)
    assert (one["store"]["bytes"], one["memory"]) == (5_000, {"fills": 12})
    assert told["stores"][0]["objects"] == 7
    assert told["memory"] == [{"tier": "edge", "location": "A", "kinds": {"fills": 12}}]
    assert told["control_memory"]["series"] > 0


def test_a_store_tells_what_left_it(place: Browsed) -> None:
    node = ReportingEdge(started_at=place.now)
    reports(place, node)
    assert state(place)["stores"][0]["evicted_s"] == 0
    node.counters.evicted, node.counters.stored = 8, 4
    reports(place, node, 2)
    store = state(place)["stores"][0]
    assert (store["evicted_s"], store["stored_s"], store["oldest_s"]) == (4.0, 2.0, None)


def test_a_node_that_is_silent_is_told(place: Browsed) -> None:
    reports(place, ReportingEdge(started_at=place.now))
    place.now += 20
    told = state(place)
    assert told["nodes"][0]["alive"] is False
    assert told["nodes"][0]["store"] is None
    assert any("has not reported" in line for line in told["problems"])


def test_an_invalidation_shows_whom_it_waits_for(place: Browsed) -> None:
    node = Instance("edge-a-1", "1")
    place.barrier.remove(BEFORE)  # no other control was here
    place.barrier.admit(node, place.log.live.last_seq)
    place.barrier.grant(node, place.log.live.last_seq)
    wanted = InvalidationRequest("E1", items_of(["/*", "/a"]), "r1")
    made, _ = place.invalidations.create(wanted)
    (told,) = state(place)["invalidations"]
    assert (told["id"], told["distribution"], told["paths"]) == (made.id, "E1", ["/*", "/a"])
    assert (told["status"], told["waiting_for"]) == ("InProgress", ["edge-a-1"])
    place.barrier.acknowledge(node, made.seq, made.seq)
    (told,) = state(place)["invalidations"]
    assert (told["status"], told["waiting_for"]) == ("Completed", [])
    place.now += 61
    assert state(place)["invalidations"] == []


def test_hostile_names_are_text_of_json(place: Browsed, browser: Browser) -> None:
    node = ReportingEdge(started_at=place.now, location=HOSTILE)
    reports(place, node, 10, pattern=f"/{HOSTILE}\n\nevent: end")
    told = state(place)
    assert told["locations"][0]["name"] == HOSTILE
    assert told["behaviors"][0]["name"] == f"E1 /{HOSTILE}\n\nevent: end"
    for by in ("location", "behavior"):
        answer = browser.asks("GET", f"/dashboard/series?range=5m&by={by}")
        assert answer.headers["content-type"] == "application/json"
        assert HOSTILE in answer.json()["series"][0]["name"]


def test_series_are_asked_with_their_bounds(place: Browsed, browser: Browser) -> None:
    reports(place, ReportingEdge(started_at=place.now), 3)
    answer = browser.asks("GET", "/dashboard/series?range=5m&by=distribution&name=E1")
    assert answer.status_code == 200
    assert PRIVATE.items() <= dict(answer.headers).items()
    assert answer.json()["series"][0]["requests_s"][-1] == 1.0
    for query, status in (("range=2h", 400), ("by=x", 400), ("by=node&name=x", 404)):
        assert browser.asks("GET", f"/dashboard/series?{query}").status_code == status


def test_rankings_are_asked_for(place: Browsed, browser: Browser) -> None:
    assert browser.asks("GET", "/dashboard/ranks?seconds=60").json()["requests"] == 0

    async def play() -> None:
        await place.dashboard.rankings.step()
        (wanted,) = place.control.log_readers.subscriptions()
        summary = TrafficSummary()
        summary.add([row(path=f"/{HOSTILE}")])
        batch = ReaderBatch(wanted.id, summary=summary.sample())
        place.control.log_readers.deliver("edge-a-1", msgspec.json.encode(ReaderBatches([batch])))
        await place.dashboard.rankings.step()

    asyncio.run(play())
    place.now += 20
    answer = browser.asks("GET", "/dashboard/ranks?seconds=60").json()
    assert answer["ranks"]["objects"]["rows"][0]["name"] == f"h/{HOSTILE}"
    for seconds in ("0", "61", "x", "1e9"):
        assert browser.asks("GET", f"/dashboard/ranks?seconds={seconds}").status_code == 400


def test_what_it_holds_stands_in_memory_bytes(place: Browsed) -> None:
    reports(place, ReportingEdge(started_at=place.now), 3)
    text = place.ask("GET", "/metrics").text
    (line,) = [one for one in text.splitlines() if 'kind="dashboard"' in one]
    assert 'tier="control"' in line
    assert float(line.rpartition(" ")[2]) == sum(place.dashboard.sizes().values()) > 0


def test_who_may_not_read_sees_nothing(place: Browsed, browser: Browser) -> None:
    stranger = Browser(place)
    for path in ("/dashboard/live", "/dashboard/series", "/dashboard/ranks"):
        assert stranger.asks("GET", path).status_code == 401, path
    place.dashboard.publisher.streams = STREAMS_MAX
    answer = browser.asks("GET", "/dashboard/live")
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "5")


def test_nothing_is_made_while_no_page_is_open(place: Browsed) -> None:
    async def play() -> None:
        waits = 0

        async def pause(seconds: float) -> None:
            nonlocal waits
            waits += 1
            if waits == 3:
                place.dashboard.publisher.streams = 1
            if waits == 5:
                raise EndedError

        place.dashboard._pause = pause
        with pytest.raises(EndedError):
            await place.dashboard.run()

    asyncio.run(play())
    assert place.dashboard.publisher.number == 2


class EndedError(Exception):
    """The test has seen enough."""


def test_what_another_control_may_have_heard_is_not_counted_again(place: Browsed) -> None:
    node = ReportingEdge(started_at=place.now).count(times=1_000)
    place.control.everywhere.controls = lambda: [{}, {}]  # type: ignore[method-assign]
    reports(place, node)
    assert place.dashboard.table.total.requests == 0
    assert SeriesName("node", "edge-a-1") not in place.dashboard.table.series
