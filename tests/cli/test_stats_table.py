"""The tables people read: all that was told, and nothing that a terminal would obey."""

from __future__ import annotations

import io

import pytest
from rich.console import Console
from typer.testing import CliRunner

from edgecache.cli.main import app
from edgecache.cli.stats import (
    format_duration,
    format_size,
    print_distributions,
    print_objects,
    print_stats,
)
from edgecache.cluster.inspection import ListedObject, StoreObjects, StoreStats
from edgecache.control.rest.inventory import PlaceInventory
from edgecache.observe.counters import Counters
from tests.world.counting import Counted, count


def console() -> Console:
    return Console(file=io.StringIO(), width=200)


def text_of(made: Console) -> str:
    assert isinstance(made.file, io.StringIO)
    return made.file.getvalue()


def test_every_figure_of_a_store() -> None:
    counters = Counters()
    counters.store_objects, counters.store_bytes = 1_234, 5 * 2**20
    counters.disk_objects, counters.disk_bytes = 77, 3 * 2**30
    count(counters, Counted("Hit", 99))
    counters.misses.update(absent=5, expired=70)
    counters.removals.update(size=3)
    node = StoreStats("a1", "edge", "A", 256 * 2**20, 7_300.0, counters.snapshot())
    out = console()
    print_stats([PlaceInventory("A", "edge", (node,), "only 1 of 2 workers were met")], out)
    text = text_of(out)
    for words in ("a1", "1234", "5 MiB", "256 MiB", "99", "expired 70, absent 5", "size 3"):
        assert words in text
    assert "2 h" in text
    assert "77, 3 GiB" in text
    assert "A: only 1 of 2 workers were met" in text


def test_what_became_of_logs_for_buckets() -> None:
    counters = Counters()
    counters.labeled["log_files_delivered"].labels("logs").value = 12
    counters.labeled_gauges["log_files_waiting"].labels("logs").value = 3
    counters.labeled_gauges["log_files_waiting"].labels("well").value = 0
    counters.labeled_gauges["log_oldest_waiting"].labels("logs").value = 7_300
    counters.log_lines_lost = 5
    node = StoreStats("a1", "edge", "A", 2**20, None, counters.snapshot())
    out = console()
    print_stats([PlaceInventory("A", "edge", (node,))], out)
    assert text_of(out).splitlines()[-3:] == [
        "a1: logs: logs: 12 files delivered, 3 wait, the oldest for 2 h",
        "a1: logs: well: 0 files delivered",
        "a1: logs: 5 lines lost",
    ]


def test_the_ratios_of_a_distribution() -> None:
    counters = count(
        Counters(), Counted("Hit", 3, "EONE", bytes_out=2**20), Counted("Miss", 1, "EONE")
    )
    node = StoreStats("a1", "edge", "A", 1, None, counters.snapshot())
    out = console()
    print_distributions([PlaceInventory("A", "edge", (node,))], out)
    row = text_of(out).splitlines()[-1].split()
    assert row == ["edge", "EONE", "4", "75.0%", "3", "MiB", "100.0%"]


def test_every_figure_of_an_object_and_no_control_byte() -> None:
    one = ListedObject("EONE", "/a\x1b[31m[bold]", "h", 2_048, 7, 90.0, -61.0)
    node = StoreObjects("a1", "edge", "A", (one,), 100_000, 250_000)
    out = console()
    print_objects([PlaceInventory("A", "edge", (node,))], out)
    text = text_of(out)
    assert "\x1b" not in text
    for words in (r"/a\x1b[31m[bold]", "EONE", "2 KiB", "7", "2 min", "-1 min"):
        assert words in text
    assert "a1: the 100000 oldest of 250000 objects" in text


@pytest.mark.parametrize(
    ("octets", "told"),
    [(0, "0 B"), (999, "999 B"), (1_000, "0.977 KiB"), (1_536, "1.5 KiB"), (2**50, "1.02e+03 TiB")],
)
def test_sizes(octets: int, told: str) -> None:
    assert format_size(octets) == told


@pytest.mark.parametrize(
    ("seconds", "told"), [(0, "0 s"), (59, "59 s"), (61, "1 min"), (7_200, "2 h"), (90_000, "1 d")]
)
def test_durations(seconds: float, told: str) -> None:
    assert format_duration(seconds) == told


def test_a_prefix_is_the_beginning_of_a_path() -> None:
    told = CliRunner().invoke(app, ["objects", "--prefix", "assets"])
    assert told.exit_code == 2
    assert '"assets" is not the start of a path' in told.stderr
