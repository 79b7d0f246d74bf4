"""One connection on a transport of the test's: the rows `O` of the table of hostile inputs."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest

from edgecache.http.message import Response
from edgecache.upstream.connection import INTERIMS_MAX
from edgecache.upstream.endpoint import Timeouts, WireRequest
from edgecache.upstream.faults import Fault, UpstreamError
from edgecache.upstream.response import BUFFER_BYTES_MAX
from tests.upstream.wire import CHUNKED, HEAD, OK5, World, everything, play, turn

WHOLE = [
    # id, what arrives, body, and whether the connection is kept
    ("length", OK5 + b"hello", b"hello", True),
    ("empty", b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", b"", True),
    ("chunked", CHUNKED + b"5\r\nhello\r\n0\r\n\r\n", b"hello", True),
    ("trailers", CHUNKED + b"5\r\nhello\r\n0\r\nX: y\r\n\r\n", b"hello", True),
    ("204", b"HTTP/1.1 204 No Content\r\n\r\n", b"", True),
    ("304", b"HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n", b"", True),
    ("close", b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 1\r\n\r\n!", b"!", False),
    ("1.0", b"HTTP/1.0 200 OK\r\nContent-Length: 1\r\n\r\n!", b"!", False),
    ("O15", b"HTTP/1.1 103 Early\r\nLink: </a>\r\n\r\n" + OK5 + b"hello", b"hello", True),
    ("100", b"HTTP/1.1 100 Continue\r\n\r\n" + OK5 + b"hello", b"hello", True),
    ("O17-204", b"HTTP/1.1 204 No Content\r\n\r\nextra", b"", False),
    ("O17-304", b"HTTP/1.1 304 Not Modified\r\n\r\nextra", b"", False),
    ("extra", OK5 + b"helloHTTP/1.1 200 OK\r\n", b"hello", False),
    ("O07", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n"
     b"5\r\nhello\r\n0\r\n\r\n", b"hello", False),
]  # fmt: skip


@pytest.mark.parametrize("step", [1, 10_000])
@pytest.mark.parametrize(
    ("data", "body", "kept"), [row[1:] for row in WHOLE], ids=[row[0] for row in WHOLE]
)
def test_a_whole_response(data: bytes, body: bytes, kept: bool, step: int) -> None:
    async def main(world: World) -> None:
        reply = await world.ask(*[data[at : at + step] for at in range(0, len(data), step)])
        assert everything(reply) == body
        if step == 1 and not kept and world.released_times:
            # Extra bytes came after the clean end: they close it at rest.
            assert world.wire.ended == "abort"
        else:
            assert world.released_times == kept
            assert bool(world.wire.ended) is not kept
        assert (reply.head.requested_at, reply.head.received_at > 10) == (10.0, True)

    play(main)


def test_o07_the_length_is_dropped() -> None:
    async def main(world: World) -> None:
        reply = await world.ask(
            b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n"
        )
        assert reply.body.length is None
        assert [name for name, _ in reply.head.fields] == [b"transfer-encoding"]

    play(main)


def test_a_head_response_has_no_body() -> None:
    async def main(world: World) -> None:
        reply = await world.ask(OK5, outgoing=WireRequest(b"HEAD", HEAD))
        assert (reply.body.length, everything(reply), world.released_times) == (0, b"", 1)

    play(main)


def test_interim_responses_are_told_but_for_100() -> None:
    told: list[Response] = []

    async def main(world: World) -> None:
        await world.ask(
            b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early\r\nLink: </a>\r\n\r\n",
            b"HTTP/1.1 102 Processing\r\n\r\n",
            OK5,
            outgoing=WireRequest(b"GET", HEAD, on_interim=told.append),
        )

    play(main)
    assert [response.status for response in told] == [103]


FAILED = [
    ("O01-head", [b"HTTP/1.1 200 OK\r\n", "eof"], Fault.CLOSED),
    ("O02-reset", ["reset"], Fault.CLOSED),
    ("O09", [b"HTTP/1.1 2OO OK\r\n\r\n"], Fault.MALFORMED),
    ("O10", [b"HTTP/1.1 200 OK\r\nX: " + b"y" * 40_000], Fault.HEAD_TOO_BIG),
    ("O10-fields", [b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 101 + b"\r\n"], Fault.HEAD_TOO_BIG),
    ("O16", [b"HTTP/1.1 101 Switching\r\nUpgrade: x\r\n\r\n"], Fault.MALFORMED),
    ("interims", [b"HTTP/1.1 103 Early\r\n\r\n" * (INTERIMS_MAX + 1)], Fault.MALFORMED),
    ("O23", [b"SSH-2.0-OpenSSH_9.2\r\n"], Fault.MALFORMED),
    ("O24", [b"HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"], Fault.MALFORMED),
    ("O05-at-once", [CHUNKED + b"Z\r\n"], Fault.MALFORMED),
    ("N11", [b"HTTP/1.1 200 OK\r\nLocation: /\0\r\n\r\n"], Fault.MALFORMED),
]


def arrivals(world: World, steps: list[bytes | str]) -> list[bytes | Callable[[], object]]:
    def end() -> None:
        world.connection.eof_received()
        if not world.wire.ended:
            world.wire.close()

    named: dict[str, Callable[[], object]] = {
        "eof": end,
        "reset": lambda: world.connection.connection_lost(ConnectionResetError()),
    }
    return [named[step] if isinstance(step, str) else step for step in steps]


@pytest.mark.parametrize(
    ("steps", "fault"), [row[1:] for row in FAILED], ids=[row[0] for row in FAILED]
)
def test_no_response(steps: list[bytes | str], fault: Fault) -> None:
    async def main(world: World) -> None:
        with pytest.raises(UpstreamError) as failed:
            await world.ask(*arrivals(world, steps))
        assert (failed.value.fault, failed.value.sent) == (fault, True)
        assert world.wire.ended
        assert world.released_times == 0

    play(main)


CUT = [
    ("O01", [OK5 + b"hel", "eof"], Fault.TRUNCATED),
    ("O02", [OK5 + b"hel", "reset"], Fault.TRUNCATED),
    ("O04", [CHUNKED + b"3\r\nhel\r\n", "eof"], Fault.TRUNCATED),
    ("O05", [CHUNKED + b"3\r\nhel\r\n", b"Z\r\n"], Fault.MALFORMED),
    ("O06-reset", [b"HTTP/1.1 200 OK\r\n\r\nhel", "reset"], Fault.TRUNCATED),
]


@pytest.mark.parametrize(("steps", "fault"), [row[1:] for row in CUT], ids=[row[0] for row in CUT])
def test_a_body_that_breaks_off(steps: list[bytes | str], fault: Fault) -> None:
    async def main(world: World) -> None:
        reply = await world.ask(*arrivals(world, steps))
        assert await reply.body.read() == b"hel"
        with pytest.raises(UpstreamError) as failed:
            await reply.body.read()
        assert failed.value.fault is fault
        assert world.released_times == 0

    play(main)


def test_o06_a_body_until_close_is_whole_at_the_end_of_file() -> None:
    async def main(world: World) -> None:
        reply = await world.ask(*arrivals(world, [b"HTTP/1.1 200 OK\r\n\r\nhel", b"lo", "eof"]))
        assert (reply.body.length, everything(reply)) == (None, b"hello")
        assert (world.released_times, world.wire.ended) == (0, "close")

    play(main)


def test_a_connection_that_speaks_at_rest_is_closed() -> None:
    async def main(world: World) -> None:
        await world.ask(OK5 + b"hello")
        assert world.connection.usable
        world.connection.data_received(OK5 + b"evil!")
        assert not world.connection.usable
        await turn()
        assert world.gone_times == 1

    play(main)


def test_a_closed_connection_says_that_nothing_was_sent() -> None:
    async def main(world: World) -> None:
        world.wire.close()
        with pytest.raises(UpstreamError) as failed:
            await world.ask()
        assert (failed.value.fault, failed.value.sent) == (Fault.CLOSED, False)
        assert world.wire.written == b""

    play(main)


@pytest.mark.parametrize(
    ("timeouts", "arrived"),
    [
        (Timeouts(response_s=0.001), []),
        (Timeouts(response_s=0.001), [b"HTTP/1.1 200 OK\r\n"]),
        (Timeouts(response_s=0.001), [b"HTTP/1.1 103 Early\r\n\r\n"]),
    ],
    ids=["O12", "O11", "interim"],
)
def test_a_head_that_does_not_come_in_time(timeouts: Timeouts, arrived: list[bytes]) -> None:
    async def main(world: World) -> None:
        with pytest.raises(UpstreamError) as failed:
            await world.ask(*arrived, outgoing=WireRequest(b"GET", HEAD, timeouts=timeouts))
        assert failed.value.fault is Fault.RESPONSE_TIMEOUT
        assert world.wire.ended == "abort"

    play(main)


def test_o11_a_body_that_stops_coming() -> None:
    async def main(world: World) -> None:
        outgoing = WireRequest(b"GET", HEAD, timeouts=Timeouts(read_s=0.001))
        reply = await world.ask(OK5 + b"h", outgoing=outgoing)
        assert await reply.body.read() == b"h"
        with pytest.raises(UpstreamError) as failed:
            await reply.body.read()
        assert failed.value.fault is Fault.RESPONSE_TIMEOUT

    play(main)


def test_a_slow_reader_pauses_the_connection_and_no_time_runs_meanwhile() -> None:
    async def main(world: World) -> None:
        reply = await world.ask(b"HTTP/1.1 200 OK\r\n\r\n")
        world.connection.data_received(b"x" * (BUFFER_BYTES_MAX + 1))
        assert not world.wire.reading
        assert len(await reply.body.read()) == BUFFER_BYTES_MAX + 1
        assert world.wire.reading

    play(main)


def test_a_connection_released_while_its_body_waits_reads_again() -> None:
    async def main(world: World) -> None:
        length = BUFFER_BYTES_MAX + 1
        await world.ask(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % length + b"x" * length)
        assert world.released_times == 1
        assert world.wire.reading

    play(main)


def test_closing_a_body_early_closes_the_connection() -> None:
    async def main(world: World) -> None:
        reply = await world.ask(OK5 + b"he")
        reply.body.close()
        await turn()
        assert (world.wire.ended, world.gone_times, world.released_times) == ("abort", 1, 0)

    play(main)


def test_a_cancelled_request_closes_the_connection() -> None:
    async def main(world: World) -> None:
        asking = asyncio.get_running_loop().create_task(
            world.connection.ask(WireRequest(b"GET", HEAD))
        )
        await turn()
        asking.cancel()
        await asyncio.wait({asking})
        assert asking.cancelled()
        assert world.wire.ended == "abort"

    play(main)
