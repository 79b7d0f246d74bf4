"""An origin is told that the request has passed us, and whom else (RFC 8586)."""

from __future__ import annotations

import asyncio
from typing import Any, cast

import pytest

from edgecache.config.model import Behavior, Distribution, Origin
from edgecache.http.message import Request, Response
from edgecache.rules.routing import Route
from edgecache.rules.semantics import CLOUDFRONT
from edgecache.upstream.endpoint import Endpoint, WireRequest
from edgecache.upstream.interface import Call, Reply, WholeBody
from edgecache.upstream.origin import OriginUpstream
from tests.rules.pieces import lines


class Listening:
    """A pool that keeps what it is to send."""

    def __init__(self) -> None:
        self.head = b""

    async def send(self, _endpoint: Endpoint, outgoing: WireRequest) -> Reply:
        self.head = outgoing.head
        return Reply(Response(200, b"", ()), WholeBody(b""))


@pytest.mark.parametrize(
    ("before", "told"),
    [
        ((), b"us"),
        (("cdn-loop: us",), b"us, us"),
        (("cdn-loop: a; v=1", "cdn-loop: b"), b"a; v=1, b, us"),
    ],
)
def test_each_passage_is_added(before: tuple[str, ...], told: bytes) -> None:
    origin = Origin(id="o", domain_name="origin.test")
    behavior = Behavior(origin="o")
    site = Distribution(id="E1", origins=(origin,), default_behavior=behavior)
    request = Request(b"GET", b"/", None, lines(*before))
    pool = Listening()
    upstream = OriginUpstream(cast(Any, pool), cdn_id=b"us")
    asyncio.run(upstream.fetch(Call(request, Route(site, behavior, origin, CLOUDFRONT))))
    found = [line for line in pool.head.split(b"\r\n") if line.lower().startswith(b"cdn-loop:")]
    assert [line.partition(b": ")[2] for line in found] == [told]
