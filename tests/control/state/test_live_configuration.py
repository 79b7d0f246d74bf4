"""Nodes are told the changes since the configuration they hold, or the newest whole."""

from __future__ import annotations

import msgspec
import pytest

from edgecache.cluster.log_entries import LogEntry, LogEntryKind
from edgecache.control.state import live_configuration
from edgecache.control.state.live_configuration import LiveConfiguration


def entry(seq: int, base: int = 0) -> tuple[LogEntry, int]:
    """A whole configuration, or with `base` a change that puts a distribution first."""
    if not base:
        body = b'{"distributions":[{"id":"E%d"}]}' % seq
        return LogEntry(seq, 1.0 * seq, LogEntryKind.CONFIG, msgspec.Raw(body)), len(body)
    body = b'{"base":%d,"put":[[0,{"id":"E%d"}]]}' % (base, seq)
    return LogEntry(seq, 1.0 * seq, LogEntryKind.CONFIG_CHANGE, msgspec.Raw(body)), len(body)


@pytest.fixture
def live() -> LiveConfiguration:
    """A whole one of number 3, and changes of numbers 5 and 8."""
    made = LiveConfiguration()
    for seq, base in ((2, 0), (3, 0), (5, 3), (8, 5)):
        made.append(*entry(seq, base))
    return made


@pytest.mark.parametrize(
    ("after", "held", "told"),
    [
        (0, 0, ["config 8"]),  # it begins
        (4, 3, ["config-change 5", "config-change 8"]),
        (5, 5, ["config-change 8"]),
        (7, 5, ["config-change 8"]),
        (8, 8, []),
        (9, 8, []),
        (4, 0, ["config 8"]),  # of a release that knows no changes
        (8, 0, []),
        (4, 2, ["config 8"]),  # what follows it is not known any more
        (4, 4, ["config 8"]),  # there never was one
        (3, 8, []),  # applied before the rest of the page was
    ],
)
def test_who_holds_what_is_told_what(
    live: LiveConfiguration, after: int, held: int, told: list[str]
) -> None:
    assert [f"{one.kind} {one.seq}" for one, _ in live.after(after, held)] == told


def test_the_whole_is_what_the_changes_lead_to(live: LiveConfiguration) -> None:
    whole, size = live.whole()
    assert bytes(whole.body) == b'{"distributions":[{"id":"E8"},{"id":"E5"},{"id":"E3"}]}'
    assert (whole.seq, whole.at, size) == (8, 8.0, len(bytes(whole.body)))
    assert live.whole()[0] is whole  # made once


@pytest.mark.parametrize("bound", ["CHANGES_MAX", "CHANGES_BYTES_MAX"])
def test_changes_that_are_kept_have_bounds(
    live: LiveConfiguration, monkeypatch: pytest.MonkeyPatch, bound: str
) -> None:
    monkeypatch.setattr(live_configuration, bound, 2 if bound == "CHANGES_MAX" else 80)
    live.append(*entry(9, 8))
    assert [one.seq for one, _ in live.after(5, 5)] == [8, 9]
    assert [one.kind for one, _ in live.after(5, 3)] == ["config"]
    monkeypatch.setattr(live_configuration, bound, 1)
    live.append(*entry(10, 9))
    assert [one.seq for one, _ in live.after(9, 9)] == [10]  # one alone may be larger


def test_a_change_follows_the_configuration_before_it(live: LiveConfiguration) -> None:
    with pytest.raises(AssertionError):
        live.append(*entry(9, 5))
