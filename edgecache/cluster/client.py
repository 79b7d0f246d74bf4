"""Client of our own processes. Law: one question, one connection; it ends, and is bounded.

A new connection for each question, because workers that share a port are told apart by it. A node
is asked with a request head as it is to be on the wire, which an HTTP library would change; control
is asked by httpx, which is imported when it is first needed: a supervisor without control starts
sooner.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

from edgecache.cluster.control_access import ControlAccess
from edgecache.config.listen import Address, UnixAddress

ANSWER_S_MAX = 2.0  # a look into memory; what does not answer by then is not well
ANSWER_BYTES_MAX = 1024 * 1024  # eight variants of an object, a hundred long headers each
CONTROL_S_MAX = 5.0  # control may ask nodes before it answers; a process that starts, as well

# Nothing here may reach an origin or leave an object in a cache: OPTIONS * is the ping of
# RFC 9110 §9.3.7; ASGI servers do not know it.
_PINGS = {"control": "GET /health", "origin": "HEAD /"}

Exchange = Callable[[Address, bytes], Awaitable[bytes]]
"""Sends a request's head, gives all that comes back until the end. OSError when nothing does."""


@asynccontextmanager
async def connection(
    address: Address,
) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    """A connection to a process, cut when the context ends. OSError when nobody listens."""
    if isinstance(address, UnixAddress):
        reader, writer = await asyncio.open_unix_connection(address.path)
    else:
        reader, writer = await asyncio.open_connection(address.host, address.port)
    try:
        yield reader, writer
    finally:
        writer.transport.abort()


async def exchange(address: Address, head: bytes) -> bytes:
    """An Exchange over real sockets."""
    try:
        async with asyncio.timeout(ANSWER_S_MAX), connection(address) as (reader, writer):
            writer.write(head)
            return await _read_all(reader)
    except TimeoutError as error:
        raise OSError(f"no answer within {ANSWER_S_MAX:g} s") from error


async def _read_all(reader: asyncio.StreamReader) -> bytes:
    received = bytearray()
    while data := await reader.read(65_536):
        received += data
        if len(received) > ANSWER_BYTES_MAX:
            raise OSError(f"an answer of more than {ANSWER_BYTES_MAX} bytes")
    return bytes(received)


async def answers(address: Address, role: str = "edge") -> bool:
    """Whether somebody at `address` speaks HTTP now; what they say does not matter."""
    line = _PINGS.get(role, "OPTIONS *")
    request = f"{line} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
    try:
        async with asyncio.timeout(CONTROL_S_MAX), connection(address) as (reader, writer):
            writer.write(request.encode())
            return (await reader.read(7)).startswith(b"HTTP/1.")
    except (OSError, TimeoutError):
        return False


async def ask_control(
    control: ControlAccess, target: str = "", method: str = "GET"
) -> tuple[int, bytes]:
    """Status and body of one request to control. OSError when nobody answers."""
    import httpx

    headers = {"authorization": f"Bearer {control.token}"} if control.token else {}
    transport = httpx.AsyncHTTPTransport(uds=control.socket or None)
    try:
        async with httpx.AsyncClient(transport=transport, trust_env=False) as client:
            response = await client.request(
                method, control.url + target, headers=headers, timeout=CONTROL_S_MAX
            )
    except httpx.HTTPError as error:
        raise OSError(str(error) or type(error).__name__) from error
    return response.status_code, response.content
