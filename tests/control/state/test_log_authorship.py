"""Who wrote each number of the log, and what: kept beside it, in its order, and bounded."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from edgecache.cluster.log_entries import LogEntryKind
from edgecache.config.model import Config
from edgecache.control.state.catalog import Catalog
from edgecache.control.state.database import (
    BY_CONTROL,
    CHANGES_MAX,
    CHANGES_OWN_MAX,
    CHANGES_PRUNED_EVERY,
    SUMMARY_CHARS_MAX,
    Authorship,
    StateDatabase,
)
from edgecache.control.state.log import WRITES_KEPT_S, ControlLog
from tests.control.conftest import Opener

BY_ANN = Authorship("ann", "UpdateDistribution E1")


@pytest.fixture
def state(opened: Opener) -> Iterator[StateDatabase]:
    state = opened()
    yield state
    state.close()


def written(state: StateDatabase) -> list[tuple[int, str, str, str]]:
    """What is kept of each number, by number."""
    rows = state.execute("SELECT seq, author, kind, summary FROM changes ORDER BY seq").fetchall()
    return [tuple(row) for row in rows]


def test_an_entry_is_kept_with_its_author(state: StateDatabase) -> None:
    log = ControlLog(state, lambda: 7.5)
    log.append("config", {}, None, BY_ANN)
    log.append("invalidation", {})
    assert written(state) == [
        (1, "ann", "config", "UpdateDistribution E1"),
        (2, "control", "invalidation", ""),
    ]
    assert state.execute("SELECT DISTINCT at FROM changes").fetchall()[0][0] == 7.5
    marks = [mark for (mark,) in state.execute("SELECT mark FROM changes")]
    assert len({*marks}) == 2
    assert all(len(bytes.fromhex(mark)) == 8 for mark in marks)


def test_what_was_not_written_has_no_author(state: StateDatabase) -> None:
    log = ControlLog(state, lambda: 7.5)

    def fail(_seq: int) -> None:
        raise LookupError

    with pytest.raises(LookupError):
        log.append("config", {}, fail, BY_ANN)
    with pytest.raises(LookupError), log.recorded(BY_ANN):
        raise LookupError
    assert written(state) == []


def test_a_change_that_is_no_news_for_nodes_has_a_number(state: StateDatabase) -> None:
    """They hear of the number alone, also of a control that has just begun."""
    log = ControlLog(state, lambda: 7.5)
    log.append("config", {"n": 1})
    with log.recorded(Authorship("ann", "drain_node LHR50")):
        pass
    for live in (log.live, ControlLog(state, lambda: 7.5).live):
        page = live.after(1)
        assert (page.entries, page.upto, page.last_seq) == ([], 2, 2)
        assert [entry.seq for entry in live.after(0).entries] == [1]
        assert (live.invalidations, live.generation) == (0, 1)
    assert written(state)[1] == (2, "ann", "write", "drain_node LHR50")


def test_what_nodes_are_not_told_of_does_not_fill_the_log(state: StateDatabase) -> None:
    now = [0.0]
    log = ControlLog(state, lambda: now[0])
    for at in range(5):
        now[0] = at * WRITES_KEPT_S
        log.record(BY_ANN)
    left = "SELECT count(*) FROM log WHERE kind = ?"
    assert state.execute(left, (LogEntryKind.WRITE,)).fetchone()[0] == 2
    assert len(written(state)) == 5


def test_a_change_of_nothing_that_is_published_is_kept_too(state: StateDatabase) -> None:
    log = ControlLog(state, lambda: 7.5)
    catalog = Catalog(state, log, Config(), lambda: 7.5, lambda count: b"x" * count)
    catalog.publish(Config(), starting=True)
    with catalog.changing(BY_ANN):
        pass
    assert written(state) == [
        (1, "file", "config", "control started"),
        (2, "ann", "write", "UpdateDistribution E1"),
    ]
    assert catalog.generation == 1


def test_the_newest_are_kept(state: StateDatabase) -> None:
    """Of control's own invalidations, of which the probe makes one each few seconds, fewer."""
    row = "INSERT INTO changes VALUES (?, 'ab', 0, ?, ?, '')"
    most = CHANGES_MAX + 150
    with state.writing():
        state.begin_after(most)
        kinds = [("ann", "config")] * most
        kinds[most - CHANGES_OWN_MAX - 50 :: 2] = [(BY_CONTROL, "invalidation")] * (
            (CHANGES_OWN_MAX + 50) // 2
        )
        state.execute_many(row, [(n + 1, *kind) for n, kind in enumerate(kinds)])
    log = ControlLog(state, lambda: 0.0)
    while log.record(BY_ANN) % CHANGES_PRUNED_EVERY:
        pass
    kept = written(state)
    assert len(kept) == CHANGES_MAX
    own = [seq for seq, author, kind, _ in kept if (author, kind) == (BY_CONTROL, "invalidation")]
    assert 0 < len(own) < CHANGES_OWN_MAX // 2
    assert own[0] > log.last_seq - CHANGES_OWN_MAX


def test_a_summary_is_a_short_line(state: StateDatabase) -> None:
    log = ControlLog(state, lambda: 0.0)
    log.record(Authorship("ann", "a\x1b[31m\n\0b" + "x" * 500))
    ((_, _, _, summary),) = written(state)
    assert summary.startswith("a?[31m??bx")
    assert len(summary) == SUMMARY_CHARS_MAX
    assert summary.endswith("x…")
