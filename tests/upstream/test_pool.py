"""Connections kept for reuse, against real servers on the loopback."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from msgspec.structs import replace

from edgecache.http.message import HeadLimits
from edgecache.upstream.endpoint import Endpoint, Timeouts, WireRequest
from edgecache.upstream.faults import Fault, UpstreamError
from edgecache.upstream.interface import WholeBody
from edgecache.upstream.pool import Pool, PoolLimits
from tests.upstream.loopback import (
    GET,
    Origin,
    Run,
    answers,
    answers_when_let,
    everything,
    failure,
    open_connections,
    turn,
    until,
    world,
)
from tests.upstream.wire import OK5, Wire


def test_a_connection_is_used_again(run: Run) -> None:
    async def main() -> None:
        async with world(answers) as (pool, origin, endpoint):
            bodies = [await everything(await pool.send(endpoint, GET)) for _ in range(3)]
            assert bodies == [b"1.1", b"1.2", b"1.3"]
            assert (origin.connections, open_connections(pool)) == (1, 1)

    run(main())


def test_a_small_response_is_whole_at_once(run: Run) -> None:
    async def main() -> None:
        async with world(answers) as (pool, _, endpoint):
            reply = await pool.send(endpoint, GET)
            assert reply.body.read_nowait() == b"1.1"
            assert reply.body.read_nowait() == b""

    run(main())


@pytest.mark.parametrize(("reach", "taken"), [("private", False), ("own", True)])
def test_a_tier_of_ours_may_say_a_few_fields_more_than_an_origin(
    reach: Any, taken: bool, run: Run
) -> None:
    """It passes on as many as an origin may send, and adds its own."""

    async def with_fields(_: Origin, __: int, writer: asyncio.StreamWriter) -> bool:
        lines = b"".join(b"X-%d: a\r\n" % number for number in range(29))
        writer.write(b"HTTP/1.1 200 OK\r\n" + lines + b"Content-Length: 2\r\n\r\nok")
        return True

    async def main() -> None:
        limits = PoolLimits(HeadLimits(fields_max=20))
        async with world(with_fields, limits) as (pool, _, endpoint):
            sending = pool.send(replace(endpoint, reach=reach), GET)
            if taken:
                assert await everything(await sending) == b"ok"
            else:
                assert (await failure(sending)).fault is Fault.HEAD_TOO_BIG

    run(main())


def test_the_last_one_used_is_the_first_used_again(run: Run) -> None:
    async def main() -> None:
        async with world(answers_when_let) as (pool, origin, endpoint):
            both = [asyncio.create_task(pool.send(endpoint, GET)) for _ in range(2)]
            await origin.until(lambda: origin.requests == 2)
            origin.gate.set()
            await asyncio.gather(*both)
            again = [await everything(await pool.send(endpoint, GET)) for _ in range(2)]
            assert again[0].split(b".")[0] == again[1].split(b".")[0]
            assert origin.connections == 2

    run(main())


def test_above_the_maximum_requests_wait_their_turn(run: Run) -> None:
    async def main() -> None:
        async with world(answers_when_let, connections_max=2) as (pool, origin, endpoint):
            tasks = [asyncio.create_task(pool.send(endpoint, GET)) for _ in range(7)]
            await origin.until(lambda: origin.requests == 2)
            origin.gate.set()
            bodies = {await everything(await task) for task in tasks}
            assert len(bodies) == 7
            assert origin.connections == 2

    run(main())


def test_a_line_that_is_full_or_too_slow_is_busy(run: Run) -> None:
    async def main() -> None:
        limits = PoolLimits(waiting_max=1)
        async with world(answers_when_let, limits, connections_max=1) as (pool, origin, endpoint):
            working = asyncio.create_task(pool.send(endpoint, GET))
            await origin.until(lambda: origin.requests == 1)
            impatient = WireRequest(GET.method, GET.head, timeouts=Timeouts(connect_s=0.01))
            slow = asyncio.create_task(pool.send(endpoint, impatient))
            await until(lambda: slow.done() or origin.requests > 1)
            waiting = asyncio.create_task(pool.send(endpoint, GET))
            await turn()
            errors = [slow.exception(), await failure(pool.send(endpoint, GET))]
            assert [(e.fault, e.sent) for e in errors if isinstance(e, UpstreamError)] == [
                (Fault.BUSY, False)
            ] * 2
            origin.gate.set()
            assert [await everything(await task) for task in (working, waiting)] == [
                b"1.1",
                b"1.2",
            ]

    run(main())


def test_a_waiter_that_leaves_loses_no_place(run: Run) -> None:
    async def main() -> None:
        async with world(answers_when_let, connections_max=1) as (pool, origin, endpoint):
            working = asyncio.create_task(pool.send(endpoint, GET))
            await origin.until(lambda: origin.requests == 1)
            leaving = asyncio.create_task(pool.send(endpoint, GET))
            staying = asyncio.create_task(pool.send(endpoint, GET))
            await turn()
            leaving.cancel()
            origin.gate.set()
            assert await everything(await working) == b"1.1"
            assert await everything(await staying) == b"1.2"

    run(main())


def test_a_connection_that_breaks_gives_its_place_to_the_next(run: Run) -> None:
    async def breaks_first(origin: Origin, number: int, writer: asyncio.StreamWriter) -> bool:
        await origin.gate.wait()
        return number > 1 and await answers(origin, number, writer)

    async def main() -> None:
        async with world(breaks_first, connections_max=1) as (pool, origin, endpoint):
            working = asyncio.create_task(pool.send(endpoint, GET))
            await origin.until(lambda: origin.requests == 1)
            waiting = asyncio.create_task(pool.send(endpoint, GET))
            await turn()
            origin.gate.set()
            assert (await failure(working)).fault is Fault.CLOSED
            assert await everything(await waiting) == b"2.2"

    run(main())


async def closes_on_reuse(origin: Origin, number: int, writer: asyncio.StreamWriter) -> bool:
    return origin.requests != 2 and await answers(origin, number, writer)


def test_o22_a_get_is_sent_again_when_the_kept_connection_closes(run: Run) -> None:
    async def main() -> None:
        async with world(closes_on_reuse) as (pool, _, endpoint):
            await pool.send(endpoint, GET)
            assert await everything(await pool.send(endpoint, GET)) == b"2.3"

    run(main())


def test_o22_what_is_sent_again_is_signed_again(run: Run) -> None:
    signed: list[bytes] = []

    def sign(head: bytes) -> bytes:
        signed.append(head)
        return head.replace(b"\r\n", b"\r\nX-Number: %d\r\n" % len(signed), 1)

    async def main() -> None:
        async with world(closes_on_reuse) as (pool, _, endpoint):
            for _ in range(2):
                await everything(await pool.send(endpoint, replace(GET, sign=sign)))
        assert signed == [GET.head] * 3  # the second one twice: its connection was closed

    run(main())


@pytest.mark.parametrize("method", [b"POST", b"PUT"])
def test_o22_what_cannot_be_replayed_is_not_sent_again(method: bytes, run: Run) -> None:
    body = None if method == b"POST" else WholeBody(b"")

    async def main() -> None:
        async with world(closes_on_reuse) as (pool, origin, endpoint):
            await pool.send(endpoint, GET)
            error = await failure(pool.send(endpoint, WireRequest(method, GET.head, body)))
            assert (error.fault, error.sent, origin.requests) == (Fault.CLOSED, True, 2)

    run(main())


def test_a_new_connection_that_closes_is_not_asked_again(run: Run) -> None:
    async def closes(origin: Origin, number: int, writer: asyncio.StreamWriter) -> bool:
        return False

    async def main() -> None:
        async with world(closes) as (pool, origin, endpoint):
            assert (await failure(pool.send(endpoint, GET))).fault is Fault.CLOSED
            assert origin.requests == 1

    run(main())


def test_a_connection_closed_at_rest_is_not_used(run: Run) -> None:
    async def answers_and_closes(origin: Origin, number: int, writer: asyncio.StreamWriter) -> bool:
        await answers(origin, number, writer)
        return False

    async def main() -> None:
        async with world(answers_and_closes) as (pool, _, endpoint):
            for number in (1, 2):
                reply = await pool.send(endpoint, WireRequest(b"POST", GET.head))
                assert await everything(reply) == b"%d.%d" % (number, number)
                await until(lambda: open_connections(pool) == 0)

    run(main())


def test_a_connection_that_speaks_at_rest_is_not_used(run: Run) -> None:
    async def speaks_twice(origin: Origin, number: int, writer: asyncio.StreamWriter) -> bool:
        await answers(origin, number, writer)
        await origin.gate.wait()
        if number == 1:
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil")
        return True

    async def main() -> None:
        async with world(speaks_twice) as (pool, origin, endpoint):
            await pool.send(endpoint, GET)
            origin.gate.set()
            await until(lambda: open_connections(pool) == 0)
            assert await everything(await pool.send(endpoint, GET)) == b"2.2"

    run(main())


def test_an_idle_connection_expires(run: Run) -> None:
    async def main() -> None:
        async with world(answers, idle_s=0.01) as (pool, _, endpoint):
            await pool.send(endpoint, GET)
            await until(lambda: open_connections(pool) == 0)

    run(main())


def test_a_connection_at_rest_grows_no_older_than_it_may(run: Run) -> None:
    """A name that moved is noticed in `connection_s_max`, not in that and a keep-alive time."""

    async def main() -> None:
        async with world(answers) as (pool, _, endpoint):
            aging = replace(endpoint, connection_s_max=0.05)
            await pool.send(aging, GET)
            assert open_connections(pool) == 1
            await until(lambda: open_connections(pool) == 0)
            await pool.send(endpoint, GET)
            assert open_connections(pool) == 1

    run(main())


def test_a_large_body_arrives_whole_through_a_bounded_buffer(run: Run) -> None:
    piece, pieces = b"0123456789abcdef" * 4_096, 64

    async def streams(origin: Origin, number: int, writer: asyncio.StreamWriter) -> bool:
        writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        for _ in range(pieces):
            writer.write(b"%x\r\n%b\r\n" % (len(piece), piece))
            await writer.drain()
        writer.write(b"0\r\n\r\n")
        return True

    async def main() -> None:
        async with world(streams) as (pool, origin, endpoint):
            for _ in range(2):
                assert await everything(await pool.send(endpoint, GET)) == piece * pieces
            assert origin.connections == 1

    run(main())


def test_a_closed_pool_takes_nothing_and_keeps_nothing(run: Run) -> None:
    async def main() -> None:
        async with world(answers_when_let, connections_max=1) as (pool, origin, endpoint):
            working = asyncio.create_task(pool.send(endpoint, GET))
            await origin.until(lambda: origin.requests == 1)
            waiting = asyncio.create_task(pool.send(endpoint, GET))
            await turn()
            pool.close()
            for sending in (working, waiting, pool.send(endpoint, GET)):
                assert (await failure(sending)).fault is Fault.CLOSED
            origin.gate.set()

    run(main())


def test_a_connection_that_closes_as_it_is_handed_over_costs_no_request(run: Run) -> None:
    wires: list[Wire] = []

    async def connect(_: Endpoint, protocol: Callable[[], asyncio.Protocol]) -> Wire:
        connection = protocol()
        wires.append(Wire(connection))
        connection.connection_made(wires[-1])
        return wires[-1]

    async def main() -> None:
        pool = Pool(connect, lambda: 0.0)
        endpoint = Endpoint("a.test", 80, connections_max=1)
        loop = asyncio.get_running_loop()
        first = loop.create_task(pool.send(endpoint, GET))
        second = loop.create_task(pool.send(endpoint, WireRequest(b"POST", GET.head)))
        await until(lambda: bool(wires))
        wires[0].protocol.data_received(OK5 + b"first")
        wires[0].close()
        await until(lambda: len(wires) == 2)
        wires[1].protocol.data_received(OK5 + b"other")
        assert [await everything(await task) for task in (first, second)] == [b"first", b"other"]
        assert wires[0].written == GET.head

    run(main())
