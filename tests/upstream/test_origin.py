"""Origins as an upstream: what is tried again, and what is not believed."""

from __future__ import annotations

import asyncio
import ssl
from typing import Any

import pytest

from edgecache.config.model import Behavior, Distribution, Origin
from edgecache.http.message import Fields, Request
from edgecache.rules.routing import Route
from edgecache.rules.semantics import CLOUDFRONT
from edgecache.upstream.endpoint import Endpoint
from edgecache.upstream.faults import Fault, UpstreamError
from edgecache.upstream.interface import Call
from edgecache.upstream.origin import OriginUpstream
from edgecache.upstream.pool import Pool
from tests.upstream.loopback import Origin as Server
from tests.upstream.loopback import Run, answers, everything, failure, world

WEBSOCKET = ((b"connection", b"upgrade"), (b"upgrade", b"websocket"),
             (b"sec-websocket-key", b"a"), (b"sec-websocket-version", b"13"))  # fmt: skip


def call(method: bytes = b"GET", fields: Fields = (), **origin: Any) -> Call:
    made = Origin(**{"id": "o", "domain_name": "127.0.0.1", **origin})
    behavior = Behavior(origin="o")
    distribution = Distribution(id="E1", origins=(made,), default_behavior=behavior)
    return Call(
        Request(method, b"/", None, fields), Route(distribution, behavior, made, CLOUDFRONT)
    )


def test_a_websocket_to_an_origin_that_may_choose_goes_by_http11(run: Run) -> None:
    """Whatever TLS would agree on for other requests."""
    asked: list[Endpoint] = []

    class NotedPool(Pool):
        async def send(self, endpoint: Endpoint, outgoing: Any, begun: Any = None) -> Any:
            asked.append(endpoint)
            raise UpstreamError(Fault.CLOSED, endpoint.where)

    async def main() -> None:
        connect: Any = None
        made = NotedPool(connect, lambda: 0.0)
        for fields in (WEBSOCKET, ()):
            wanted = call(fields=fields, protocol="http2", protocol_policy="https-only")
            await failure(OriginUpstream(made).fetch(wanted))
        offers = [one.tls.offers for one in asked if one.tls is not None]
        assert offers[0] == ("http/1.1",)
        assert asked[0].tunnels
        assert offers[-1] == ("h2", "http/1.1")

    run(main())


def test_an_origin_that_speaks_http11_alone_is_never_asked_so_instead(run: Run) -> None:
    async def main() -> None:
        async with world(answers) as (pool, _, endpoint):
            asked = call(http_port=endpoint.port, protocol="h2")
            error = await failure(OriginUpstream(pool).fetch(asked))
            assert error.fault in (Fault.NOT_HTTP2, Fault.CLOSED)
            assert error.status == 502

    run(main())


def test_an_origin_answers(run: Run) -> None:
    async def main() -> None:
        async with world(answers) as (pool, _, endpoint):
            reply = await OriginUpstream(pool).fetch(call(http_port=endpoint.port))
            assert reply.head.status == 200
            assert await everything(reply) == b"1.1"

    run(main())


@pytest.mark.parametrize(
    ("method", "error", "tries"),
    [
        (b"GET", ConnectionRefusedError(), 3),
        (b"HEAD", TimeoutError(), 3),
        (b"POST", ConnectionRefusedError(), 1),
        (b"GET", ssl.SSLError(), 1),
    ],
    ids=["O13-get", "O13-head", "O13-post", "O26"],
)
def test_connecting_is_tried_again(method: bytes, error: Exception, tries: int, run: Run) -> None:
    tried: list[Endpoint] = []

    async def fails(endpoint: Endpoint, _: object) -> asyncio.BaseTransport:
        tried.append(endpoint)
        raise error

    async def main() -> None:
        upstream = OriginUpstream(Pool(fails, lambda: 0.0))
        await failure(upstream.fetch(call(method, connection_attempts=3)))
        assert len(tried) == tries

    run(main())


