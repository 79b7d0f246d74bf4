"""Origins that TLS agrees on a version of HTTP with: HTTP/2 is offered, HTTP/1.1 beside it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from msgspec.structs import replace

from edgecache.config.model import Origin
from edgecache.http.message import HeadLimits
from edgecache.upstream.endpoint import Endpoint, TlsName
from edgecache.upstream.faults import Fault, UpstreamError
from edgecache.upstream.interface import Reply
from edgecache.upstream.origin_request import endpoint_of
from edgecache.upstream.pool import NEGOTIATED_MAX, NEGOTIATED_S, Pool, PoolLimits
from tests.upstream.http2.h2_origin import GET, MemoryTransport, PlayedOrigin, answers, turns, whole
from tests.upstream.http2.test_connection import Agreed

ENDPOINT = Endpoint("origin.test", 443, tls=TlsName("origin.test")).negotiated()


class AgreeingOrigin(PlayedOrigin):
    """An origin whose TLS agrees on `protocol`; by HTTP/1.1 it says `ok`."""

    def __init__(self, protocol: str | None) -> None:
        super().__init__()
        self.offered: list[tuple[str, ...]] = []
        self.names: list[str] = []
        self.tls = Agreed(protocol)
        self.on_event = answers(body=b"two")

    async def connect(
        self, endpoint: Endpoint, protocol: Callable[[], asyncio.Protocol]
    ) -> asyncio.BaseTransport:
        assert endpoint.tls is not None
        self.offered.append(endpoint.tls.offers)
        self.names.append(endpoint.tls.server_name)
        if self.tls.selected_alpn_protocol() == "h2":
            return await super().connect(endpoint, protocol)
        transport = MemoryTransport(self, protocol(), self.tls)
        self.connections.append(transport)
        transport.protocol.connection_made(transport)
        return transport

    def hears(self, transport: MemoryTransport, data: bytes) -> None:
        if self.tls.selected_alpn_protocol() == "h2":
            super().hears(transport, data)
        elif data.startswith(b"GET "):
            told = b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\none"
            asyncio.get_running_loop().call_soon(transport.says, told)


class Negotiation:
    """A pool, an origin and a clock."""

    def __init__(self, protocol: str | None) -> None:
        self.now = 1_000.0
        self.origin = AgreeingOrigin(protocol)
        limits = PoolLimits(HeadLimits(), waiting_max=4)
        self.pool = Pool(self.origin.connect, lambda: self.now, limits)

    async def asks(self, name: str = "") -> bytes:
        asking = asyncio.create_task(self._send(name))
        await turns(20)
        return await whole(asking.result())

    async def _send(self, name: str) -> Reply:
        return await self.pool.send(ENDPOINT, replace(GET, server_name=name))


def test_one_that_chooses_http2_is_asked_by_it() -> None:
    async def main() -> None:
        played = Negotiation("h2")
        assert [await played.asks(), await played.asks()] == [b"two", b"two"]
        assert played.origin.offered == [("h2", "http/1.1")]
        played.pool.close()
        await turns()

    asyncio.run(main())


@pytest.mark.parametrize("chosen", ["http/1.1", None])
def test_one_that_does_not_is_asked_by_http11_and_not_offered_it_for_a_while(
    chosen: str | None,
) -> None:
    async def main() -> None:
        played = Negotiation(chosen)
        assert [await played.asks(), await played.asks()] == [b"one", b"one"]
        assert played.origin.offered == [("h2", "http/1.1"), ("http/1.1",)]
        played.now += NEGOTIATED_S + 1
        await played.asks()
        assert played.origin.offered[2] == ("h2", "http/1.1")
        played.pool.close()
        await turns()

    asyncio.run(main())


def test_what_one_name_has_chosen_says_nothing_of_another() -> None:
    """Who forwards Host lets viewers choose the name that TLS asks for."""

    async def main() -> None:
        played = Negotiation("http/1.1")
        await played.asks()
        await played.asks("other.test")
        assert played.origin.offered.count(("h2", "http/1.1")) == 2
        assert played.origin.names[2] == "other.test"
        for number in range(NEGOTIATED_MAX - 2):
            played.pool._without_http2[ENDPOINT, f"{number}.test"] = 9_999.0
        await played.asks("one-more.test")
        assert len(played.pool._without_http2) == NEGOTIATED_MAX
        assert (ENDPOINT, "") not in played.pool._without_http2
        played.pool.close()
        await turns()

    asyncio.run(main())


def test_one_that_cannot_be_reached_is_not_asked_by_http11_instead() -> None:
    async def refused(_endpoint: Endpoint, _made: object) -> asyncio.BaseTransport:
        asked.append(1)
        raise ConnectionRefusedError

    asked: list[int] = []

    async def main() -> None:
        pool = Pool(refused, lambda: 1_000.0)
        with pytest.raises(UpstreamError) as caught:
            await pool.send(ENDPOINT, GET)
        assert caught.value.fault is Fault.REFUSED
        assert len(asked) == 1

    asyncio.run(main())


@pytest.mark.parametrize(
    ("policy", "scheme", "offers"),
    [
        ("https-only", b"http", ("h2", "http/1.1")),
        ("match-viewer", b"https", ("h2", "http/1.1")),
        ("match-viewer", b"http", None),
        ("http-only", b"https", None),
    ],
)
def test_without_tls_it_is_asked_by_http11(
    policy: str, scheme: bytes, offers: tuple[str, ...] | None
) -> None:
    """API reference, CustomOriginConfig: HTTP/2 only over TLS."""
    settings: Any = {"protocol": "http2", "protocol_policy": policy}
    origin = Origin(id="o", domain_name="o.test", **settings)
    endpoint = endpoint_of(origin, scheme)
    assert (None if endpoint.tls is None else endpoint.tls.offers) == offers
    assert endpoint.negotiates is endpoint.http2 is (offers is not None)
