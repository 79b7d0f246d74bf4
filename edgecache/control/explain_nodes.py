"""Nodes asked what they hold for a request. Law: every worker of a location is asked for itself.

The workers of a location share a port and not their memories; the kernel chooses which of them a
connection meets, so that questions go on until each has answered, or often enough.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from urllib.parse import urlsplit

import msgspec

from edgecache.config.listen import Address, UnixAddress, parse_listen, tcp_address
from edgecache.config.model import Config, Location
from edgecache.control.exchange import Exchange
from edgecache.control.explain_origin import as_forwarded
from edgecache.http.message import Fields, Request, without
from edgecache.http.writing import request_head
from edgecache.rules.explaining import Placed
from edgecache.rules.explaining_entries import TierStory
from edgecache.upstream import peer_fields

QUESTIONS_PER_WORKER = 12  # with two workers, one stays unseen in 1 of 8 million explanations
QUESTIONS_MAX = 256  # to one location


@dataclass(frozen=True, slots=True)
class PlaceStory:
    """What the processes behind one address said. `problem`: why fewer than `workers` did."""

    name: str
    role: str
    address: str
    workers: int
    nodes: tuple[TierStory, ...]
    problem: str = ""


@dataclass(frozen=True, slots=True)
class Nodes:
    """The nodes of an installation, as its configuration has them.

    `credential` gives one that proves to them that we are of it.
    """

    exchange: Exchange
    credential: Callable[[], bytes]

    async def ask(self, where: Placed, config: Config) -> tuple[PlaceStory, ...]:
        """What each place holds for the request, edges first."""
        asked = [self._edge(where, place, config.state_dir) for place in config.locations]
        if config.regional is not None:
            address = parse_listen(config.regional.listen, config.state_dir)
            head = self._head(as_forwarded(where), where)
            asked.append(self._place(("regional", "regional", 1), address, head))
        return tuple(await asyncio.gather(*asked))

    async def _edge(self, where: Placed, place: Location, state_dir: str) -> PlaceStory:
        address = parse_listen(place.listen, state_dir)
        head = self._head(where.asked, where)
        return await self._place((place.name, "edge", place.workers), address, head)

    async def _place(self, what: tuple[str, str, int], address: Address, head: bytes) -> PlaceStory:
        name, role, workers = what
        seen: dict[str, TierStory] = {}
        problem = ""
        for _ in range(min(workers * QUESTIONS_PER_WORKER, QUESTIONS_MAX)):
            try:
                story = _story(await self.exchange(_near(address), head))
            except (OSError, ValueError) as error:
                problem = str(error) or type(error).__name__
                break
            seen[story.node] = story
            if len(seen) == workers:
                break
        if len(seen) < workers and not problem:
            problem = f"only {len(seen)} of {workers} workers were met"
        nodes = tuple(story for _, story in sorted(seen.items()))
        return PlaceStory(name, role, str(address), workers, nodes, problem)

    def _head(self, request: Request, where: Placed) -> bytes:
        fields: Fields = (
            (b"host", request.host or b"unknown.invalid"),
            *without(peer_fields.public(request.fields), (b"host",)),
            (peer_fields.CREDENTIAL, self.credential()),
            (peer_fields.EXPLAIN, b"1"),
            (peer_fields.DISTRIBUTION, where.route.distribution.id.encode()),
            (peer_fields.SCHEME, request.scheme),
        )
        return request_head(request.method, request.target, fields)


def _story(answer: bytes) -> TierStory:
    """What a node told. ValueError when it is something else that answered."""
    head, found, body = answer.partition(b"\r\n\r\n")
    if not found or not head.startswith(b"HTTP/1.1 200 "):
        raise ValueError("it answered, but does not explain")
    return msgspec.json.decode(body, type=TierStory)  # its errors are ValueErrors


def _near(address: Address) -> Address:
    """Any-address becomes loopback."""
    if isinstance(address, UnixAddress):
        return address
    return tcp_address(urlsplit(address.url).netloc)
