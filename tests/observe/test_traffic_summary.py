"""Summaries: what they count of records, and that they add up."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgecache.observe.heavy_hitters import NAME_BYTES_MAX
from edgecache.observe.histogram import HistogramSample
from edgecache.observe.log_filter import FILTER_COLUMNS
from edgecache.observe.traffic_summary import (
    LATENCY_SECONDS,
    RANKINGS,
    TrafficSample,
    TrafficSummary,
    quantile,
)

WIDTH = max(FILTER_COLUMNS.values()) + 1


def row(**told: str) -> list[bytes]:
    made = [b"-"] * WIDTH
    usual = {
        "x-host-header": "h", "cs-uri-stem": "/a", "sc-status": "200", "c-ip": "192.0.2.1",
        "x-edge-result-type": "Hit", "time-taken": "0.000", "sc-bytes": "100",
    }  # fmt: skip
    names = {
        "path": "cs-uri-stem", "status": "sc-status", "ip": "c-ip", "taken": "time-taken",
        "result": "x-edge-result-type", "origin": "origin-id", "referer": "cs(Referer)",
        "agent": "cs(User-Agent)",
    }  # fmt: skip
    for name, value in (usual | {names.get(n, n): v for n, v in told.items()}).items():
        made[FILTER_COLUMNS[name]] = value.encode()
    return made


def test_each_ranking_counts_what_it_is_for() -> None:
    made = TrafficSummary()
    made.add(
        [
            row(),
            row(referer="https://a.test/"),
            row(path="/b", result="Miss", reason="absent", origin="web", taken="0.100"),
            row(path="/c", result="Error", status="503", reason="refused", ip="192.0.2.2"),
        ]
    )
    told = made.sample()
    assert {name: one.counts for name, one in told.rankings.items()} == {
        "objects": {"h/a": 2, "h/b": 1, "h/c": 1},
        "misses": {"absent h/b": 1},
        "reasons": {"absent": 1, "refused": 1},
        "origins": {"web": 1},
        "viewers": {"192.0.2.1": 3, "192.0.2.2": 1},
        "errors": {"503 h/c": 1},
        "referrers": {"https://a.test/": 1},
        "protocols": {"-": 4},
        "countries": {"-": 4},
        "devices": {},
    }
    assert (told.requests, told.bytes_out) == (4, 400)
    assert told.outcomes == {"hit": 2, "miss": 1, "other": 1}
    assert made.viewers.estimate() == 2
    assert {name: sum(one["counts"]) for name, one in told.latencies.items()} == told.outcomes


def test_countries_and_devices_are_looked_up_once_for_each_viewer_and_agent() -> None:
    asked: list[object] = []

    def of_address(address: str) -> tuple[str, str]:
        asked.append(address)
        return ("GB" if address == "192.0.2.1" else "", "")

    def of_agent(agent: bytes) -> bytes:
        asked.append(agent)
        return b"mobile" if agent == b"phone" else b"desktop"

    made = TrafficSummary()
    rows = [row(agent="phone"), row(agent="phone"), row(), row(ip="192.0.2.2")]
    made.add(rows, of_address, of_agent)
    rankings = made.sample().rankings
    assert rankings["countries"].counts == {"GB": 3, "-": 1}
    assert rankings["devices"].counts == {"mobile": 2, "desktop": 2}
    assert len(asked) == 4


def test_a_name_that_is_long_is_cut() -> None:
    made = TrafficSummary()
    made.add([row(path="/" + "a" * 5_000)])
    (name,) = made.sample().rankings["objects"].counts
    assert len(name) == NAME_BYTES_MAX


rows = st.lists(
    st.builds(
        row,
        path=st.sampled_from(["/a", "/b", "/c"]),
        ip=st.sampled_from(["192.0.2.1", "192.0.2.2"]),
        result=st.sampled_from(["Hit", "RefreshHit", "Miss", "Error"]),
        taken=st.sampled_from(["0.000", "0.001", "0.250", "99.000"]),
    ),
    max_size=12,
)


@settings(max_examples=25)
@given(st.lists(rows, max_size=4))
def test_summaries_add_up(parts: list[list[list[bytes]]]) -> None:
    """Over the wire, too."""
    whole, total = TrafficSummary(), TrafficSummary()
    for part in parts:
        whole.add(part)
        one = TrafficSummary()
        one.add(part)
        sent = msgspec.json.encode(one.sample())
        total.merge(msgspec.json.decode(sent, type=TrafficSample))
    left, right = total.sample(), whole.sample()
    assert left.rankings == right.rankings
    assert (left.requests, left.bytes_out, left.viewers) == (
        right.requests,
        right.bytes_out,
        right.viewers,
    )
    assert +total.outcomes == whole.outcomes
    assert {k: v["counts"] for k, v in left.latencies.items()} == {
        k: v["counts"] for k, v in right.latencies.items()
    }


def test_what_is_taken_is_forgotten() -> None:
    made = TrafficSummary()
    assert made.take() is None
    made.add([row()])
    empty = TrafficSummary().size_bytes
    assert made.size_bytes > empty
    taken = made.take()
    assert taken is not None
    assert taken.requests == 1
    assert made.take() is None
    assert made.size_bytes == empty


def histogram(*counts: int) -> HistogramSample:
    return {"bounds": [0.1, 1.0], "counts": list(counts), "sum": 0.0}


@pytest.mark.parametrize(
    ("counts", "share", "bound"),
    [
        ((0, 0, 0), 0.5, 0.0),
        ((1, 0, 0), 0.5, 0.1),
        ((1, 1, 0), 0.5, 0.1),
        ((1, 1, 0), 0.51, 1.0),
        ((99, 1, 0), 0.99, 0.1),
        ((98, 1, 1), 0.995, float("inf")),
    ],
)
def test_a_quantile_is_the_bound_of_its_part(
    counts: tuple[int, ...], share: float, bound: float
) -> None:
    assert quantile(histogram(*counts), share) == bound


@pytest.mark.parametrize(
    "odd",
    [
        TrafficSample(viewers="AAAA"),
        TrafficSample(latencies={"hit": {"bounds": [1.0], "counts": [1], "sum": 0.0}}),
        TrafficSample(latencies={"hit": {"bounds": [2.0, 1.0], "counts": [1, 1, 1], "sum": 0.0}}),
    ],
)
def test_what_is_no_sample_is_not_added(odd: TrafficSample) -> None:
    with pytest.raises(ValueError, match=r"registers|agree"):
        TrafficSummary().merge(odd)


def test_names_that_nobody_counts_are_left_out() -> None:
    made = TrafficSummary()
    made.merge(TrafficSample(requests=1, outcomes={"odd": 5}, rankings={}, latencies={}))
    assert "odd" not in made.sample().outcomes
    assert set(made.sample().rankings) == set(RANKINGS)


def test_bounds_of_durations_grow() -> None:
    assert list(LATENCY_SECONDS) == sorted({*LATENCY_SECONDS})
