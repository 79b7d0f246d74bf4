"""Blocks of large objects through two tiers, invalidations, validation and restarts."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from edgecache.config.model import Limits
from tests.world.large import BODY, CACHE, SIZE, answers_everything, block, gives, starts
from tests.world.play import Play

Stage = Callable[..., Play]


@pytest.fixture
def play(stage: Stage) -> Play:
    return stage(limits=Limits(block_bytes=SIZE, object_bytes_max=30))


@pytest.fixture
def tiers(stage: Stage) -> Play:
    return stage(limits=Limits(block_bytes=SIZE, object_bytes_max=30), regional=True)


def test_an_invalidation_drops_all_blocks(play: Play) -> None:
    play.viewer().asks("/v", range="bytes=0-14")
    gives(play, 0, 1)
    play.viewer().gets(206)
    play.operator.invalidates("/v")
    play.viewer().asks("/v", range="bytes=0-14")
    gives(play, 0, 1)
    play.viewer().gets(206, BODY[:15], x_cache="Miss")


def test_a_block_fetched_before_an_invalidation_is_not_stored_after_it(play: Play) -> None:
    starts(play)
    play.origin.sends(BODY[:8])
    play.operator.invalidates("/v")
    play.origin.sends(BODY[8:])
    play.origin.ends()
    play.viewer().gets(200, BODY)
    play.viewer("b").asks("/v", range="bytes=0-1")
    gives(play, 0)
    play.viewer("b").gets(206, BODY[:2], x_cache="Miss")


def test_a_stale_object_is_validated_once_and_its_blocks_live_on(play: Play) -> None:
    play.viewer().asks("/v", range="bytes=0-14")
    gives(play, 0, 1)
    play.viewer().gets(206)
    play.advance(61)
    play.viewer().asks("/v", range="bytes=3-12")
    play.origin.hears("/v", if_none_match='"1"', range=None)
    play.origin.answers(304, etag='"1"', cache=CACHE)
    play.viewer().gets(206, BODY[3:13], x_cache="RefreshHit")
    play.viewer().asks("/v", range="bytes=3-12").gets(206, BODY[3:13], x_cache="Hit")
    play.origin.hears_nothing()


def test_a_block_that_shows_the_version_still_stands_is_fetched_once(
    play: Play, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However large blocks are: nobody reads it until those before it are sent."""
    monkeypatch.setattr("edgecache.cache.fill.REST_BYTES_WORTH_FINISHING", 0)
    play.viewer().asks("/v", range="bytes=0-19")
    gives(play, 0, 1)
    play.viewer().gets(206)
    play.viewer("b").asks("/v")
    play.origin.hears("/v", range=block(2))
    place = f"bytes 20-29/{len(BODY)}"
    play.origin.answers(
        206, None, cache=CACHE, etag='"1"', content_range=place, content_length="10"
    )
    play.origin.sends(BODY[20:30])
    play.origin.ends()
    gives(play, 3, 4)
    play.viewer("b").gets(200, BODY, x_cache="Hit")
    play.origin.hears_nothing()


def test_a_refresh_in_the_background_fetches_no_blocks(stage: Stage) -> None:
    play = stage(limits=Limits(block_bytes=SIZE))
    play.viewer().asks("/v", range="bytes=0-0")
    play.origin.hears("/v", range=block(0))
    cache = "max-age=60, stale-while-revalidate=600"
    play.origin.answers(206, BODY[:10], cache=cache, etag='"1"', content_range="bytes 0-9/45")
    play.viewer().gets(206)
    play.advance(61)
    play.viewer().asks("/v", range="bytes=0-4").gets(206, BODY[:5], x_cache="Hit")
    play.origin.hears("/v", if_none_match='"1"')
    play.origin.answers(304, etag='"1"', cache=cache)
    play.origin.hears_nothing()


def test_an_edge_asks_regional_for_blocks_and_regional_the_origin(tiers: Play) -> None:
    tiers.viewer().asks("/v", range="bytes=23-25")
    gives(tiers, 2)
    tiers.viewer().gets(206, BODY[23:26], x_cache="Miss")
    assert tiers.regional is not None
    tiers.edge.store.remove(next(iter(tiers.edge.store)).key)
    tiers.viewer().asks("/v")
    gives(tiers, 0, 1, 3, 4)
    tiers.viewer().gets(200, BODY)
    tiers.viewer().asks("/v", range="bytes=1-44").gets(206, BODY[1:], x_cache="Hit")
    tiers.origin.hears_nothing()


@pytest.mark.parametrize("regional", [False, True], ids=["one-tier", "two-tiers"])
@pytest.mark.parametrize("stored", ["0-0", "0-19", "0-0,12-12,31-31"])
@pytest.mark.parametrize("wanted", [None, "bytes=5-40"], ids=["all", "range"])
def test_a_download_does_not_break_off_behind_a_stored_part_of_a_former_version(
    stored: str, wanted: str | None, regional: bool, stage: Stage
) -> None:
    """Nothing was sent yet that would force it."""
    play = stage(limits=Limits(block_bytes=SIZE, object_bytes_max=30), regional=regional)
    for part in stored.split(","):
        play.viewer().asks("/v", range=f"bytes={part}")
        answers_everything(play, BODY, '"1"')
        play.viewer().gets(206)
    new = BODY.upper()
    play.viewer().asks("/v", **({} if wanted is None else {"range": wanted}))
    answers_everything(play, new, '"2"')
    if wanted is None:
        play.viewer().gets(200, new)
    else:
        play.viewer().gets(206, new[5:41])


def test_regional_may_have_more_of_the_former_version_than_the_edge(tiers: Play) -> None:
    """What regional has says nothing of the origin: the edge goes on until that is asked."""
    tiers.viewer().asks("/v", range="bytes=0-29")
    answers_everything(tiers, BODY, '"1"')
    tiers.viewer().gets(206)
    stored = tiers.edge.store.keys()
    for key in stored:
        if b"block" in key and not key.endswith(b"0"):
            tiers.edge.store.remove(key)
    tiers.viewer().asks("/v")
    answers_everything(tiers, BODY.upper(), '"2"')
    tiers.viewer().gets(200, BODY.upper())


def test_all_of_it_streams_through_both_tiers_once(tiers: Play) -> None:
    starts(tiers)
    for at in range(0, 45, 9):
        tiers.origin.sends(BODY[at : at + 9])
    tiers.origin.ends()
    tiers.viewer().gets(200, BODY, x_cache="Miss")
    tiers.viewer().asks("/v").gets(200, BODY, x_cache="Hit")
    tiers.origin.hears_nothing()


def test_blocks_are_found_again_after_a_restart(stage: Stage, tmp_path: Path) -> None:
    play = stage(limits=Limits(block_bytes=SIZE), disk=tmp_path / "disk")
    play.viewer().asks("/v", range="bytes=0-14")
    gives(play, 0, 1)
    play.viewer().gets(206)
    play.restart()
    play.viewer().asks("/v", range="bytes=3-12").gets(206, BODY[3:13], x_cache="Hit")
    play.viewer().asks("/v", range="bytes=19-20")
    gives(play, 2)
    play.viewer().gets(206, BODY[19:21])
