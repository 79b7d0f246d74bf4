"""Bytes reach viewers as they arrive, and only whole bodies are stored."""

from __future__ import annotations

from collections.abc import Callable
from typing import NoReturn

import pytest

from edgecache.config.model import Limits
from tests.world.play import Play


def test_the_first_byte_does_not_wait_for_the_last(play: Play) -> None:
    play.viewer().asks("/v")
    play.origin.answers(200, None, cache="max-age=60", content_length="6")
    play.origin.sends("abc")
    got = play.viewer().got()
    assert got is not None
    assert got.body == b"abc"
    assert not got.whole
    play.origin.sends("def")
    play.origin.ends()
    play.viewer().gets(200, "abcdef")


def test_a_second_viewer_reads_along_from_the_start(play: Play) -> None:
    play.viewer("a").asks("/v")
    play.origin.hears("/v")
    play.origin.answers(200, None, cache="max-age=60", content_length="6")
    play.origin.sends("abc")
    play.viewer("b").asks("/v")
    play.origin.hears_nothing()
    got = play.viewer("b").got()
    assert got is not None
    assert got.body == b"abc"
    play.origin.sends("def")
    play.origin.ends()
    play.viewer("a").gets(200, "abcdef", x_cache="Miss")
    play.viewer("b").gets(200, "abcdef", x_cache="Hit")
    play.viewer("c").asks("/v").gets(200, "abcdef", x_cache="Hit", cache_status="; hit")


def test_a_body_that_breaks_off_is_aborted_and_not_stored(play: Play) -> None:
    play.viewer().asks("/v")
    play.origin.hears("/v")
    play.origin.answers(200, None, cache="max-age=60", content_length="6")
    play.origin.sends("abc")
    play.origin.breaks()
    assert play.viewer().transport.aborted
    play.viewer("b").asks("/v")
    play.origin.hears("/v")
    play.origin.answers(200, "abcdef", cache="max-age=60")
    play.viewer("b").gets(200, "abcdef", x_cache="Miss")


def test_the_first_viewer_may_leave_the_others_are_served(play: Play) -> None:
    play.viewer("a").asks("/v")
    play.origin.answers(200, None, cache="max-age=60", content_length="6")
    play.viewer("b").asks("/v")
    play.origin.sends("abc")
    play.viewer("a").leaves()
    play.origin.sends("def")
    play.origin.ends()
    play.viewer("b").gets(200, "abcdef")


def test_when_the_leader_leaves_before_the_head_another_leads(play: Play) -> None:
    play.viewer("a").asks("/v")
    play.origin.hears("/v")
    play.viewer("b").asks("/v")
    play.viewer("c").asks("/v")
    play.origin.hears_nothing()
    play.viewer("a").leaves()
    play.origin.hears("/v")
    play.origin.hears_nothing()
    play.origin.answers(200, "body", cache="max-age=60")
    play.viewer("b").gets(200, "body")
    play.viewer("c").gets(200, "body")


def test_a_failed_flight_is_tried_once_more_for_all_who_wait(play: Play) -> None:
    for name in "abcde":
        play.viewer(name).asks("/v")
    play.origin.hears("/v")
    play.origin.fails()
    play.viewer("a").gets(502)
    play.origin.hears("/v")
    play.origin.hears_nothing()
    play.origin.fails()
    for name in "bcde":
        play.viewer(name).gets(502)
    play.origin.hears_nothing()


def test_when_everyone_leaves_a_long_fill_stops(play: Play) -> None:
    play.viewer("a").asks("/v")
    play.origin.answers(200, None, cache="max-age=60", content_length="50000000")
    play.origin.sends("abc")
    play.viewer("a").leaves()
    assert play.origin.body is not None
    assert play.origin.body.closed


