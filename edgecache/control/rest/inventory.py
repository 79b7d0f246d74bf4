"""Inventory of the stores: figures of each, and lists of the objects in it.

Law: asking changes nothing, and takes no node longer than a look at OBJECTS_LOOKED_AT of its
objects.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Generic, TypeVar

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from edgecache.cluster.inspection import (
    LISTED_DEFAULT,
    OBJECTS,
    STATS,
    InventoryQuery,
    ObjectOrder,
    StoreObjects,
    StoreStats,
    WorkerReport,
)
from edgecache.cluster.log_entries import read_body
from edgecache.cluster.tokens import Tokens
from edgecache.config.model import Config
from edgecache.control.nodes.explain import ConfiguredNodes
from edgecache.control.nodes.workers import WorkerGroup, ask_workers
from edgecache.control.rest.auth import require_operator
from edgecache.control.rest.call import RouteHandler, json_response
from edgecache.control.state.live_log import LiveLog
from edgecache.http.head import request_head
from edgecache.upstream.peer import heads as peer_fields

A = TypeVar("A", bound=WorkerReport)


@dataclass(frozen=True, slots=True)
class PlaceInventory(Generic[A]):
    """The answers of the processes of one place on one machine.

    `problem`: why fewer than all answered.
    """

    name: str
    role: str
    nodes: tuple[A, ...]
    problem: str = ""
    machine: str = ""


async def store_stats(
    nodes: ConfiguredNodes, config: Config
) -> tuple[PlaceInventory[StoreStats], ...]:
    """The figures of every store."""
    return await ask_every_place(nodes, config, STATS, StoreStats)


async def list_objects(
    nodes: ConfiguredNodes, config: Config, query: InventoryQuery
) -> tuple[PlaceInventory[StoreObjects], ...]:
    """The objects of every store that a query selects."""
    return await ask_every_place(nodes, config, query.spell(), StoreObjects, query.prefix)


async def ask_every_place(
    nodes: ConfiguredNodes, config: Config, question: bytes, answer: type[A], target: str = "/"
) -> tuple[PlaceInventory[A], ...]:
    """The answers of every process of every place to one question."""
    asked = [ask_place(nodes, one, question, answer, target) for one in nodes.groups(config)]
    return tuple(await asyncio.gather(*asked))


async def ask_place(
    nodes: ConfiguredNodes, place: WorkerGroup, question: bytes, answer: type[A], target: str = "/"
) -> PlaceInventory[A]:
    """The answers of every process of one place."""
    answers, problem = await ask_workers(nodes, place, _head(question, target), answer)
    return PlaceInventory(place.name, place.role, answers, problem, place.machine)


def _head(question: bytes, target: str) -> bytes:
    fields = (
        (b"host", b"unknown.invalid"),
        (peer_fields.EXPLAIN, question),
    )
    return request_head(b"GET", target.encode(), fields)


def published_config(log: LiveLog) -> Config:
    """The configuration that nodes are told. HTTPException 503 before there is one."""
    newest = log.config
    if newest is None:
        raise HTTPException(503, "there is no configuration yet")
    return read_body(newest, Config)


def inventory_handlers(
    log: LiveLog, tokens: Tokens, nodes: ConfiguredNodes
) -> dict[str, RouteHandler]:
    """`GET /stats`, and `GET /objects?prefix=/x&order=largest&limit=20`: JSON, for operators."""

    async def stats(request: Request) -> Response:
        require_operator(request, tokens)
        return json_response(await store_stats(nodes, published_config(log)))

    async def objects(request: Request) -> Response:
        require_operator(request, tokens)
        config, query = published_config(log), request.query_params
        prefix, order = query.get("prefix", "/"), query.get("order", ObjectOrder.LARGEST)
        try:
            spelled = f"{OBJECTS.decode()}:{order}:{query.get('limit', LISTED_DEFAULT)}"
            wanted = InventoryQuery.read(prefix, spelled.encode("ascii"))
        except ValueError as error:
            raise HTTPException(400, str(error)) from error
        return json_response(await list_objects(nodes, config, wanted))

    return {"store_stats": stats, "list_objects": objects}
