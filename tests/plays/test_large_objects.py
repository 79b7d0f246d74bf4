"""Large objects come in blocks, each fetched once for everyone, all of one version."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from edgecache.config.model import CachePolicy, Limits
from edgecache.http.message import first_value
from edgecache.upstream.faults import Fault
from tests.world.large import BODY, CACHE, SIZE, block, gives, starts
from tests.world.play import Play
from tests.world.viewer import Viewer

Stage = Callable[..., Play]


@pytest.fixture
def play(stage: Stage) -> Play:
    return stage(limits=Limits(block_bytes=SIZE, object_bytes_max=30))


@pytest.fixture
def tiers(stage: Stage) -> Play:
    return stage(limits=Limits(block_bytes=SIZE, object_bytes_max=30), regional=True)


def test_a_range_of_an_unknown_object_asks_for_the_block_it_is_in(play: Play) -> None:
    play.viewer().asks("/v", range="bytes=23-25")
    gives(play, 2)
    got = play.viewer().gets(206, BODY[23:26], x_cache="Miss")
    assert got.field("content-range") == "bytes 23-25/45"
    play.viewer().asks("/v", range="bytes=20-29").gets(206, BODY[20:30], x_cache="Hit")
    play.origin.hears_nothing()


@pytest.mark.parametrize("gone", ["the block", "the object", "both, as an invalidation has it"])
def test_a_range_in_one_block_is_repeated_while_object_and_block_are_there(
    play: Play, gone: str
) -> None:
    def asks() -> Viewer:
        return play.viewer().asks("/v", range="bytes=21-22")

    asks()
    gives(play, 2)
    play.viewer().gets(206, BODY[21:23], x_cache="Miss")
    for _ in range(3):
        got = asks().gets(206, BODY[21:23], x_cache="Hit")
        assert got.field("content-range") == "bytes 21-22/45"
    memo = play.head_cache
    assert memo is None or sum(known.times for known in memo) == 2
    store = play.edge.store
    if gone == "both, as an invalidation has it":
        play.operator.invalidates("/v")
    else:
        stored = store.keys()
        (one,) = [key for key in stored if (b"block" in key) == (gone == "the block")]
        store.remove(one)
    asks()
    gives(play, 2)
    play.viewer().gets(206, BODY[21:23], x_cache="Miss")
    play.advance(1)
    assert all(known.answer.alive for known in play.head_cache or ())


def test_what_is_missing_of_a_range_is_fetched_and_nothing_else(play: Play) -> None:
    play.viewer().asks("/v", range="bytes=23-25")
    gives(play, 2)
    play.viewer().gets(206)
    play.viewer().asks("/v", range="bytes=12-31")
    gives(play, 1, 3)
    got = play.viewer().gets(206, BODY[12:32], x_cache="Miss", cache_status="detail=block")
    assert got.field("content-length") == "20"
    play.origin.hears_nothing()


def test_the_last_bytes_of_an_unknown_object_ask_for_one_block_more(play: Play) -> None:
    play.viewer().asks("/v", range="bytes=-7")
    gives(play, 0, 3, 4)
    play.viewer().gets(206, BODY[-7:], x_cache="Miss")


def test_a_small_object_is_stored_whole(play: Play) -> None:
    play.viewer().asks("/v", range="bytes=2-4")
    gives(play, 0, body="0123456")
    play.viewer().gets(206, "234", x_cache="Miss")
    play.viewer().asks("/v").gets(200, "0123456", x_cache="Hit")


def test_all_of_a_known_object_comes_block_after_block(play: Play) -> None:
    play.viewer().asks("/v", range="bytes=0-0")
    gives(play, 0)
    play.viewer().gets(206, "a")
    play.viewer().asks("/v")
    gives(play, 1, 2, 3, 4)
    got = play.viewer().gets(200, BODY, x_cache="Hit")
    assert got.field("accept-ranges") == "bytes"
    play.viewer().asks("/v").gets(200, BODY, x_cache="Hit")
    play.origin.hears_nothing()


def test_viewers_at_several_places_of_what_arrives_share_one_fetch(play: Play) -> None:
    starts(play)
    play.viewer("b").asks("/v")
    play.viewer("c").asks("/v", range="bytes=5-12")
    for at in range(0, 45, 5):
        play.origin.sends(BODY[at : at + 5])
    play.origin.ends()
    play.viewer("a").gets(200, BODY, x_cache="Miss")
    play.viewer("b").gets(200, BODY, x_cache="Hit")
    play.viewer("c").gets(206, BODY[5:13], x_cache="Hit")
    play.origin.hears_nothing()


def test_who_is_far_ahead_of_what_arrives_fetches_a_block(play: Play) -> None:
    starts(play)
    play.origin.sends(BODY[:5])
    play.viewer("b").asks("/v", range="bytes=40-44")
    gives(play, 4)
    play.viewer("b").gets(206, BODY[40:])


def test_several_who_want_one_block_share_one_fetch(play: Play) -> None:
    play.viewer("known").asks("/v", range="bytes=0-0")
    gives(play, 0)
    play.viewer("known").gets(206)
    for name in "abc":
        play.viewer(name).asks("/v", range="bytes=31-33")
    gives(play, 3)
    for name in "abc":
        play.viewer(name).gets(206, BODY[31:34])
    play.origin.hears_nothing()


def test_a_viewer_that_leaves_ends_what_nobody_reads(play: Play) -> None:
    starts(play)
    play.origin.sends(BODY[:12])
    body = play.origin.body
    play.viewer().leaves()
    assert body is not None
    assert body.closed
    play.viewer("b").asks("/v", range="bytes=0-9").gets(206, BODY[:10], x_cache="Hit")


@pytest.mark.parametrize("tag", ['W/"1"', None])
def test_without_a_strong_tag_the_whole_is_asked_for(play: Play, tag: str | None) -> None:
    body = BODY[:25]
    play.viewer().asks("/v", range="bytes=3-4")
    play.origin.hears("/v", range=block(0))
    fields = {} if tag is None else {"etag": tag}
    play.origin.answers(206, body[:10], cache=CACHE, content_range="bytes 0-9/25", **fields)
    play.origin.hears("/v", range=None)
    play.origin.answers(200, body, cache=CACHE, **fields)
    play.viewer().gets(206, body[3:5], x_cache="Miss")
    play.viewer().asks("/v").gets(200, body, x_cache="Hit")


def test_an_origin_without_ranges_gives_the_whole(play: Play) -> None:
    body = BODY[:25]
    play.viewer().asks("/v", range="bytes=3-4")
    play.origin.hears("/v", range=block(0))
    play.origin.answers(200, body, cache=CACHE, etag='"1"', accept_ranges="bytes")
    play.viewer().gets(206, body[3:5], x_cache="Miss")
    play.viewer().asks("/v").gets(200, body, x_cache="Hit")


def test_what_may_not_be_stored_is_asked_for_as_the_viewer_asked(play: Play) -> None:
    play.viewer().asks("/v", range="bytes=3-14")
    play.origin.hears("/v", range=block(0))
    play.origin.answers(206, BODY[:10], cache="no-store", etag='"1"', content_range="bytes 0-9/45")
    play.origin.hears("/v", range="bytes=3-14")
    play.origin.answers(
        206, BODY[3:15], cache="no-store", etag='"1"', content_range="bytes 3-14/45"
    )
    play.viewer().gets(206, BODY[3:15], x_cache="Miss")


def test_a_range_behind_the_end(play: Play) -> None:
    play.viewer().asks("/v", range="bytes=70-")
    play.origin.hears("/v", range=block(7))
    play.origin.answers(416, "", content_range="bytes */45")
    play.viewer().gets(416)
    play.viewer().asks("/v", range="bytes=47-")
    gives(play, 4)
    got = play.viewer().gets(416, "")
    assert got.field("content-range") == "bytes */45"


def test_a_version_that_changes_in_the_middle_is_never_mixed(play: Play) -> None:
    play.viewer().asks("/v", range="bytes=0-29")
    gives(play, 0, 1)
    play.origin.hears("/v", range=block(2), if_range='"1"')
    new = BODY.upper()
    play.origin.answers(200, new, cache=CACHE, etag='"2"', accept_ranges="bytes")
    got = play.viewer().got()
    assert got is not None
    assert not got.whole
    assert BODY.startswith(got.body.decode())
    assert play.viewer().transport.closed
    play.viewer("b").asks("/v", range="bytes=0-0")
    gives(play, 0, tag='"2"', body=new)
    play.viewer("b").gets(206, "A", x_cache="Miss")
    play.viewer("b").asks("/v", range="bytes=12-13")
    gives(play, 1, tag='"2"', body=new)
    play.viewer("b").gets(206, new[12:14])


def test_a_version_that_changed_meanwhile_is_served(play: Play) -> None:
    play.viewer().asks("/v", range="bytes=0-0")
    gives(play, 0)
    play.viewer().gets(206)
    new = BODY.upper()
    play.viewer().asks("/v", range="bytes=12-13")
    gives(play, 1, tag='"2"', body=new)
    play.origin.hears("/v", range=block(1))
    gives_again = f"bytes 10-19/{len(new)}"
    play.origin.answers(206, new[10:20], cache=CACHE, etag='"2"', content_range=gives_again)
    play.viewer().gets(206, new[12:14], x_cache="Miss")


def test_an_origin_that_gives_no_ranges_after_all_is_read_on(play: Play) -> None:
    starts(play)
    play.origin.sends(BODY[:5])
    play.viewer("b").asks("/v", range="bytes=32-42")
    play.origin.hears("/v", range=block(3), if_range='"1"')
    play.origin.answers(200, BODY, cache=CACHE, etag='"1"', accept_ranges="bytes")
    play.viewer("b").gets(206, BODY[32:43])


def test_a_block_that_breaks_off_is_asked_for_once_more(play: Play) -> None:
    starts(play)
    play.origin.sends(BODY[:14])
    play.origin.breaks()
    gives(play, 1, 2, 3, 4)
    play.viewer().gets(200, BODY, x_cache="Miss")


def test_an_origin_that_is_gone_breaks_the_body_off(play: Play) -> None:
    starts(play)
    play.origin.sends(BODY[:14])
    play.origin.breaks()
    play.origin.hears("/v", range=block(1))
    play.origin.fails(Fault.REFUSED)
    got = play.viewer().got()
    assert got is not None
    assert not got.whole
    assert play.viewer().transport.closed


def test_conditions_and_head_need_no_block(play: Play) -> None:
    play.viewer().asks("/v", range="bytes=0-0")
    gives(play, 0)
    play.viewer().gets(206)
    play.viewer().asks("/v", if_none_match='"1"').gets(304, "", x_cache="Hit")
    got = play.viewer().asks("/v", method="HEAD").gets(200, "", x_cache="Hit")
    assert got.field("content-length") == "45"
    play.origin.hears_nothing()


def test_several_ranges_get_the_whole(play: Play) -> None:
    play.viewer().asks("/v", range="bytes=0-0")
    gives(play, 0)
    play.viewer().gets(206)
    play.viewer().asks("/v", range="bytes=1-2,5-6")
    gives(play, 1, 2, 3, 4)
    play.viewer().gets(200, BODY)


def test_an_if_range_of_another_version_gets_the_whole(play: Play) -> None:
    play.viewer().asks("/v", range="bytes=0-0", if_range='"0"')
    gives(play, 0, 1, 2, 3, 4)
    play.viewer().gets(200, BODY)


def test_no_more_arrives_than_its_readers_are_about_to_take(play: Play) -> None:
    """The viewer takes nothing; two blocks ahead of it the origin is read no further."""
    starts(play)
    play.viewer().connection.pause_writing()
    for at in range(0, 45, 5):
        play.origin.sends(BODY[at : at + 5])
    assert play.origin.body is not None
    assert play.origin.body._pieces, "all of it was read"
    play.viewer().connection.resume_writing()
    play.origin.ends()
    play.viewer().gets(200, BODY)


def test_where_viewers_accept_compression_the_whole_is_asked_for(stage: Stage) -> None:
    policy = CachePolicy(accept_encoding_gzip=True)
    play = stage(limits=Limits(block_bytes=SIZE), compress=True, policy=policy)
    play.viewer().asks("/v", range="bytes=0-0", accept_encoding="gzip")
    call = play.origin.hears("/v")
    assert first_value(call.request.fields, b"range") is None
    play.origin.answers(200, BODY, cache=CACHE)
    play.viewer().gets(206, "a")
