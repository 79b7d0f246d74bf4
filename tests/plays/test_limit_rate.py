"""Bodies at a rate: whatever they come from, they take as long as the behavior says."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from edgecache.config.model import LimitRate, Limits, RateLimit
from edgecache.store.memory_account import MemoryHolding
from tests.plays.test_websocket import KEY, OPENING, accepts
from tests.server.test_tls_connection import over, session
from tests.world.play import Play, Scene
from tests.world.viewer import Viewer

KIB, MIB = 1_024, 1_048_576
BODY = "0123456789abcdef" * 65_536  # 1 MiB
RATE = LimitRate(bytes_per_s=256 * KIB)
STEP = 0.05


def scene(rate: LimitRate = RATE, **more: object) -> Scene:
    return Scene(behavior={"limit_rate": rate}, **more)  # type: ignore[arg-type]


def waits_for(play: Play, viewer: Viewer, size: int) -> float:
    """Seconds until so many bytes of the body were written."""
    began = play.clock.now
    for _ in range(1_000):
        got = viewer.got()
        if got is not None and len(got.body) >= size:
            return play.clock.now - began
        play.advance(STEP)
    raise AssertionError(f"{0 if got is None else len(got.body)} of {size} bytes")


def store(play: Play) -> None:
    viewer = play.viewer("first")
    viewer.asks("/v")
    play.origin.hears("/v")
    play.origin.answers(200, BODY, cache="max-age=3600")
    waits_for(play, viewer, MIB)
    viewer.gets(200, BODY)


def hit(play: Play) -> tuple[Viewer, str]:
    store(play)
    return play.viewer("a").asks("/v"), BODY


def ranged(play: Play) -> tuple[Viewer, str]:
    store(play)
    return play.viewer("a").asks("/v", range="bytes=16-786447"), BODY[16:786_448]


def miss(play: Play) -> tuple[Viewer, str]:
    viewer = play.viewer("a").asks("/v")
    play.origin.answers(200, BODY, cache="max-age=60")
    return viewer, BODY


def filled(play: Play) -> tuple[Viewer, str]:
    viewer = play.viewer("a").asks("/v")
    play.origin.answers(200, None, cache="max-age=60", content_length=str(MIB))
    for at in range(0, MIB, 131_072):
        play.origin.sends(BODY[at : at + 131_072])
    play.origin.ends()
    return viewer, BODY


def streamed(play: Play) -> tuple[Viewer, str]:
    viewer = play.viewer("a").asks("/v")
    play.origin.answers(200, None, cache="no-store")
    for at in range(0, MIB, 131_072):
        play.origin.sends(BODY[at : at + 131_072])
    play.origin.ends()
    return viewer, BODY


def encrypted(play: Play) -> tuple[Viewer, str]:
    store(play)
    return over(play, "tls", session(b"site.test")).asks("/v"), BODY


Asks = Callable[[Play], tuple[Viewer, str]]


@pytest.mark.parametrize("asks", [hit, ranged, miss, filled, streamed, encrypted])
@pytest.mark.parametrize("regional", [False, True], ids=["one-tier", "two-tiers"])
@pytest.mark.parametrize("memo", [True, False], ids=["memo", "no-memo"])
def test_a_body_takes_as_long_as_its_rate_says(asks: Asks, regional: bool, memo: bool) -> None:
    play = Play(scene(regional=regional, memo=memo))
    try:
        viewer, body = asks(play)
        took_s = waits_for(play, viewer, len(body))
        assert took_s == pytest.approx(len(body) / RATE.bytes_per_s, rel=0.1)
        play.advance(1)
        viewer.gets(200 if len(body) == MIB else 206, body)
    finally:
        play.close()


def test_slices_and_disk_too(tmp_path: Path) -> None:
    limits = Limits(object_bytes_max=128 * KIB, block_bytes=128 * KIB)
    for wanted in (scene(limits=limits), scene(disk=tmp_path, memory_bytes=64 * MIB)):
        play = Play(wanted)
        try:
            viewer, body = miss(play)
            first_s = waits_for(play, viewer, MIB)
            assert first_s == pytest.approx(4, rel=0.1)
            play.advance(1)
            viewer.gets(200, body)
        finally:
            play.close()


def test_what_is_free_comes_at_once() -> None:
    play = Play(scene(LimitRate(bytes_per_s=128 * KIB, after_bytes=512 * KIB)))
    try:
        store(play)
        viewer = play.viewer("a").asks("/v")
        got = viewer.got()
        assert got is not None
        assert 512 * KIB <= len(got.body) < 640 * KIB
        assert waits_for(play, viewer, MIB) == pytest.approx(4, rel=0.1)
        play.advance(1)
        viewer.gets(200, BODY)
    finally:
        play.close()


@pytest.mark.parametrize("memo", [True, False], ids=["memo", "no-memo"])
def test_small_bodies_stay_on_the_fast_path(memo: bool) -> None:
    play = Play(scene(LimitRate(bytes_per_s=KIB, after_bytes=16 * KIB), memo=memo))
    try:
        viewer = play.viewer("a").asks("/small")
        play.origin.answers(200, "x" * 16_384, cache="max-age=60")
        viewer.gets(200)
        for _ in range(4):
            viewer.asks("/small").gets(200, "x" * 16_384)
        viewer.asks("/small", method="HEAD").gets(200, "")
        assert (play.head_cache is not None and len(play.head_cache) > 0) is memo
    finally:
        play.close()


def test_what_is_asked_meanwhile_waits_its_turn() -> None:
    play = Play(scene())
    try:
        store(play)
        viewer = play.viewer("a").asks("/v").asks("/v", range="bytes=0-15")
        assert waits_for(play, viewer, MIB) == pytest.approx(4, rel=0.1)
        play.advance(1)
        viewer.gets(200, BODY)
        viewer.gets(206, BODY[:16])
    finally:
        play.close()


def test_bodies_that_wait_are_in_the_account_once() -> None:
    play = Play(scene())
    try:
        store(play)
        for name in "abcdef":
            play.viewer(name).asks("/v")
        play.advance(1)
        assert play.account.held[MemoryHolding.SENT] == 0, "the store has it"
        play.operator.invalidates("/v")
        play.advance(1)
        assert play.account.held[MemoryHolding.SENT] in (0, MIB), "one body, however many read it"
        for name in "abcdef":
            play.viewer(name).leaves()
        play.loop.settle()
        assert play.account.held[MemoryHolding.SENT] == 0
    finally:
        play.close()


def test_a_websocket_has_no_rate() -> None:
    play = Play(scene(LimitRate(bytes_per_s=KIB)))
    try:
        viewer = play.viewer("a")
        viewer.asks("/chat", sec_websocket_key=KEY, **OPENING)
        accepts(play)
        assert b"101 Switching" in bytes(viewer.transport.written)
    finally:
        play.close()


def test_opening_a_websocket_takes_a_token() -> None:
    limit = RateLimit(name="n", requests_per_s=0.1, burst=2)
    play = Play(Scene(behavior={"rate_limits": (limit,)}))
    try:
        for name in "ab":
            play.viewer(name).asks("/chat", sec_websocket_key=KEY, **OPENING)
            accepts(play)
        play.viewer("c").asks("/chat", sec_websocket_key=KEY, **OPENING).gets(429)
        play.viewer("a").sends(b"x" * 50)  # frames take none
        play.viewer("a").leaves()
    finally:
        play.close()
