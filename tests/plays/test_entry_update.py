"""One rule for what changes a stored response, wherever it lies: on disk, in blocks, compressed."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from edgecache.config.model import CachePolicy, Limits, Selection, SemanticsName
from tests.world.large import BODY, CACHE, SIZE, gives
from tests.world.play import Play

Stage = Callable[..., Play]
LARGE = "0123456789abcdef" * 160_000  # 2.5 MB: on disk, and not in memory
SEMANTICS = pytest.mark.parametrize("semantics", ["rfc9111", "cloudfront"])
STALE = "max-age=10, stale-while-revalidate=600, stale-if-error=600"


def stored(play: Play, body: str, cache: str = STALE) -> None:
    play.viewer().asks("/a")
    play.origin.hears("/a")
    play.origin.answers(200, body, cache=cache, etag='"1"')
    play.viewer().gets(200, body)


def restart(play: Play) -> None:
    play.restart()
    play.operator.applies()


@SEMANTICS
@pytest.mark.parametrize("body", ["small", LARGE], ids=["small", "large"])
def test_what_is_withdrawn_is_gone_from_the_disk(
    stage: Stage, tmp_path: Path, semantics: SemanticsName, body: str
) -> None:
    play = stage(semantics=semantics, disk=tmp_path / "disk")
    stored(play, body)
    restart(play)
    play.advance(11)
    play.viewer().asks("/a").gets(200, body)
    play.origin.hears("/a", if_none_match='"1"')
    play.origin.answers(403, "no", cache="no-store")
    for ending in (None, restart):
        if ending is not None:
            ending(play)
        play.viewer("b").asks("/a")
        play.origin.hears("/a", if_none_match=None)
        play.origin.answers(403, "no", cache="no-store")
        play.viewer("b").gets(403, "no")


@SEMANTICS
@pytest.mark.parametrize("body", ["small", LARGE], ids=["small", "large"])
def test_a_head_writes_nothing_to_the_disk(
    stage: Stage, tmp_path: Path, semantics: SemanticsName, body: str
) -> None:
    play = stage(semantics=semantics, disk=tmp_path / "disk")
    stored(play, body, "max-age=1")
    restart(play)
    play.advance(2)
    play.viewer("alice").asks("/a", "HEAD")
    play.origin.hears("/a")
    play.origin.answers(
        200, "", cache="private, max-age=600", etag='"1"', set_cookie="s=alice",
        content_length=str(len(body)),
    )  # fmt: skip
    play.viewer("alice").gets(200)
    restart(play)
    play.viewer("b").asks("/a")
    play.origin.hears("/a", if_none_match=None)
    play.origin.answers(200, "new", cache="max-age=60")
    assert play.viewer("b").gets(200, "new").field("set-cookie") is None


@pytest.fixture
def blocks(stage: Stage) -> Play:
    play = stage(limits=Limits(block_bytes=SIZE, object_bytes_max=30))
    play.viewer().asks("/v", range="bytes=0-14")
    gives(play, 0, 1)
    play.viewer().gets(206, BODY[:15])
    return play


def test_a_304_of_another_version_renews_no_blocks(blocks: Play) -> None:
    blocks.advance(61)
    blocks.viewer("b").asks("/v", range="bytes=0-4")
    blocks.origin.hears("/v", if_none_match='"1"')
    blocks.origin.answers(304, etag='"2"', cache=CACHE)
    blocks.origin.hears("/v", if_none_match=None)
    blocks.origin.answers(200, BODY.upper(), cache=CACHE, etag='"2"', accept_ranges="bytes")
    blocks.viewer("b").gets(206, BODY[:5].upper())


def test_a_head_that_forbids_to_store_ends_the_blocks(blocks: Play) -> None:
    blocks.advance(61)
    blocks.viewer("b").asks("/v", "HEAD")
    blocks.origin.hears("/v")
    blocks.origin.answers(200, "", cache="private", etag='"1"', content_length=str(len(BODY)))
    blocks.viewer("b").gets(200)
    blocks.viewer("b").asks("/v", range="bytes=0-4")
    blocks.origin.hears("/v", if_none_match=None)
    blocks.origin.answers(404, "gone", cache="no-store")
    blocks.origin.answers(404, "gone", cache="no-store")
    blocks.viewer("b").gets(404, "gone")


def test_what_is_withdrawn_in_blocks_is_gone(blocks: Play) -> None:
    blocks.advance(61)
    for condition in ('"1"', None):
        blocks.viewer("b").asks("/v")
        blocks.origin.hears("/v", if_none_match=condition)
        blocks.origin.answers(403, "no", cache="no-store")
        blocks.viewer("b").gets(403, "no")
    blocks.viewer("b").asks("/v", range="bytes=0-4")
    blocks.origin.hears("/v", if_none_match=None)
    blocks.origin.fails()
    blocks.viewer("b").gets(502)


@pytest.mark.parametrize(("status", "is_kept"), [(503, True), (429, True), (404, False)])
def test_an_error_to_a_block(blocks: Play, status: int, is_kept: bool) -> None:
    """What the origin withdraws is gone; what it cannot give now is still known."""
    blocks.viewer("b").asks("/v", range="bytes=20-24")
    blocks.origin.hears("/v", range="bytes=20-29")
    blocks.origin.answers(status, "error", cache="no-store")
    assert (len(blocks.edge.store) > 2) is is_kept
    while blocks.viewer("b").got() is None:
        blocks.origin.answers(status, "error", cache="no-store")
    blocks.viewer("b").gets(status, "error")


@pytest.mark.parametrize("regional", [False, True])
def test_what_we_compressed_is_validated_by_the_origins_tag(stage: Stage, regional: bool) -> None:
    """Decision 004: the tag is weak from then on, the origin's 304 has the strong one."""
    policy = CachePolicy(accept_encoding_gzip=True, cookies=Selection(behavior="none"))
    play = stage(compress=True, policy=policy, regional=regional)
    text = "text " * 1_000
    answer = {"cache": "max-age=10", "etag": '"1"', "content_type": "text/plain"}
    play.viewer().asks("/a", accept_encoding="gzip")
    play.origin.answers(200, text, **answer)
    first = play.viewer().gets(200)
    assert first.field("content-encoding") == "gzip"
    for version in ("one", "two"):
        play.advance(11)
        play.viewer().asks("/a", accept_encoding="gzip")
        play.origin.answers(304, "", **answer, x_any=version)
        for _ in range(2):
            got = play.viewer().gets(200)
            assert got.body == first.body
            assert got.field("x-any") == version
            assert got.field("etag") == 'W/"1"'
            assert got.field("content-encoding") == "gzip"
            assert "Accept-Encoding" in (got.field("vary") or "")
            play.viewer().asks("/a", accept_encoding="gzip")
        play.viewer().gets(200)
