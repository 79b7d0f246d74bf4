"""A body in a content coding: what goes in comes out, in steps, as it arrives, and no longer."""

from __future__ import annotations

import asyncio
import gzip
import random
import zlib
from collections import deque
from typing import Any

import brotli  # type: ignore[import-untyped]
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from edgecache.cache.compress import (
    COMPRESSION_BYTES,
    FLUSH_BYTES_MIN,
    STEP_BYTES_MAX,
    CompressedBody,
    Compressions,
    compressed,
)
from edgecache.config.model import CachePolicy
from edgecache.http.message import Request
from edgecache.rules.routing import Route
from edgecache.store.memory_account import MemoryAccount, MemoryHolding
from edgecache.upstream.faults import Fault, UpstreamError
from edgecache.upstream.interface import Reply, WholeBody
from tests.rules.pieces import answer, asks, site_of

CODINGS = ("br", "gzip")
DECODED = {"br": brotli.decompress, "gzip": gzip.decompress}
BOTH = CachePolicy(accept_encoding_gzip=True, accept_encoding_brotli=True)


class Script:
    """A body that brings these pieces; None is a pause before the next one."""

    length: int | None = None

    def __init__(self, *pieces: bytes | None, broken: bool = False) -> None:
        self._pieces = deque(pieces)
        self._broken = broken
        self.closed = False

    async def read(self) -> bytes:
        while self._pieces and self._pieces[0] is None:
            self._pieces.popleft()
        return self.read_nowait() or b""

    def read_nowait(self) -> bytes | None:
        if self._pieces:
            return None if self._pieces[0] is None else self._pieces.popleft()
        if self._broken:
            raise UpstreamError(Fault.TRUNCATED, "script")
        return b""

    def close(self) -> None:
        self.closed = True


def noise(size: int) -> bytes:
    """Bytes that no coding shortens, the same each time."""
    return random.Random(1).randbytes(size)


def begun(body: Script | WholeBody, coding: bytes, account: MemoryAccount | None = None) -> Any:
    """A compression under way, with nobody beside it."""
    compressions = Compressions(account or MemoryAccount(1 << 30))
    place = compressions._begin(asyncio.get_running_loop())
    return CompressedBody(body, coding, compressions, place)


async def coded(body: Script | WholeBody, coding: str) -> bytes:
    return await whole(begun(body, coding.encode()))


async def whole(body: CompressedBody) -> bytes:
    pieces = []
    while piece := await body.read():
        pieces.append(piece)
    assert await body.read() == b"" == body.read_nowait()
    return b"".join(pieces)


def partly(coding: str, data: bytes) -> bytes:
    """What a viewer can make of the first bytes of a coded body."""
    if coding == "br":
        decompressor = brotli.Decompressor()
        return bytes(decompressor.process(data))
    return zlib.decompressobj(31).decompress(data)


@pytest.mark.parametrize("coding", CODINGS)
@pytest.mark.parametrize(
    "pieces",
    [
        (b"",),
        (b"a",),
        (b"hello " * 1_000,),
        tuple(b"%d;" % number for number in range(500)),
        (b"x" * STEP_BYTES_MAX,),
        (b"x" * (STEP_BYTES_MAX + 1),),
        (noise(3 * STEP_BYTES_MAX + 7), b"end"),
        (b"a" * 2_000, None, b"b" * 2_000, None),
    ],
    ids=["empty", "byte", "words", "many", "step", "step-and-one", "noise", "pauses"],
)
def test_what_goes_in_comes_out(coding: str, pieces: tuple[bytes | None, ...]) -> None:
    given = tuple(piece for piece in pieces if piece != b"")
    out = asyncio.run(coded(Script(*given), coding))
    assert DECODED[coding](out) == b"".join(piece or b"" for piece in pieces)


@settings(max_examples=50)
@given(st.lists(st.none() | st.binary(min_size=1, max_size=3_000), max_size=8))
def test_however_it_is_cut(pieces: list[bytes | None]) -> None:
    for coding in CODINGS:
        out = asyncio.run(coded(Script(*pieces), coding))
        assert DECODED[coding](out) == b"".join(piece or b"" for piece in pieces)


@pytest.mark.parametrize("coding", CODINGS)
def test_what_has_come_goes_out_when_the_rest_lets_itself_wait(coding: str) -> None:
    first = b"<p>first</p>" * 200
    assert len(first) >= FLUSH_BYTES_MIN

    async def scene() -> None:
        body = begun(Script(first, None, b"<p>second</p>"), coding.encode())
        came = b""
        while partly(coding, came) != first:
            piece = await body.read()
            assert piece, "it ended before the first piece was out"
            came += piece
        with pytest.raises(Exception):  # noqa: B017, PT011 - each library has its own
            DECODED[coding](came)  # not yet an end
        assert DECODED[coding](came + await whole(body)) == first + b"<p>second</p>"

    asyncio.run(scene())


