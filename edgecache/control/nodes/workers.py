"""Workers asked one by one. Law: every worker of a location is asked for itself.

The workers of a location share a port and not their memories; the kernel chooses which of them a
connection meets, so that questions go on until each has answered, or often enough.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TypeVar

import msgspec

from edgecache.cluster.client import Exchange
from edgecache.cluster.credentials import CredentialSigner, edge_place
from edgecache.cluster.inspection import WorkerReport
from edgecache.config.listen import Address, advertised
from edgecache.config.model import Config
from edgecache.upstream.peer.heads import signed_head

QUESTIONS_PER_WORKER = 12  # with two workers, one stays unseen in 1 of 8 million rounds
QUESTIONS_MAX = 256  # to one location


A = TypeVar("A", bound=WorkerReport)


@dataclass(frozen=True, slots=True)
class WorkerGroup:
    """Where `workers` processes of a role listen."""

    name: str
    role: str
    address: Address
    workers: int

    @property
    def signed_as(self) -> str:
        """The place that a credential for one of them names."""
        return edge_place(self.name) if self.role == "edge" else self.role


def worker_groups(config: Config) -> Iterator[WorkerGroup]:
    """Those of an installation that have a cache, edges first."""
    for location in config.locations:
        address = advertised(location, config.state_dir)
        yield WorkerGroup(location.name, "edge", address, location.workers)
    if config.regional is not None:
        address = advertised(config.regional, config.state_dir)
        yield WorkerGroup("regional", "regional", address, 1)


@dataclass(frozen=True, slots=True)
class NodeAccess:
    """How nodes are asked: by `exchange`, with heads that are signed for each question anew.

    `signers` gives what signs for a place (`cluster.credentials`).
    """

    exchange: Exchange
    signers: Callable[[str], CredentialSigner]


async def ask_workers(
    nodes: NodeAccess, place: WorkerGroup, head: bytes, answer: type[A]
) -> tuple[tuple[A, ...], str]:
    """The answers of the processes of `place` to `head`, by name, and why some are missing."""
    sign, address = nodes.signers(place.signed_as).sign, place.address
    seen: dict[str, A] = {}
    problem = ""
    for _ in range(min(place.workers * QUESTIONS_PER_WORKER, QUESTIONS_MAX)):
        try:
            said = _decode_answer(await nodes.exchange(address, signed_head(head, sign)), answer)
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
