"""One question to a process of ours over a connection of its own. Law: it ends, and is bounded.

A new connection for each question, because workers that share a port are told apart by it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from typing import TypeVar
from urllib.parse import urlsplit

import msgspec

from edgecache.cluster.inspection import WorkerReport
from edgecache.config.listen import Address, UnixAddress, parse_listen, tcp_address
from edgecache.config.model import Config

ANSWER_S_MAX = 2.0  # a look into memory; what does not answer by then is not well
ANSWER_BYTES_MAX = 1024 * 1024  # eight variants of an object, a hundred long headers each

Exchange = Callable[[Address, bytes], Awaitable[bytes]]
"""Sends a request's head, gives all that comes back until the end. OSError when nothing does."""


async def exchange(address: Address, head: bytes) -> bytes:
    """An Exchange over real sockets."""
    try:
        async with asyncio.timeout(ANSWER_S_MAX):
            if isinstance(address, UnixAddress):
                reader, writer = await asyncio.open_unix_connection(address.path)
            else:
                reader, writer = await asyncio.open_connection(address.host, address.port)
            try:
                writer.write(head)
                return await _whole(reader)
            finally:
                writer.transport.abort()
    except TimeoutError as error:
        raise OSError(f"no answer within {ANSWER_S_MAX:g} s") from error


async def _whole(reader: asyncio.StreamReader) -> bytes:
    received = bytearray()
    while data := await reader.read(65_536):
        received += data
        if len(received) > ANSWER_BYTES_MAX:
            raise OSError(f"an answer of more than {ANSWER_BYTES_MAX} bytes")
    return bytes(received)


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


def places(config: Config) -> Iterator[WorkerGroup]:
    """Those of an installation that have a cache, edges first."""
    for location in config.locations:
        address = parse_listen(location.listen, config.state_dir)
        yield WorkerGroup(location.name, "edge", address, location.workers)
    if config.regional is not None:
        address = parse_listen(config.regional.listen, config.state_dir)
        yield WorkerGroup("regional", "regional", address, 1)


async def ask_workers(
    exchange: Exchange, place: WorkerGroup, head: bytes, answer: type[A]
) -> tuple[tuple[A, ...], str]:
    """What each process of `place` says to `head`, by name, and why fewer than its workers did."""
    seen: dict[str, A] = {}
    problem = ""
    for _ in range(min(place.workers * QUESTIONS_PER_WORKER, QUESTIONS_MAX)):
        try:
            said = _said(await exchange(_near(place.address), head), answer)
        except (OSError, ValueError) as error:
            problem = str(error) or type(error).__name__
            break
        seen[said.node] = said
        if len(seen) == place.workers:
            break
    if len(seen) < place.workers and not problem:
        problem = f"only {len(seen)} of {place.workers} workers were met"
    return tuple(said for _, said in sorted(seen.items())), problem


def _said(received: bytes, answer: type[A]) -> A:
    """What a node told. ValueError when it is something else that answered."""
    head, found, body = received.partition(b"\r\n\r\n")
    if not found or not head.startswith(b"HTTP/1.1 200 "):
        raise ValueError("it answered, but does not explain")
    return msgspec.json.decode(body, type=answer)  # its errors are ValueErrors


def _near(address: Address) -> Address:
    """Any-address becomes loopback."""
    if isinstance(address, UnixAddress):
        return address
    return tcp_address(urlsplit(address.url).netloc)
