"""Rankings and histograms in a terminal."""

from __future__ import annotations

import pytest
from typer.testing import CliRunner

from edgecache.cli.main import app
from edgecache.cli.top import hist_lines, top_document, top_lines
from edgecache.observe.traffic_summary import TrafficSummary
from tests.observe.test_traffic_summary import row


def summary() -> TrafficSummary:
    made = TrafficSummary()
    made.add(
        [
            *[row()] * 6,
            row(path="/b%1B%5B2J", result="Miss", reason="absent", origin="web", taken="0.250"),
            row(path="/c", result="Error", status="503", taken="70.000"),
        ]
    )
    return made


def test_rankings_have_counts_shares_and_nothing_that_is_obeyed() -> None:
    lines = top_lines(summary(), 2, 4)
    assert lines[0] == "8 requests in 4 s (2/s), 800 B, hit ratio 85.7%, about 1 viewers"
    assert lines[1:5] == ["", "objects", "  6  75.0%  h/a", "  1  12.5%  h/c"]
    assert "  1  100.0%  absent h/b\\x1b[2J" in lines
    assert "  1  100.0%  503 h/c" in lines
    assert all(line.isprintable() for line in lines)
    assert "referrers" not in lines


def test_a_sample_is_told_for_all_and_bounds_are_said() -> None:
    made = summary()
    made.rankings["objects"].error = 3
    lines = top_lines(made, 1, 4, 10)
    assert lines[0].startswith("80 requests in 4 s (20/s), 7.81 KiB")
    assert lines[2] == "objects (each may be 3 more)"


def test_of_nothing_nothing_is_told() -> None:
    assert top_lines(TrafficSummary(), 5, 0.2) == [
        "0 requests in 0 s (0/s), 0 B, hit ratio -, about 0 viewers"
    ]
    assert hist_lines(TrafficSummary()) == ["no requests"]


def test_programs_get_bounds() -> None:
    told = top_document(summary(), 1, 4.04)
    assert told["rankings"]["objects"] == [{"name": "h/a", "at_least": 6, "at_most": 6}]
    assert (told["requests"], told["viewers"], told["seconds"]) == (8, 1, 4.0)
    assert told["rankings"]["referrers"] == []


def test_durations_of_hits_and_misses_beside_each_other() -> None:
    lines = hist_lines(summary())
    assert lines[:3] == [
        "hit: 6 requests, p50 ≤ 0.5 ms, p90 ≤ 0.5 ms, p99 ≤ 0.5 ms",
        "miss: 1 requests, p50 ≤ 300 ms, p90 ≤ 300 ms, p99 ≤ 300 ms",
        "other: 1 requests, p50 > 60 s, p90 > 60 s, p99 > 60 s",
    ]
    assert f"  ≤ 0.5 ms  hit          6  {'|' * 40}" in lines
    assert f"            miss         1  {'#' * 7}" in lines
    assert f"            other        1  {'.' * 7}" in lines
    assert lines[-3].startswith("    > 60 s  hit ")


@pytest.mark.parametrize("command", ["top", "hist"])
def test_without_a_terminal_it_is_told_once_or_not(command: str) -> None:
    result = CliRunner().invoke(app, [command])
    assert result.exit_code == 2
    assert "--once" in result.output
