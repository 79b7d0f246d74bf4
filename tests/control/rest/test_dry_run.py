"""A dry run: asked of every node, spelled in a field, bounded."""

from __future__ import annotations

import pytest

from edgecache.cluster.inspection import SPELLED_BYTES_MAX, DiskNamed, DryRunQuery
from edgecache.node.inspect import dry_run_result
from edgecache.rules.invalidation.items import items_of
from tests.world.play import Play

WHO = ("edge-a", "edge", "LHR50")


def test_a_trial_is_spelled_and_read_back() -> None:
    trial = DryRunQuery("E1", items_of(["/a*", "#t"]))
    assert DryRunQuery.read(trial.spell()) == trial


@pytest.mark.parametrize("spelled", [b"named:", b"named:%%%", b"named:e30=", b"named:" + b"A" * 9])
def test_what_is_no_trial_is_refused(spelled: bytes) -> None:
    with pytest.raises(ValueError, match=r"\S"):
        DryRunQuery.read(spelled)


def test_one_that_is_too_long_is_refused() -> None:
    with pytest.raises(ValueError, match="too many items"):
        DryRunQuery("E1", items_of(["/" + "a" * 3_000] * (SPELLED_BYTES_MAX // 3_000 + 1))).spell()


def test_what_would_go_is_counted_and_stays(play: Play) -> None:
    for path in ("/img/a", "/img/b", "/page"):
        play.viewer().asks(path)
        play.origin.hears(path)
        play.origin.answers(200, "x", cache="max-age=60")
        play.viewer().gets(200)
    found = dry_run_result(WHO, play.edge, DryRunQuery("EPLAY", items_of(["/img/*"])), DiskNamed())
    assert (found.entries, found.looked_at, found.held) == (2, 3, 3)
    assert found.examples == ("/img/a", "/img/b")
    assert found.size_bytes > 2
    other = DryRunQuery("EOTHER", items_of(["/*"]))
    assert dry_run_result(WHO, play.edge, other, DiskNamed()).entries == 0
    play.viewer().asks("/img/a").gets(200, "x", x_cache="Hit")
