"""A stored response is served while fresh, validated when stale, and its age is told."""

from __future__ import annotations

from tests.world.play import Play


def test_a_hit_tells_its_age(play: Play) -> None:
    play.viewer().asks("/a")
    play.origin.hears("/a")
    play.origin.answers(200, "one", cache="max-age=60")
    got = play.viewer().gets(200, "one", x_cache="Miss", cache_status="fwd=uri-miss")
    assert got.field("age") is None
    play.advance(7)
    play.viewer().asks("/a")
    play.origin.hears_nothing()
    got = play.viewer().gets(200, "one", x_cache="Hit", cache_status="LHR50; hit; ttl=53")
    assert got.field("age") == "7"
    play.advance(2)
    got = play.viewer().asks("/a").gets(200, "one", x_cache="Hit")
    assert got.field("age") == "9"


def test_each_response_has_its_own_id(play: Play) -> None:
    play.viewer().asks("/a")
    play.origin.answers(200, "one", cache="max-age=60")
    ids = {play.viewer().gets(200).field("x-amz-cf-id")}
    for _ in range(3):
        ids.add(play.viewer().asks("/a").gets(200).field("x-amz-cf-id"))
    assert len(ids) == 4
    assert all(value is not None and len(value) == 56 for value in ids)


def test_without_directives_the_default_ttl_is_a_day(play: Play) -> None:
    play.viewer().asks("/a")
    play.origin.answers(200, "one")
    play.viewer().gets(200)
    play.advance(86_399)
    play.viewer("b").asks("/a").gets(200, "one", x_cache="Hit")
    play.advance(1)
    play.viewer("c").asks("/a")
    play.origin.hears("/a")
    play.origin.answers(200, "two")
    play.viewer("c").gets(200, "two", x_cache="Miss", cache_status="fwd=stale")


def test_a_stale_entry_is_validated_and_refreshed(play: Play) -> None:
    play.viewer().asks("/a")
    play.origin.hears("/a", if_none_match=None)
    play.origin.answers(200, "one", cache="max-age=10", etag='"v1"')
    play.viewer().gets(200)
    play.advance(11)
    play.viewer().asks("/a")
    play.origin.hears("/a", if_none_match='"v1"')
    play.origin.answers(304, cache="max-age=100", etag='"v1"')
    play.viewer().gets(200, "one", x_cache="RefreshHit")
    play.advance(50)
    play.viewer().asks("/a").gets(200, "one", x_cache="Hit", cache_status="ttl=50")


def test_a_changed_object_replaces_the_stale_one(play: Play) -> None:
    play.viewer().asks("/a")
    play.origin.answers(200, "one", cache="max-age=10", etag='"v1"')
    play.viewer().gets(200)
    play.advance(11)
    play.viewer().asks("/a")
    play.origin.answers(200, "two", cache="max-age=10", etag='"v2"')
    play.viewer().gets(200, "two", x_cache="Miss")
    play.viewer().asks("/a").gets(200, "two", x_cache="Hit")


def test_a_viewer_who_has_it_gets_304_from_the_store(play: Play) -> None:
    play.viewer().asks("/a")
    play.origin.answers(200, "one", cache="max-age=60", etag='"v1"', last_modified="x")
    play.viewer().gets(200)
    got = play.viewer().asks("/a", if_none_match='"v0", W/"v1"').gets(304, "", x_cache="Hit")
    assert got.field("etag") == '"v1"'
    assert got.field("content-length") is None
    play.viewer().asks("/a", if_none_match='"v2"').gets(200, "one")


def test_head_is_answered_from_a_stored_get(play: Play) -> None:
    play.viewer().asks("/a")
    play.origin.answers(200, "one", cache="max-age=60")
    play.viewer().gets(200)
    got = play.viewer().asks("/a", "HEAD").gets(200, "", x_cache="Hit")
    assert got.field("content-length") == "3"


def test_no_store_is_never_stored_and_private_neither(play: Play) -> None:
    for number, directive in enumerate(("no-store", "private", "no-cache")):
        for _ in range(2):
            play.viewer().asks(f"/{number}")
            play.origin.hears(f"/{number}")
            play.origin.answers(200, "one", cache=directive)
            play.viewer().gets(200, "one", x_cache="Miss")


def test_stale_is_served_when_the_origin_is_gone(play: Play) -> None:
    play.viewer().asks("/a")
    play.origin.answers(200, "one", cache="max-age=10")
    play.viewer().gets(200)
    play.advance(60)
    play.viewer().asks("/a")
    play.origin.hears("/a")
    play.origin.fails()
    play.viewer().gets(200, "one", cache_status=play.nearest("detail=stale-cut-off"))


def test_nothing_stored_and_no_origin_is_a_page(play: Play) -> None:
    play.viewer().asks("/a")
    play.origin.fails()
    got = play.viewer().gets(502, x_cache="Error")
    assert b"The request could not be satisfied" in got.body


def test_stale_while_revalidate_answers_at_once_and_refreshes_once(play: Play) -> None:
    play.viewer().asks("/a")
    play.origin.answers(200, "one", cache="max-age=10, stale-while-revalidate=30")
    play.origin.hears("/a")
    play.viewer().gets(200)
    play.advance(12)
    play.viewer("b").asks("/a").gets(200, "one", x_cache="Hit")
    play.viewer("c").asks("/a").gets(200, "one", x_cache="Hit")
    play.origin.hears("/a")
    play.origin.hears_nothing()
    play.origin.answers(200, "two", cache="max-age=10")
    play.advance(0)
    if play.regional is not None:  # had given what was stale to the edge's refresh, too
        play.viewer("c").asks("/a").gets(200, "one")
    play.viewer("d").asks("/a").gets(200, "two", x_cache="Hit")
