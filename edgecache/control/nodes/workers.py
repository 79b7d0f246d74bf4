"""Workers asked one by one. Law: every worker of a location is asked for itself.

The workers of a location share a port and not their memories; the kernel chooses which of them a
connection meets, so that questions go on until each has answered, or often enough.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Awaitable, Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from ipaddress import ip_address
from typing import TypeVar

import msgspec

from edgecache.cluster.client import Exchange
from edgecache.cluster.credentials import REGIONAL, CredentialSigner, edge_place
from edgecache.cluster.inspection import WorkerReport
from edgecache.config.listen import (
    StreamAddress,
    TcpAddress,
    UnixAddress,
    advertised,
    parse_listen,
)
from edgecache.config.model import Config
from edgecache.control.nodes.registry import ReportingNode
from edgecache.http.proxy_protocol import LOCAL_HEADER
from edgecache.rules.origin_addresses import address_trouble
from edgecache.upstream.peer.heads import signed_head

QUESTIONS_PER_WORKER = 12  # with two workers, one stays unseen in 1 of 8 million rounds
QUESTIONS_MAX = 256  # to one location on one machine
_ROLES = ("edge", "regional")
_NOWHERE = "it listens on loopback of its machine alone: say where control reaches it (advertise)"


A = TypeVar("A", bound=WorkerReport)
RegionalExchange = Callable[[str, StreamAddress, bytes], Awaitable[bytes]]
"""As an Exchange, with the regional cache of a place."""


@dataclass(frozen=True, slots=True)
class WorkerGroup:
    """Where `workers` processes of a role listen; None: control cannot know."""

    name: str
    role: str
    address: StreamAddress | None
    workers: int
    machine: str = ""  # empty: any, nobody has reported from there
    proxied: bool = False  # they want a PROXY header first

    @property
    def signed_as(self) -> str:
        """The place that a credential for one of them names."""
        if self.role == "edge":
            return edge_place(self.name)
        return self.role if self.name == self.role else f"{self.role}-{self.name}"

    @property
    def opening(self) -> bytes:
        """What a connection to one of them begins with: that we speak for ourselves, or nothing."""
        return LOCAL_HEADER if self.proxied else b""


def worker_groups(config: Config, reporting: Iterable[ReportingNode] = ()) -> list[WorkerGroup]:
    """Those of an installation that have a cache, edges first: a location's, machine by machine.

    Where nobody reports, or a former version does, they are looked for where the file says.
    """
    wanted: dict[tuple[str, str], tuple[StreamAddress, int]] = {
        ("edge", one.name): (advertised(one, config.state_dir), one.workers)
        for one in config.locations
    }
    for one in config.regional_tier:
        wanted["regional", one.name or REGIONAL] = (advertised(one, config.state_dir), 1)
    proxied = {one.name for one in config.locations if one.proxy_protocol == "required"}
    met: dict[tuple[str, str], Counter[tuple[str, str]]] = {place: Counter() for place in wanted}
    for node in reporting:
        if node.machine and node.place[0] in _ROLES:
            met.setdefault(node.place, Counter())[node.machine, node.address] += 1
    groups = []
    for (role, name), machines in met.items():
        address, workers = wanted.get((role, name), (None, 1))
        if not machines:
            groups.append(WorkerGroup(name, role, address, workers, proxied=name in proxied))
        for (machine, told), count in sorted(machines.items()):
            own = parse_listen(told, "") if told else None
            if isinstance(address, UnixAddress):  # a path is the file's to say
                own = address
            count = max(count, workers) if len(machines) == 1 else count
            groups.append(WorkerGroup(name, role, own, count, machine, name in proxied))
    return sorted(groups, key=lambda group: _ROLES.index(group.role))


def reported_address(text: str, peer: str) -> str:
    """Where control may ask a node that told this and came from `peer`; empty when nowhere.

    On every address means at the one it came from; loopback is the same machine's alone.
    """
    try:
        address = parse_listen(text, "")
        comes_from = ip_address(peer)
    except ValueError:
        return ""
    if isinstance(address, UnixAddress):
        return ""
    if address.is_any:
        return str(TcpAddress(peer, address.port))
    if address.is_loopback and not comes_from.is_loopback:
        return ""
    with suppress(ValueError):  # a name
        if address_trouble(address.host, "private"):
            return ""
    return str(address)


@dataclass(frozen=True, slots=True)
class NodeAccess:
    """How nodes are asked: by `exchange`, with heads that are signed for each question anew.

    `signers` gives what signs for a place (`cluster.credentials`), `reporting` who is alive.
    """

    exchange: Exchange
    signers: Callable[[str], CredentialSigner]
    reporting: Callable[[], Iterable[ReportingNode]] = tuple
    regional_exchange: RegionalExchange | None = None  # where these are asked in another way

    def groups(self, config: Config) -> list[WorkerGroup]:
        """Those to ask."""
        return worker_groups(config, self.reporting())


async def ask_workers(
    nodes: NodeAccess, place: WorkerGroup, head: bytes, answer: type[A]
) -> tuple[tuple[A, ...], str]:
    """The answers of the processes of `place` to `head`, by name, and why some are missing."""
    sign, address = nodes.signers(place.signed_as).sign, place.address
    if address is None:
        return (), _NOWHERE
    exchange = nodes.exchange
    if place.role == "regional" and nodes.regional_exchange is not None:
        exchange = partial(nodes.regional_exchange, place.signed_as)
    seen: dict[str, A] = {}
    problem = ""
    for _ in range(min(place.workers * QUESTIONS_PER_WORKER, QUESTIONS_MAX)):
        try:
            asked = place.opening + signed_head(head, sign)
            said = _decode_answer(await exchange(address, asked), answer)
        except (OSError, ValueError) as error:
            problem = str(error) or type(error).__name__
            break
        seen[said.node] = said
        if len(seen) == place.workers:
            break
    if len(seen) < place.workers and not problem:
        problem = f"only {len(seen)} of {place.workers} workers were met"
    return tuple(said for _, said in sorted(seen.items())), problem


def _decode_answer(received: bytes, answer: type[A]) -> A:
    """A node's answer, decoded. ValueError when something else answered."""
    head, blank_line, body = received.partition(b"\r\n\r\n")
    if not blank_line or not head.startswith(b"HTTP/1.1 200 "):
        raise ValueError("it answered, but does not explain")
    return msgspec.json.decode(body, type=answer)  # its errors are ValueErrors