@pytest.mark.parametrize("coding", CODINGS)
def test_short_pieces_are_gathered(coding: str) -> None:
    pieces: list[bytes | None] = []
    for number in range(2_000):
        pieces += [b"%04d" % number, None]
    out = asyncio.run(coded(Script(*pieces), coding))
    assert len(out) < 8_000  # a flush for each would make it longer than it was


@pytest.mark.parametrize("coding", CODINGS)
def test_everyone_else_has_a_turn_between_two_steps(coding: str) -> None:
    steps = 5
    turns = 0

    async def scene() -> None:
        body = begun(WholeBody(noise(steps * STEP_BYTES_MAX)), coding.encode())
        loop, reading = asyncio.get_running_loop(), asyncio.ensure_future(whole(body))

        def neighbor() -> None:
            nonlocal turns
            turns += 1
            if not reading.done():
                loop.call_soon(neighbor)

        neighbor()
        await reading

    asyncio.run(scene())
    assert turns >= steps


def test_without_a_turn_for_others_nothing_is_compressed() -> None:
    async def scene() -> None:
        body = begun(WholeBody(b"x" * 5_000), b"gzip")
        assert body.read_nowait() is None
        assert body.length is None

    asyncio.run(scene())


@pytest.mark.parametrize("coding", CODINGS)
def test_a_body_that_breaks_off_has_no_end(coding: str) -> None:
    with pytest.raises(UpstreamError) as caught:
        asyncio.run(coded(Script(b"x" * 5_000, broken=True), coding))
    assert caught.value.fault is Fault.TRUNCATED


def test_closing_closes_what_it_reads_and_gives_its_place_back() -> None:
    script, account = Script(b"x" * 5_000), MemoryAccount(1 << 30)

    async def scene() -> None:
        body = begun(script, b"br", account)
        assert account.held[MemoryHolding.COMPRESSION] == COMPRESSION_BYTES
        body.close()
        body.close()

    asyncio.run(scene())
    assert script.closed
    account.check()


def test_an_end_gives_its_place_back() -> None:
    account = MemoryAccount(1 << 30)

    async def scene() -> None:
        await whole(begun(Script(b"x" * 5_000), b"gzip", account))

    asyncio.run(scene())
    account.check()


def reply(body: Script | WholeBody, *given: str) -> Reply:
    return Reply(answer(200, "Content-Type: text/html", *given), body)


def compresses(asked: Reply, request: Request, route: Route) -> Reply:
    return asyncio.run(compressed(asked, request, route, Compressions(MemoryAccount(1 << 30))))


def asked_by(method: str = "GET", *given: str) -> tuple[Request, Route]:
    request = asks("/a", *(given or ("Accept-Encoding: gzip",)), method=method)
    return request, site_of(BOTH, compress=True)


def test_a_reply_is_compressed_head_and_body() -> None:
    async def scene() -> bytes:
        compressions = Compressions(MemoryAccount(1 << 30))
        asked = reply(WholeBody(b"x" * 5_000), "Content-Length: 5000")
        found = await compressed(asked, *asked_by(), compressions)
        assert (b"content-encoding", b"gzip") in found.head.fields
        assert isinstance(found.body, CompressedBody)
        return await whole(found.body)

    assert gzip.decompress(asyncio.run(scene())) == b"x" * 5_000


def test_what_another_tier_let_pass_is_not_compressed() -> None:
    """Its length is stated by us, and was not by the origin where it came in chunks."""
    asked = replace(reply(WholeBody(b"x" * 5_000), "Content-Length: 5000"), result="Miss")
    assert compresses(asked, *asked_by()) is asked


def test_the_length_of_the_body_counts_not_that_it_is_told_in_a_field() -> None:
    assert compresses(reply(WholeBody(b"x" * 5_000)), *asked_by()).body.length is None
    short = reply(WholeBody(b"x" * 999))
    assert compresses(short, *asked_by()) is short
    unknown = reply(Script(b"x" * 5_000))
    assert compresses(unknown, *asked_by()) is unknown


@pytest.mark.parametrize(
    ("stated", "coded"), [("5000", True), ("999", False), ("10000001", False), ("", False)]
)
def test_the_answer_to_a_head_says_what_a_get_would_have(stated: str, coded: bool) -> None:
    given = (f"Content-Length: {stated}",) if stated else ()
    asked = reply(WholeBody(b""), *given)
    found = compresses(asked, *asked_by("HEAD"))
    assert ((b"content-encoding", b"gzip") in found.head.fields) is coded
    assert found.body is asked.body


def test_who_accepts_nothing_gets_it_as_it_came() -> None:
    asked = reply(WholeBody(b"x" * 5_000))
    assert compresses(asked, *asked_by("GET", "Accept-Encoding: identity;q=0, *;q=0")) is asked
