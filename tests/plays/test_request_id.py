"""One request id through all tiers: the edge's is in its log, in the inner one's and upstream."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.world.peers import PeeredPlay
from tests.world.play import Scene


@pytest.fixture(params=[True, False], ids=["memo", "no-memo"])
def play(request: pytest.FixtureRequest) -> Iterator[PeeredPlay]:
    made = PeeredPlay(Scene(regional=True, memo=request.param))
    yield made
    made.close()


def ids_of(play: PeeredPlay) -> dict[str, list[str]]:
    """The request ids in the log, by tier, since the last look."""
    play.access_log.flush()
    lines = [line.split("\t") for line in play.log.decode().splitlines() if line[0] != "#"]
    play.log.clear()
    return {tier: [line[14] for line in lines if line[2] == tier] for tier in ("LHR50", "regional")}


def test_a_miss_has_the_edges_id_in_both_logs_and_at_the_origin(play: PeeredPlay) -> None:
    play.viewer().asks("/a")
    play.origin.hears("/a")
    play.origin.answers(200, "one", cache="max-age=60")
    told = play.viewer().gets(200, "one").field("x-amz-cf-id")
    assert ids_of(play) == {"LHR50": [told], "regional": [told]}
    assert play.origin.heard[-1].request.id.decode() == told


def test_who_is_answered_by_the_regional_cache_is_in_its_log_under_that_id(
    play: PeeredPlay,
) -> None:
    play.viewer().asks("/a")
    play.origin.hears("/a")
    play.origin.answers(200, "one", cache="max-age=60")
    play.viewer().gets(200, "one")
    for _ in range(6):  # the last ones by its head cache
        for key in play.edge.store.keys():  # noqa: SIM118 - a list, while they leave
            play.edge.store.remove(key)
        ids_of(play)
        play.viewer().asks("/a")
        told = play.viewer().gets(200, "one").field("x-amz-cf-id")
        assert ids_of(play) == {"LHR50": [told], "regional": [told]}
    play.origin.hears_nothing()


def test_each_viewer_of_one_flight_keeps_its_own(play: PeeredPlay) -> None:
    play.viewer("a").asks("/a")
    play.viewer("b").asks("/a")
    play.origin.hears("/a")
    play.origin.answers(200, "one", cache="max-age=60")
    first = play.viewer("a").gets(200, "one").field("x-amz-cf-id")
    second = play.viewer("b").gets(200, "one").field("x-amz-cf-id")
    ids = ids_of(play)
    assert sorted(ids["LHR50"]) == sorted([str(first), str(second)])
    assert ids["regional"] == [first], "who led the flight"


def test_what_fails_at_the_origin_has_one_too(play: PeeredPlay) -> None:
    play.viewer().asks("/a", "POST", "x")
    play.origin.hears("/a")
    play.origin.fails()
    told = play.viewer().gets(502).field("x-amz-cf-id")
    assert ids_of(play) == {"LHR50": [told], "regional": [told]}
