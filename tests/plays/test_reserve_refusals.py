"""What is not written to the reserve, what is taken out of it, and a store that fails."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from msgspec.structs import replace

from tests.plays.eviction import fill
from tests.store.reserve.held_bucket import SETTINGS, HeldBucket
from tests.world.play import Play

Stage = Callable[..., Play]


@pytest.fixture
def bucket() -> HeldBucket:
    return HeldBucket()


@pytest.fixture
def play(stage: Stage, bucket: HeldBucket) -> Play:
    return stage(reserve=bucket)


@pytest.mark.parametrize(
    "fields",
    [
        {"cache": "max-age=40"},  # fresh for less than fresh_s_min
        {"cache": "private, max-age=60"},
        {"cache": "no-store"},
        {"set_cookie": "a=b"},
        {"vary": "*"},
    ],
    ids=str,
)
def test_what_is_not_for_the_reserve_is_not_written(
    stage: Stage, bucket: HeldBucket, fields: dict[str, str]
) -> None:
    fill(stage(semantics="rfc9111", reserve=bucket), **fields)
    assert "PUT" not in bucket.methods()


@pytest.mark.parametrize(
    ("settings", "body"),
    [
        (replace(SETTINGS, object_bytes_min=4), "one"),
        (replace(SETTINGS, object_bytes_max=2), "one"),
        (replace(SETTINGS, distributions=("EANOTHER",)), "one"),
        (replace(SETTINGS, queue_bytes_max=2), "one"),
    ],
    ids=["small", "large", "of another distribution", "no room"],
)
def test_what_the_settings_leave_out_is_not_written(
    stage: Stage, settings: object, body: str
) -> None:
    bucket = HeldBucket(settings)  # type: ignore[arg-type]
    fill(stage(reserve=bucket), body=body)
    assert "PUT" not in bucket.methods()


def test_what_a_newer_response_replaced_does_not_come_back(play: Play, bucket: HeldBucket) -> None:
    fill(play, etag='"1"')
    play.advance(61)
    play.viewer().asks("/a")
    play.origin.hears("/a")
    play.origin.answers(200, "two", cache="max-age=45")  # not for the reserve
    play.viewer().gets(200, "two", x_cache="Miss")
    play.loop.settle()
    assert not bucket.objects


def test_a_write_through_us_removes_it(stage: Stage, bucket: HeldBucket) -> None:
    play = stage(semantics="rfc9111", reserve=bucket)
    fill(play)
    play.viewer().asks("/a", "DELETE")
    play.origin.hears("/a")
    play.origin.answers(204)
    play.viewer().gets(204)
    play.loop.settle()
    assert not bucket.objects


def test_what_could_not_be_removed_is_not_believed(stage: Stage, bucket: HeldBucket) -> None:
    play = stage(semantics="rfc9111", reserve=bucket)
    fill(play)
    bucket.failing = "503 SlowDown"
    play.viewer().asks("/a", "DELETE")
    play.origin.hears("/a")
    play.origin.answers(204)
    play.viewer().gets(204)
    play.loop.settle()
    assert bucket.objects
    bucket.failing = ""
    play.viewer().asks("/a")
    play.origin.hears("/a")
    play.origin.answers(404)
    play.viewer().gets(404)
    assert play.counters.reserve_rejected["outdated"] == 1
    play.advance(6)
    assert not bucket.objects, "it is tried again"


def test_a_store_that_is_down_costs_little_and_is_left_alone(
    play: Play, bucket: HeldBucket, caplog: pytest.LogCaptureFixture
) -> None:
    bucket.failing = "403 InvalidAccessKeyId"
    for number in range(8):
        fill(play, f"/{number}")
    assert len(bucket.methods()) == 3
    said = [one.getMessage() for one in caplog.records if "reserve" in one.getMessage()]
    assert len(said) == 1
    assert "403 InvalidAccessKeyId" in said[0]
    assert play.counters.reserve_failing == 1
    bucket.failing = ""
    play.advance(31)
    fill(play, "/new")
    assert bucket.objects
    assert play.counters.reserve_failing == 0


def test_a_store_that_hangs_costs_a_bounded_time(play: Play, bucket: HeldBucket) -> None:
    bucket.holding = True
    play.viewer().asks("/a")
    play.origin.hears_nothing()
    play.advance(SETTINGS.look_s_max + 0.1)
    play.origin.hears("/a")
    play.origin.answers(200, "one", cache="max-age=60")
    play.viewer().gets(200, "one", x_cache="Miss")
    play.loop.settle()
    bucket.let_go()
