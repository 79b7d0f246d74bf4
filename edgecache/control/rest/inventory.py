"""What the nodes hold: figures of each store, and lists of what is in it.

Law: asking changes nothing, and takes no node longer than a look at OBJECTS_LOOKED_AT of its
objects.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import msgspec
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from edgecache.cluster.inspection import (
    LISTED,
    OBJECTS,
    STATS,
    InventoryQuery,
    ObjectOrder,
    StoreObjects,
    StoreStats,
    WorkerReport,
)
from edgecache.cluster.tokens import Tokens
from edgecache.config.model import Config
from edgecache.control.nodes.client import WorkerGroup, meet, places
from edgecache.control.nodes.explain import ConfiguredNodes
from edgecache.control.rest.auth import require_operator
from edgecache.control.state.log import LiveLog
from edgecache.http.head import request_head
from edgecache.upstream.peer import heads as peer_fields

A = TypeVar("A", bound=WorkerReport)


@dataclass(frozen=True, slots=True)
class PlaceInventory(Generic[A]):
    """What the processes of one place said. `problem`: why fewer than all did."""

    name: str
    role: str
    nodes: tuple[A, ...]
    problem: str = ""


async def stats(nodes: ConfiguredNodes, config: Config) -> tuple[PlaceInventory[StoreStats], ...]:
    """The figures of every store."""
    return tuple(await asyncio.gather(*asked_of_all(nodes, config, STATS, StoreStats)))


async def objects(
    nodes: ConfiguredNodes, config: Config, wanted: InventoryQuery
) -> tuple[PlaceInventory[StoreObjects], ...]:
    """What every store has of what is wanted."""
    head = _head(nodes, wanted.prefix, wanted.spell())
    asked = [_held(nodes, place, head, StoreObjects) for place in places(config)]
    return tuple(await asyncio.gather(*asked))


def asked_of_all(
    nodes: ConfiguredNodes, config: Config, wanted: bytes, answer: type[A]
) -> list[Coroutine[Any, Any, PlaceInventory[A]]]:
    """Every place, asked the same."""
    head = _head(nodes, "/", wanted)
    return [_held(nodes, place, head, answer) for place in places(config)]


async def _held(
    nodes: ConfiguredNodes, place: WorkerGroup, head: bytes, answer: type[A]
) -> PlaceInventory[A]:
    said, problem = await meet(nodes.exchange, place, head, answer)
    return PlaceInventory(place.name, place.role, said, problem)


def _head(nodes: ConfiguredNodes, target: str, wanted: bytes) -> bytes:
    fields = (
        (b"host", b"unknown.invalid"),
        (peer_fields.CREDENTIAL, nodes.credential()),
        (peer_fields.EXPLAIN, wanted),
    )
    return request_head(b"GET", target.encode(), fields)


def holdings_routes(log: LiveLog, tokens: Tokens, nodes: ConfiguredNodes) -> list[Route]:
    """`GET /stats`, and `GET /objects?prefix=/x&order=largest&limit=20`: JSON, for operators."""

    def config_now(request: Request) -> Config:
        require_operator(request, tokens)
        newest = log.config
        if newest is None:
            raise HTTPException(503, "there is no configuration yet")
        return msgspec.convert(newest.body, Config)

    async def stats_told(request: Request) -> Response:
        return _json(await stats(nodes, config_now(request)))

    async def objects_told(request: Request) -> Response:
        config, query = config_now(request), request.query_params
        prefix, order = query.get("prefix", "/"), query.get("order", ObjectOrder.LARGEST)
        try:
            spelled = f"{OBJECTS.decode()}:{order}:{query.get('limit', LISTED)}"
            wanted = InventoryQuery.read(prefix, spelled.encode("ascii"))
        except ValueError as error:
            raise HTTPException(400, str(error)) from error
        return _json(await objects(nodes, config, wanted))

    return [
        Route("/stats", stats_told, methods=["GET"]),
        Route("/objects", objects_told, methods=["GET"]),
    ]


def _json(told: object) -> Response:
    return Response(msgspec.json.encode(told), media_type="application/json")
