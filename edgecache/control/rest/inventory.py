"""What the nodes hold: figures of each store, and lists of what is in it.

Law: asking changes nothing, and takes no node longer than a look at OBJECTS_LOOKED_AT of its
objects.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Coroutine
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Generic, TypeVar

import msgspec
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from edgecache.cluster.tokens import Tokens
from edgecache.config.model import Config
from edgecache.control.nodes.ask_workers import WorkerGroup, WorkerReport, meet, places
from edgecache.control.nodes.explain import ConfiguredNodes
from edgecache.control.rest.auth import require_operator
from edgecache.control.state.log import LiveLog
from edgecache.http.serialize import request_head
from edgecache.observe.counters import Sample
from edgecache.upstream.peer import fields as peer_fields

LISTED_MAX = 1_000  # objects of one node in one answer: 300 KiB
LISTED = 20
OBJECTS_LOOKED_AT = 100_000  # in a tenth of a second, in which the node does nothing else
STATS, OBJECTS = b"stats", b"objects"
_PREFIX = re.compile(r"/[!-~]*")


class ObjectOrder(StrEnum):
    """Which objects are listed first."""

    LARGEST = "largest"
    MOST_USED = "most-used"


@dataclass(frozen=True, slots=True)
class StoreStats:
    """The store of one process. `oldest_s`: since its oldest entry came; None: it has none."""

    node: str
    role: str
    location: str
    budget_bytes: int
    oldest_s: float | None
    sample: Sample


@dataclass(frozen=True, slots=True)
class ListedObject:
    """An entry in memory. `uses` are counted since it, or what it renewed, came."""

    distribution: str
    target: str
    host: str
    size_bytes: int
    uses: int
    age_s: float
    ttl_left_s: float | None  # None: not known; below zero: expired


@dataclass(frozen=True, slots=True)
class StoreObjects:
    """Some of what one process holds: the first in order, among those that were looked at."""

    node: str
    role: str
    location: str
    objects: tuple[ListedObject, ...]
    looked_at: int
    held: int


@dataclass(frozen=True, slots=True)
class InventoryQuery:
    """Which objects are asked for."""

    prefix: str = "/"
    order: ObjectOrder = ObjectOrder.LARGEST
    limit: int = LISTED

    def spell(self) -> bytes:
        """The order and the limit, as nodes are asked for them; the prefix is the target."""
        return b"%b:%b:%d" % (OBJECTS, self.order.encode(), self.limit)

    @classmethod
    def read(cls, prefix: str, spelled: bytes) -> InventoryQuery:
        """What was spelled. ValueError."""
        word, order, limit = spelled.decode("ascii").split(":")
        if word.encode() != OBJECTS or not _PREFIX.fullmatch(prefix):
            raise ValueError(f"{prefix!r} is not the start of a path")
        if not 1 <= int(limit) <= LISTED_MAX:
            raise ValueError(f"{limit} is not 1 to {LISTED_MAX}")
        return cls(prefix, ObjectOrder(order), int(limit))


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
