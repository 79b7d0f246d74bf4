"""How much of the log is told for a reserve's sake: by time, and never so much that it is full."""

from __future__ import annotations

import pytest

from edgecache.cluster.log_entries import LogEntry, LogEntryKind
from edgecache.control.state import invalidations
from edgecache.control.state.invalidations import history_start
from edgecache.control.state.live_log import LiveLog

PATH, GLOB = ("path", "/a"), ("glob", "/*a*")


def live(*ats: float, items: tuple[tuple[str, str], ...] = (PATH,), size: int = 100) -> LiveLog:
    made = LiveLog("epoch", 0, 0)
    for seq, at in enumerate(ats, 1):
        body = {"distribution": "E1", "items": [*items]}
        made.append(LogEntry(seq, at, LogEntryKind.INVALIDATION, body), size)
    return made


def test_what_came_since_is_told() -> None:
    log = live(1.0, 2.0, 3.0)
    assert [history_start(log, since) for since in (0.0, 1.0, 1.5, 3.0, 9.0)] == [0, 0, 1, 2, 3]


def test_an_empty_log_tells_nothing() -> None:
    assert history_start(live(), 5.0) == 0


def test_the_number_is_an_invalidations() -> None:
    """Marks are, so that one of before a configuration is not taken for one too old."""
    log = live(1.0)
    log.append(LogEntry(2, 2.0, LogEntryKind.CONFIG, {}), 10)
    assert history_start(log, 3.0) == 1


@pytest.mark.parametrize(
    ("bound", "most", "log"),
    [
        ("LIVE_MAX", 8, live(*[1.0] * 5)),
        ("LIVE_ITEMS_MAX", 16, live(*[1.0] * 5, items=(PATH, PATH))),
        ("LIVE_BYTES_MAX", 800, live(*[1.0] * 5)),
        ("GLOBS_MAX", 8, live(*[1.0] * 5, items=(GLOB,))),
    ],
    ids=["invalidations", "items", "bytes", "globs"],
)
def test_it_takes_half_of_each_bound_and_then_lets_half_of_that_go(
    bound: str, most: int, log: LiveLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(invalidations, bound, 2 * most)
    assert history_start(log, 0.0) == 0
    monkeypatch.setattr(invalidations, bound, most)
    assert history_start(log, 0.0) == 3  # two of five are a quarter of eight
