"""Nodes asked what they hold for a request. Law: regional is asked what an edge would ask it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

from edgecache.config.model import Config
from edgecache.control.nodes.ask_workers import WorkerGroup, meet, places
from edgecache.control.nodes.client import Exchange
from edgecache.control.rest.explain_origin import as_forwarded
from edgecache.http.message import Fields, Request, without
from edgecache.http.serialize import request_head
from edgecache.rules.explain.entry import TierExplanation
from edgecache.rules.explain.request import RoutingExplanation
from edgecache.upstream.peer import fields as peer_fields


@dataclass(frozen=True, slots=True)
class PlaceExplanation:
    """What the processes behind one address said. `problem`: why fewer than `workers` did."""

    name: str
    role: str
    address: str
    workers: int
    nodes: tuple[TierExplanation, ...]
    problem: str = ""


@dataclass(frozen=True, slots=True)
class ConfiguredNodes:
    """The nodes of an installation, as its configuration has them.

    `credential` gives one that proves to them that we are of it.
    """

    exchange: Exchange
    credential: Callable[[], bytes]

    async def ask(self, where: RoutingExplanation, config: Config) -> tuple[PlaceExplanation, ...]:
        """What each place holds for the request, edges first."""
        heads = {"edge": self._head(where.asked, where)}
        heads["regional"] = self._head(as_forwarded(where), where)
        asked = [self._place(place, heads[place.role]) for place in places(config)]
        return tuple(await asyncio.gather(*asked))

    async def _place(self, place: WorkerGroup, head: bytes) -> PlaceExplanation:
        nodes, problem = await meet(self.exchange, place, head, TierExplanation)
        return PlaceExplanation(
            place.name, place.role, str(place.address), place.workers, nodes, problem
        )

    def _head(self, request: Request, where: RoutingExplanation) -> bytes:
        fields: Fields = (
            (b"host", request.host or b"unknown.invalid"),
            *without(peer_fields.public(request.fields), (b"host",)),
            (peer_fields.CREDENTIAL, self.credential()),
            (peer_fields.EXPLAIN, b"1"),
            (peer_fields.DISTRIBUTION, where.route.distribution.id.encode()),
            (peer_fields.SCHEME, request.scheme),
        )
        return request_head(request.method, request.target, fields)
