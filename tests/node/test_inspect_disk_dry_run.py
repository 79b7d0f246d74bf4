"""A dry run over a disk: begun by who asks first, told to who asks again, and nobody waits."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from edgecache.cluster.inspection import DiskNamed, DryRunQuery
from edgecache.node.inspect import SCANS_MAX, TOLD_S_MAX, DiskDryRun
from edgecache.rules.invalidation.items import items_of
from tests.world.play import Play, Scene

IMAGES = DryRunQuery("EPLAY", items_of(["/img/*"]))


@pytest.fixture
def play(tmp_path: Path) -> Iterator[Play]:
    made = Play(Scene(disk=tmp_path / "disk"))
    for path in ("/img/a", "/img/b", "/page"):
        made.viewer().asks(path)
        made.origin.hears(path)
        made.origin.answers(200, "x" * 300_000, cache="max-age=60")
        made.viewer().gets(200)
    yield made
    made.close()


def ask(play: Play, trials: DiskDryRun, trial: DryRunQuery = IMAGES) -> DiskNamed | None:
    found = trials.ask(play.edge, trial, play.clock())
    play.advance(0)
    return found


def test_who_asks_again_is_told(play: Play) -> None:
    trials = DiskDryRun()
    assert len(play.edge.store) == 0, "they are on disk alone"
    assert ask(play, trials) is None
    found = ask(play, trials)
    assert found is not None
    assert (found.entries, found.looked_at, found.held) == (2, 3, 3)
    assert 600_000 < found.size_bytes < 605_000
    assert ask(play, trials) is None, "the next question is a new one"


def test_what_nobody_came_back_for_is_looked_for_anew(play: Play) -> None:
    trials = DiskDryRun()
    ask(play, trials)
    play.advance(TOLD_S_MAX + 1)
    assert ask(play, trials) is None
    assert ask(play, trials) is not None


def test_looks_are_bounded(play: Play) -> None:
    trials = DiskDryRun()
    others = [DryRunQuery("EPLAY", items_of([f"/{number}"])) for number in range(SCANS_MAX)]
    assert [ask(play, trials, one) for one in others] == [None] * SCANS_MAX
    assert [ask(play, trials) for _ in range(2)] == [None, None]
    assert ask(play, trials, others[0]) is not None
    assert [ask(play, trials) is None for _ in range(2)] == [True, False]


def test_without_a_disk_there_is_nothing_on_it(tmp_path: Path) -> None:
    play = Play(Scene())
    assert ask(play, DiskDryRun()) == DiskNamed()
    play.close()
