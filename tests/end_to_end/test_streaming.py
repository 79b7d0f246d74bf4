"""Bytes go on as they come; one flight for all who wait; what breaks off is not kept."""

from __future__ import annotations

import asyncio
from collections import Counter

import pytest

from tests.end_to_end.installation import PLAYED, Up
from tests.end_to_end.processes import Running, wait_for
from tests.end_to_end.scripted_origin import Exchange, PlayedOrigin
from tests.end_to_end.viewers import RawViewer, curl, curling

KIB = 1024
HALF = 100 * KIB
VIEWERS = 1_000
CURL_PARTIAL_FILE, CURL_RECV_ERROR = 18, 56  # curl(1), "EXIT CODES"

Served = tuple[Running, int]


@pytest.fixture(params=["up", "serve"])
def port(request: pytest.FixtureRequest, up: Up, served_play: Served) -> int:
    """Two tiers, then one."""
    return up.installation.ports.lhr if request.param == "up" else served_play[1]


def test_the_first_half_comes_before_the_second_is_sent(port: int, played: PlayedOrigin) -> None:
    path, gate = f"/halves/{port}", played.gate()

    async def halves(exchange: Exchange) -> None:
        await exchange.answer(2 * HALF)
        await exchange.send(b"1" * HALF)
        await gate.passed()
        await exchange.send(b"2" * HALF)

    played.plays(path, halves)
    with RawViewer(port) as first, RawViewer(port) as joined:
        for viewer in (first, joined):
            viewer.ask(path, PLAYED)
            assert viewer.head()[0] == 200
            assert viewer.read(HALF) == b"1" * HALF
        gate.open()
        for viewer in (first, joined):
            assert viewer.read(HALF) == b"2" * HALF
    assert played.asked[path] == 1
    assert curl(f"http://127.0.0.1:{port}{path}", "-H", f"Host: {PLAYED}").x_cache == "Hit"


def test_a_thousand_requests_for_a_cold_object_are_one(up: Up, played: PlayedOrigin) -> None:
    path, gate, body = "/cold", played.gate(), b"cold" * KIB

    async def cold(exchange: Exchange) -> None:
        await gate.passed()
        await exchange.answer(len(body))
        await exchange.send(body)

    async def viewers() -> Counter[bytes]:
        ports = (up.installation.ports.lhr, up.installation.ports.nrt)
        opened = [
            await asyncio.open_connection("127.0.0.1", ports[number % 2])
            for number in range(VIEWERS)
        ]
        for _, writer in opened:
            writer.write(f"GET {path} HTTP/1.1\r\nHost: {PLAYED}\r\n\r\n".encode())
        await asyncio.gather(*(writer.drain() for _, writer in opened))
        gate.open()
        got = await asyncio.gather(*(whole_body(reader) for reader, _ in opened))
        for _, writer in opened:
            writer.close()
        await asyncio.gather(*(writer.wait_closed() for _, writer in opened))
        return Counter(got)

    async def whole_body(reader: asyncio.StreamReader) -> bytes:
        await reader.readuntil(b"\r\n\r\n")
        return await reader.readexactly(len(body))

    played.plays(path, cold)
    assert asyncio.run(viewers()) == {body: VIEWERS}
    assert played.asked[path] == 1


def test_a_body_that_breaks_off_is_seen_and_not_stored(port: int, played: PlayedOrigin) -> None:
    path, gate = f"/breaks-off/{port}", played.gate()

    async def breaks_off(exchange: Exchange) -> None:
        await exchange.answer(2 * HALF)
        await exchange.send(b"1" * HALF)
        await gate.passed()
        raise ConnectionError("as the scene wants it")

    async def sound(exchange: Exchange) -> None:
        await exchange.answer(2 * HALF)
        await exchange.send(b"1" * HALF + b"2" * HALF)

    # Not by their number: an edge whose regional cache is slow to answer asks the origin itself.
    played.plays(path, breaks_off)
    url, host = f"http://127.0.0.1:{port}{path}", f"Host: {PLAYED}"
    with RawViewer(port) as viewer, curling(url, "-H", host) as other:
        viewer.ask(path, PLAYED)
        assert viewer.head()[0] == 200
        assert viewer.read(HALF) == b"1" * HALF
        wait_for("curl has its half", lambda: other.size() == HALF)
        played.plays(path, sound)
        asked = played.asked[path]
        gate.open()
        assert viewer.broken()
        assert other.exit_code() in (CURL_PARTIAL_FILE, CURL_RECV_ERROR)
    whole = curl(url, "-H", host)
    assert (whole.exit_code, whole.x_cache) == (0, "Miss")
    assert whole.body == b"1" * HALF + b"2" * HALF
    assert played.asked[path] > asked


def test_a_broken_chunk_is_seen_and_not_stored(port: int, played: PlayedOrigin) -> None:
    path, gate = f"/broken-chunk/{port}", played.gate()
    head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nCache-Control: max-age=60\r\n\r\n"

    async def broken(exchange: Exchange) -> None:
        await exchange.send(head + b"5\r\nfirst\r\n")
        await gate.passed()
        await exchange.send(b"zz\r\n")
        raise ConnectionError("as the scene wants it")

    async def sound(exchange: Exchange) -> None:
        await exchange.send(head + b"5\r\nfirst\r\n0\r\n\r\n")

    played.plays(path, broken)
    with RawViewer(port) as viewer:
        viewer.ask(path, PLAYED)
        assert viewer.head()[0] == 200
        assert viewer.read(10) == b"5\r\nfirst\r\n"
        played.plays(path, sound)
        asked = played.asked[path]
        gate.open()
        assert viewer.broken()
    whole = curl(f"http://127.0.0.1:{port}{path}", "-H", f"Host: {PLAYED}")
    assert (whole.exit_code, whole.x_cache, whole.body) == (0, "Miss", b"first")
    assert played.asked[path] > asked


@pytest.mark.parametrize("port", ["up", "serve"], indirect=True)
def test_nonsense_from_the_origin_is_told_by_a_page(port: int, played: PlayedOrigin) -> None:
    async def nonsense(exchange: Exchange) -> None:
        await exchange.send(b"HTTP/1.1 two hundred\r\n\r\n")
        raise ConnectionError("as the scene wants it")

    path = f"/nonsense/{port}"
    played.plays(path, nonsense)
    answer = curl(f"http://127.0.0.1:{port}{path}", "-H", f"Host: {PLAYED}")
    assert (answer.exit_code, answer.status, answer.x_cache) == (0, 502, "Error")
    assert b"could not be satisfied" in answer.body
