"""A reserve behind memory and disk: asked before the origin, and never believed too much."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from msgspec.structs import replace

from edgecache.config.model import Release
from edgecache.rules.routing import compile_routes
from tests.plays.eviction import evict, fill
from tests.store.reserve.held_bucket import SETTINGS, HeldBucket
from tests.world.play import Play, config_of

LARGE = "0123456789abcdef" * 160_000  # 2.5 MB: three slices of an object that comes in slices
Stage = Callable[..., Play]


@pytest.fixture
def bucket() -> HeldBucket:
    return HeldBucket()


@pytest.fixture
def play(stage: Stage, bucket: HeldBucket) -> Play:
    return stage(reserve=bucket)


def test_what_memory_has_no_more_comes_from_the_reserve(play: Play, bucket: HeldBucket) -> None:
    fill(play, etag='"1"')
    assert bucket.methods()[-1] == "PUT"
    evict(play)
    play.advance(7)
    got = play.viewer().asks("/a").gets(200, "one", x_cache="Hit", cache_status="hit; ttl=53")
    assert got.field("age") == "7"
    assert (got.field("cache-status") or "").endswith("detail=reserve")
    play.origin.hears_nothing()
    assert bucket.methods() == ["GET"]
    play.viewer().asks("/a").gets(200, "one", x_cache="Hit")
    assert bucket.methods() == []


def test_a_regional_cache_has_it_for_its_edges(stage: Stage, bucket: HeldBucket) -> None:
    play = stage(regional=True, reserve=bucket)
    fill(play)
    evict(play)
    play.viewer().asks("/a").gets(200, "one", x_cache="Hit")
    play.origin.hears_nothing()


def test_what_comes_from_it_is_on_disk_again(
    stage: Stage, bucket: HeldBucket, tmp_path: Path
) -> None:
    play = stage(reserve=bucket, disk=tmp_path / "disk")
    fill(play)
    play.restart()
    play.viewer().asks("/a").gets(200, "one", x_cache="Hit")
    assert "GET" not in bucket.methods()[2:]  # the disk had it


def test_all_who_wait_share_one_look(play: Play, bucket: HeldBucket) -> None:
    fill(play)
    evict(play)
    bucket.methods()
    for name in "abc":
        play.viewer(name).asks("/a")
    for name in "abc":
        play.viewer(name).gets(200, "one", x_cache="Hit")
    assert bucket.methods() == ["GET"]
    assert play.counters.reserve_hits == 1


def test_a_viewer_does_not_wait_for_an_upload(play: Play, bucket: HeldBucket) -> None:
    play.viewer().asks("/a")
    play.origin.hears("/a")
    bucket.holding = True
    play.origin.answers(200, "one", cache="max-age=60")
    play.viewer().gets(200, "one", x_cache="Miss")
    assert not bucket.objects
    bucket.let_go()
    play.loop.settle()
    assert len(bucket.objects) == 1


@pytest.mark.parametrize("after", ["accepted", "applied"])
def test_what_was_invalidated_never_comes_back(play: Play, bucket: HeldBucket, after: str) -> None:
    fill(play)
    play.operator.accepts("/a")
    if after == "applied":
        play.operator.applies()
    evict(play)
    assert bucket.objects, "an invalidation needs no removal"
    play.viewer().asks("/a")
    play.origin.hears("/a", if_none_match=None)
    play.origin.answers(200, "two", cache="max-age=60")
    play.viewer().gets(200, "two", x_cache="Miss")
    play.loop.settle()
    evict(play)
    play.viewer().asks("/a").gets(200, "two", x_cache="Hit")


def test_what_was_invalidated_during_the_upload_never_comes_back(
    play: Play, bucket: HeldBucket
) -> None:
    bucket.holding = True
    play.viewer().asks("/a")
    bucket.let_go()
    play.origin.hears("/a")
    bucket.holding = True
    play.origin.answers(200, "one", cache="max-age=60")
    play.viewer().gets(200, "one")
    play.operator.invalidates("/a")
    bucket.let_go()
    play.loop.settle()
    evict(play)
    play.viewer().asks("/a")
    play.origin.hears("/a")
    play.origin.answers(200, "two", cache="max-age=60")
    play.viewer().gets(200, "two", x_cache="Miss")


def test_what_was_invalidated_during_the_look_is_not_served(play: Play, bucket: HeldBucket) -> None:
    fill(play)
    evict(play)
    bucket.holding = True
    play.viewer().asks("/a")
    play.operator.invalidates("/a")
    bucket.let_go()
    play.origin.hears("/a")
    play.origin.answers(200, "two", cache="max-age=60")
    play.viewer().gets(200, "two", x_cache="Miss")


def test_what_the_log_tells_no_more_is_not_believed(play: Play, bucket: HeldBucket) -> None:
    fill(play)
    play.operator.accepts("/b")
    play.restart()
    play.operator.applies()
    play.operator.regional.trim(1)  # control has forgotten what came up to number 1
    play.viewer().asks("/a")
    play.origin.hears("/a")
    play.origin.answers(200, "two", cache="max-age=60")
    play.viewer().gets(200, "two", x_cache="Miss")
    assert play.counters.reserve_rejected["unjudged"] == 1


def test_another_log_s_marks_say_nothing(play: Play, bucket: HeldBucket) -> None:
    fill(play)
    play.restart()
    play.operator.regional.begin("another", 0)
    play.operator.edge.begin("another", 0)
    play.viewer().asks("/a")
    play.origin.hears("/a")
    play.origin.answers(200, "two", cache="max-age=60")
    play.viewer().gets(200, "two", x_cache="Miss")


def test_what_was_invalidated_softly_is_validated(play: Play) -> None:
    fill(play, etag='"1"')
    play.operator.accepts("/a", soft=True)
    evict(play)
    play.viewer().asks("/a")
    play.origin.hears("/a", if_none_match='"1"')
    play.origin.answers(304, etag='"1"', cache="max-age=60")
    play.viewer().gets(200, "one", x_cache="RefreshHit")


def test_what_is_stale_there_is_validated_and_written_anew(play: Play, bucket: HeldBucket) -> None:
    fill(play, etag='"1"')
    evict(play)
    play.advance(61)
    play.viewer().asks("/a")
    play.origin.hears("/a", if_none_match='"1"')
    play.origin.answers(304, etag='"1"', cache="max-age=100")
    play.viewer().gets(200, "one", x_cache="RefreshHit")
    play.loop.settle()
    evict(play)
    play.advance(99)
    play.viewer().asks("/a").gets(200, "one", x_cache="Hit")


def test_a_head_is_answered_from_it(play: Play) -> None:
    fill(play)
    evict(play)
    play.viewer().asks("/a", "HEAD").gets(200, "", x_cache="Hit")
    play.origin.hears_nothing()


def test_a_range_is_answered_from_it(play: Play) -> None:
    fill(play, body="0123456789", etag='"1"')
    evict(play)
    play.viewer().asks("/a", range="bytes=2-4").gets(206, "234", x_cache="Hit")
    play.origin.hears_nothing()


def test_variants_are_told_apart(stage: Stage, bucket: HeldBucket) -> None:
    play = stage(semantics="rfc9111", reserve=bucket)
    for language in ("de", "fr"):
        play.viewer().asks("/a", accept_language=language)
        play.origin.hears("/a")
        play.origin.answers(200, language, cache="max-age=60", vary="Accept-Language")
        play.viewer().gets(200, language)
        play.loop.settle()
    evict(play)
    for language in ("fr", "de"):
        play.viewer().asks("/a", accept_language=language).gets(200, language, x_cache="Hit")
        play.origin.hears_nothing()
    play.viewer().asks("/a", accept_language="it")
    play.origin.hears("/a")
    play.origin.answers(200, "it", cache="max-age=60", vary="Accept-Language")
    play.viewer().gets(200, "it", x_cache="Miss")


def test_an_object_in_slices_comes_from_it(play: Play, bucket: HeldBucket) -> None:
    fill(play, body=LARGE, etag='"1"', accept_ranges="bytes")
    assert len(bucket.objects) == 4  # the head, and three slices
    evict(play)
    play.viewer().asks("/a").gets(200, LARGE, x_cache="Hit")
    play.origin.hears_nothing()


def test_slices_of_an_object_that_is_not_for_it_are_not_written(
    play: Play, bucket: HeldBucket
) -> None:
    fill(play, body=LARGE, etag='"1"', accept_ranges="bytes", cache="max-age=40")
    assert not bucket.objects


def test_what_is_older_than_the_retention_is_not_served(stage: Stage) -> None:
    bucket = HeldBucket(replace(SETTINGS, retention_s=100))
    play = stage(reserve=bucket)
    fill(play, cache="max-age=1000")
    evict(play)
    play.advance(101)
    play.viewer().asks("/a")
    play.origin.hears("/a")
    play.origin.answers(200, "two", cache="max-age=60")
    play.viewer().gets(200, "two", x_cache="Miss")
    assert play.counters.reserve_rejected["outdated"] == 1


def test_another_release_is_another_object(play: Play) -> None:
    fill(play)

    def runs(current: int) -> None:
        evict(play)
        config = config_of(play.scene)
        releases = (Release(pattern="*", current=current, kept=(0, 1)),)
        site = replace(config.distributions[0], releases=releases)
        play.listener.frontend.table = compile_routes(replace(config, distributions=(site,)))

    runs(1)
    fill(play, body="two")
    runs(0)
    play.viewer().asks("/a").gets(200, "one", x_cache="Hit")
    runs(1)
    play.viewer().asks("/a").gets(200, "two", x_cache="Hit")
    play.origin.hears_nothing()
