"""A disk behind memory: what it has is found again, judged as if it had never left memory."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from edgecache.store.disk.availability import TRY_AGAIN_S
from tests.world.play import Play

LARGE = "0123456789abcdef" * 160_000  # 2.5 MB, three pieces

Stage = Callable[..., Play]


@pytest.fixture
def play(stage: Stage, tmp_path: Path) -> Play:
    return stage(disk=tmp_path / "disk")


def fill(play: Play, target: str = "/a", body: str = "one", **fields: str) -> None:
    cache = fields.pop("cache", "max-age=60")
    play.viewer().asks(target)
    play.origin.hears(target)
    play.origin.answers(200, body, cache=cache, **fields)
    play.viewer().gets(200, body)


def restart(play: Play) -> None:
    play.restart()
    play.operator.applies()


def test_a_restart_is_warm(play: Play) -> None:
    fill(play, etag='"1"')
    restart(play)
    play.advance(7)
    got = play.viewer().asks("/a").gets(200, "one", x_cache="Hit", cache_status="hit; ttl=53")
    assert got.field("age") == "7"
    assert (got.field("cache-status") or "").endswith("detail=disk")
    play.origin.hears_nothing()
    got = play.viewer().asks("/a").gets(200, "one", x_cache="Hit")
    assert "disk" not in (got.field("cache-status") or "")


def test_a_regional_cache_is_warm_for_its_edges(stage: Stage, tmp_path: Path) -> None:
    play = stage(regional=True, disk=tmp_path / "disk")
    fill(play)
    restart(play)
    play.viewer().asks("/a").gets(200, "one", x_cache="Hit")
    play.origin.hears_nothing()


def test_all_who_wait_share_one_look(play: Play) -> None:
    fill(play)
    restart(play)
    for name in "abc":
        play.viewer(name).asks("/a")
    for name in "abc":
        play.viewer(name).gets(200, "one", x_cache="Hit")
    assert play.counters.disk_hits == 1


@pytest.mark.parametrize("body", ["one", LARGE], ids=["small", "large"])
def test_what_was_invalidated_is_not_served_after_a_restart(play: Play, body: str) -> None:
    fill(play, body=body)
    play.operator.accepts("/a")
    restart(play)
    play.viewer().asks("/a")
    play.origin.hears("/a", if_none_match=None)
    play.origin.answers(200, "two", cache="max-age=60")
    play.viewer().gets(200, "two", x_cache="Miss")


def test_what_was_checked_stands_after_a_restart(play: Play) -> None:
    play.operator.invalidates("/b")
    fill(play)
    play.operator.invalidates("/c")
    restart(play)
    play.viewer().asks("/a").gets(200, "one", x_cache="Hit")


def test_what_was_invalidated_softly_is_stale_after_a_restart(play: Play) -> None:
    fill(play, etag='"1"')
    play.operator.accepts("/a", soft=True)
    restart(play)
    play.viewer().asks("/a")
    play.origin.hears("/a", if_none_match='"1"')
    play.origin.answers(304, etag='"1"', cache="max-age=60")
    play.viewer().gets(200, "one", x_cache="RefreshHit")


@pytest.mark.parametrize("body", ["one", LARGE], ids=["small", "large"])
def test_what_is_stale_on_disk_is_validated(play: Play, body: str) -> None:
    fill(play, body=body, etag='"1"')
    restart(play)
    play.advance(61)
    play.viewer().asks("/a")
    play.origin.hears("/a", if_none_match='"1"')
    play.origin.answers(304, etag='"1"', cache="max-age=100")
    play.viewer().gets(200, body, x_cache="RefreshHit")
    restart(play)
    play.advance(99)
    play.viewer().asks("/a").gets(200, body, x_cache="Hit")


def test_a_range_of_what_is_stale_on_disk_leaves_no_flight(stage: Stage, tmp_path: Path) -> None:
    play = stage(semantics="rfc9111", disk=tmp_path / "disk")
    fill(play, etag='"1"')
    restart(play)
    play.advance(61)
    play.viewer().asks("/a", range="bytes=0-1")
    play.origin.hears("/a", if_none_match='"1"')
    play.origin.answers(304, etag='"1"', cache="max-age=100")
    play.viewer().gets(206, "on")


def test_what_is_stale_on_disk_stands_in_for_an_origin_that_is_gone(play: Play) -> None:
    fill(play, body=LARGE, cache="max-age=60, stale-if-error=600")
    restart(play)
    play.advance(61)
    play.viewer().asks("/a")
    play.origin.hears("/a")
    play.origin.fails()
    play.viewer().gets(200, LARGE, x_cache="Hit")


def test_what_is_stale_on_disk_may_be_served_while_it_is_renewed(play: Play) -> None:
    fill(play, cache="max-age=60, stale-while-revalidate=600", etag='"1"')
    restart(play)
    play.advance(61)
    play.viewer().asks("/a").gets(200, "one", x_cache="Hit")
    play.origin.hears("/a", if_none_match='"1"')
    play.origin.answers(200, "two", cache="max-age=60")
    play.viewer().asks("/a").gets(200, "two", x_cache="Hit")


def test_a_large_body_is_served_from_disk(play: Play) -> None:
    fill(play, body=LARGE, etag='"1"')
    for _ in range(2):
        play.viewer().asks("/a").gets(200, LARGE, x_cache="Hit")
        play.viewer().asks("/a", method="HEAD").gets(200, "", x_cache="Hit")
        play.viewer().asks("/a", if_none_match='"1"').gets(304, "", x_cache="Hit")
        first, last = 1_000_000, 2_200_000
        got = play.viewer().asks("/a", range=f"bytes={first}-{last}")
        got.gets(206, LARGE[first : last + 1], x_cache="Hit")
        play.viewer().asks("/a", range="bytes=9999999-").gets(416, "")
        restart(play)
    assert not len(play.edge.store)


def test_what_decayed_is_fetched_anew(play: Play, tmp_path: Path) -> None:
    fill(play, body=LARGE)
    path = next(tmp_path.glob("disk/bodies/*/*"))
    path.write_bytes(b"?" + path.read_bytes()[1:])
    play.viewer().asks("/a")
    play.origin.hears("/a")
    play.origin.answers(200, "two", cache="max-age=60")
    play.viewer().gets(200, "two", x_cache="Miss")
    restart(play)
    play.viewer().asks("/a").gets(200, "two", x_cache="Hit")


def test_what_decayed_further_on_breaks_off(play: Play, tmp_path: Path) -> None:
    fill(play, body=LARGE)
    path = next(tmp_path.glob("disk/bodies/*/*"))
    path.write_bytes(path.read_bytes()[:-1] + b"?")
    play.viewer().asks("/a")
    got = play.viewer().got()
    assert got is not None
    assert not got.whole
    assert play.viewer().transport.closed


def test_an_unsafe_request_takes_it_from_disk_too(stage: Stage, tmp_path: Path) -> None:
    play = stage(semantics="rfc9111", disk=tmp_path / "disk")
    fill(play)
    play.viewer().asks("/a", method="POST", body="x")
    play.origin.hears("/a")
    play.origin.answers(200, "done")
    play.viewer().gets(200, "done")
    restart(play)
    play.viewer().asks("/a")
    play.origin.hears("/a")
    play.origin.answers(200, "two")
    play.viewer().gets(200, "two", x_cache="Miss")


def test_a_disk_that_is_gone_makes_misses(play: Play, tmp_path: Path) -> None:
    fill(play)
    restart(play)
    shutil.rmtree(tmp_path / "disk")
    (tmp_path / "disk").write_bytes(b"no folder")
    for number in (1, 2):
        play.viewer().asks(f"/{number}")
        play.origin.hears(f"/{number}")
        play.origin.answers(200, "two", cache="max-age=60")
        play.viewer().gets(200, "two", x_cache="Miss")
        play.viewer().asks(f"/{number}").gets(200, "two", x_cache="Hit")
    assert play.counters.disk_failing
    (tmp_path / "disk").unlink()
    play.advance(TRY_AGAIN_S + 1)
    fill(play, "/3")
    restart(play)
    play.viewer().asks("/3").gets(200, "one", x_cache="Hit")


def test_a_viewer_that_leaves_during_the_look_leaves_no_flight(play: Play) -> None:
    fill(play)
    restart(play)
    assert play.edge.disk is not None
    play.edge.disk._world.threads.holding = True  # type: ignore[attr-defined]
    play.viewer("a").asks("/a")
    play.viewer("b").asks("/a")
    play.viewer("a").leaves()
    play.edge.disk._world.threads.let_go()  # type: ignore[attr-defined]
    play.loop.settle()
    play.viewer("b").gets(200, "one", x_cache="Hit")