def test_a_circuit_goes_by_the_clock_that_is_given_and_may_be_forgotten(run: Run) -> None:
    tried, now = [0], [100.0]

    async def refuses(endpoint: Endpoint, _: object) -> asyncio.BaseTransport:
        tried[0] += 1
        raise ConnectionRefusedError

    async def main() -> None:
        upstream = OriginUpstream(Pool(refuses, lambda: 0.0), clock=lambda: now[0])
        settings: dict[str, Any] = {
            "circuit_breaker": True,
            "circuit_failures": 2,
            "circuit_window_s": 60,
        }

        async def fault() -> Fault:
            asked = call(connection_attempts=1, **settings)
            return (await failure(upstream.fetch(asked))).fault

        assert [await fault() for _ in range(3)] == [Fault.REFUSED, Fault.REFUSED, Fault.OPEN]
        now[0] += 61
        assert [await fault() for _ in range(3)] == [Fault.REFUSED, Fault.REFUSED, Fault.OPEN]
        upstream.forget()
        assert await fault() is Fault.REFUSED
        assert tried == [5]

    run(main())


@pytest.mark.parametrize(
    "refusal",
    [ssl.SSLError(1, "unrecognized name"), ConnectionResetError()],
    ids=["alert", "reset"],
)
def test_names_that_viewers_made_up_leave_the_origin_to_others(
    refusal: Exception, run: Run
) -> None:
    tried: list[str] = []

    async def refuses(endpoint: Endpoint, _: object) -> asyncio.BaseTransport:
        assert endpoint.tls is not None
        tried.append(endpoint.tls.server_name)
        raise refusal

    async def main() -> None:
        upstream = OriginUpstream(Pool(refuses, lambda: 0.0))
        for name in (*(b"n%d.a.test" % number for number in range(30)), b"good.a.test"):
            fields = ((b"host", name),)
            asked = call(fields=fields, protocol_policy="https-only", circuit_breaker=True)
            await failure(upstream.fetch(asked))
        assert tried[-1] == "good.a.test"

    run(main())


@pytest.mark.parametrize(
    ("method", "said", "requests"),
    [
        (b"GET", b"", 2),  # as from one that is being restarted
        (b"HEAD", b"", 2),
        (b"POST", b"", 1),
        (b"GET", b"HTTP/1.1 2", 1),
    ],
    ids=["get", "head", "post", "get-begun"],
)
def test_one_that_closes_without_a_word_is_asked_once_more(
    method: bytes, said: bytes, requests: int, run: Run
) -> None:
    async def closes(origin: Server, number: int, writer: asyncio.StreamWriter) -> bool:
        writer.write(said)
        return False

    async def main() -> None:
        async with world(closes) as (pool, server, endpoint):
            asked = call(method, http_port=endpoint.port)
            error = await failure(OriginUpstream(pool).fetch(asked))
            assert (error.fault, server.requests) == (Fault.CLOSED, requests)

    run(main())


@pytest.mark.parametrize(
    ("fields", "believed"),
    [
        ((), False),
        (((b"if-none-match", b'"a"'),), True),
        (((b"if-modified-since", b"Thu, 01 Jan 1970 00:00:00 GMT"),), True),
    ],
)
def test_o18_a_304_nobody_asked_for(fields: Fields, believed: bool, run: Run) -> None:
    async def unchanged(origin: Server, number: int, writer: asyncio.StreamWriter) -> bool:
        writer.write(b"HTTP/1.1 304 Not Modified\r\n\r\n")
        return True

    async def main() -> None:
        async with world(unchanged) as (pool, _, endpoint):
            upstream = OriginUpstream(pool)
            asked = call(fields=fields, http_port=endpoint.port)
            if believed:
                assert (await upstream.fetch(asked)).head.status == 304
            else:
                assert (await failure(upstream.fetch(asked))).fault is Fault.MALFORMED

    run(main())
