"""Sizes and durations are read as people write them, and nothing else is."""

from __future__ import annotations

from pathlib import Path

import pytest

from edgecache.config.load import load
from edgecache.config.problems import ConfigError
from edgecache.config.units import parse_duration, parse_size, shown_size


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("0 B", 0),
        ("1 KiB", 1024),
        ("1KB", 1000),
        (" 256 MiB ", 268_435_456),
        ("1.5 GiB", 1_610_612_736),
        ("0.25 kib", 256),
        ("2 TiB", 2_199_023_255_552),
    ],
)
def test_sizes_are_read(text: str, size: int) -> None:
    assert parse_size(text) == size


@pytest.mark.parametrize(
    "text", ["", "MiB", "1", "-1 MiB", "1 MiB x", "1,5 MiB", "1e3 B", "0.3 B", "1 apples"]
)
def test_what_is_no_size_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="not a"):
        parse_size(text)


@pytest.mark.parametrize(
    ("size", "text"),
    [(268_435_456, "256 MiB"), (1000, "1000 bytes"), (1536, "1536 bytes"), (1 << 40, "1 TiB")],
)
def test_sizes_are_shown_exactly(size: int, text: str) -> None:
    assert shown_size(size) == text


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("0s", 0),
        ("90s", 90),
        ("5m", 300),
        (" 1h 30m ", 5_400),
        ("1h30m15s", 5_415),
        ("7d", 604_800),
        ("2w", 1_209_600),
        ("1.5h", 5_400),
        ("250ms", 0.25),
        ("1.5s", 1.5),
        ("1s500ms", 1.5),
    ],
)
def test_durations_are_read(text: str, seconds: float) -> None:
    found = parse_duration(text)
    assert found == seconds
    assert isinstance(found, int) == float(seconds).is_integer()


@pytest.mark.parametrize(
    "text", ["", " ", "5", "m", "-5m", "5 minutes", "5M", "30m1h", "1h1h", "1e3s", "5m x", "1,5h"]
)
def test_what_is_no_duration_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="not a duration"):
        parse_duration(text)


FILE = """
[control]
[limits]
head_s_max = {head}
[[cache_policies]]
name = "mine"
ttl_s_default = {ttl}
"""


def test_a_file_may_have_times_as_text(tmp_path: Path) -> None:
    path = tmp_path / "x.toml"
    path.write_text(FILE.format(head='"2m"', ttl='"1d"'))
    assert load(path).limits.head_s_max == 120


@pytest.mark.parametrize(
    ("head", "ttl", "problem"),
    [
        ('"5"', "1", 'limits.head_s_max: "5" is not a time (like "90s", "5m", "1h30m")'),
        ('"1h"', "1", "limits.head_s_max: 3600.0 is outside 0.05 to 300 seconds"),
        (
            "1",
            '"500ms"',
            "cache_policies[0].ttl_s_default: expected a whole number, got 0.5",
        ),
    ],
)
def test_times_that_cannot_be_are_told(head: str, ttl: str, problem: str, tmp_path: Path) -> None:
    path = tmp_path / "x.toml"
    path.write_text(FILE.format(head=head, ttl=ttl))
    with pytest.raises(ConfigError) as raised:
        load(path)
    assert [str(one) for one in raised.value.problems] == [problem]