def test_a_slow_viewer_slows_only_itself(play: Play) -> None:
    play.viewer("slow").asks("/v")
    play.origin.answers(200, None, cache="max-age=60", content_length="6")
    play.viewer("slow").connection.pause_writing()
    play.viewer("b").asks("/v")
    for piece in ("ab", "cd", "ef"):
        play.origin.sends(piece)
    play.origin.ends()
    play.viewer("b").gets(200, "abcdef")
    slow = play.viewer("slow").got()
    assert slow is None or not slow.whole
    play.viewer("slow").connection.resume_writing()
    play.viewer("slow").gets(200, "abcdef")


def test_what_is_too_large_passes_through_unstored(stage: Callable[..., Play]) -> None:
    play = stage(limits=Limits(object_bytes_max=1_000))
    for _ in range(2):
        play.viewer().asks("/big")
        play.origin.hears("/big")
        play.origin.answers(200, "x" * 1_001, cache="max-age=60")
        play.viewer().gets(200, "x" * 1_001, x_cache="Miss")


def test_what_grows_too_large_waits_for_its_readers(stage: Callable[..., Play]) -> None:
    play = stage(limits=Limits(object_bytes_max=10))
    play.viewer().asks("/big")
    play.origin.hears("/big")
    play.origin.answers(200, None, cache="max-age=60")
    for _ in range(5):
        play.origin.sends("0123456789")
    play.origin.ends()
    play.viewer().gets(200, "0123456789" * 5)
    play.viewer("b").asks("/big")
    play.origin.hears("/big")
    play.origin.fails()


def test_waiters_of_something_private_each_ask_for_themselves(play: Play) -> None:
    for name in "abc":
        play.viewer(name).asks("/me")
    play.origin.hears("/me")
    play.origin.answers(200, "a's", cache="private")
    play.viewer("a").gets(200, "a's")
    play.origin.hears("/me")
    play.origin.hears("/me")
    play.origin.answers(200, "b's", cache="private")
    play.origin.answers(200, "c's", cache="private")
    bodies = {play.viewer(name).gets(200).body for name in "bc"}
    assert bodies == {b"b's", b"c's"}


def test_ranges_are_cut_from_what_is_stored_or_arriving(play: Play) -> None:
    play.viewer("a").asks("/v", range="bytes=2-3")
    play.origin.hears("/v", range="bytes=0-1048575")
    play.origin.answers(200, None, cache="max-age=60", content_length="6")
    play.viewer("b").asks("/v", range="bytes=-2")
    play.origin.sends("abcdef")
    play.origin.ends()
    got = play.viewer("a").gets(206, "cd")
    assert got.field("content-range") == "bytes 2-3/6"
    play.viewer("b").gets(206, "ef")
    play.viewer("c").asks("/v", range="bytes=4-").gets(206, "ef", x_cache="Hit")
    got = play.viewer("c").asks("/v", range="bytes=6-").gets(416)
    assert got.field("content-range") == "bytes */6"
    play.viewer("c").asks("/v", range="bytes=9-1").gets(200, "abcdef")


@pytest.mark.parametrize("sent", [0, 1])
def test_a_fault_of_our_own_is_never_taken_for_the_end(
    play: Play, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, sent: int
) -> None:
    """RFC 9112 §8: nor does the next answer stand where the rest of this one should."""

    def fails(*_asked: object) -> NoReturn:
        raise RuntimeError("of ours")

    viewer = play.viewer().asks("/v")
    play.origin.hears("/v")
    if sent:
        play.origin.answers(200, None, cache="no-store", content_length="6")
        play.origin.sends("abc")
        assert play.origin.body is not None
        monkeypatch.setattr(play.origin.body, "read_nowait", fails)
        play.origin.sends("def")
    else:
        monkeypatch.setattr(play.listener.frontend, "dressed", fails)
        play.origin.answers(200, "abcdef", cache="max-age=60")
    viewer.sends(b"GET /next HTTP/1.1\r\nHost: site.test\r\n\r\n")
    play.loop.settle()
    assert viewer.transport.aborted
    play.origin.hears_nothing()
    assert "an answer failed on its way out" in caplog.text
