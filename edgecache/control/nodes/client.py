"""One question to a process of ours over a connection of its own. Law: it ends, and is bounded.

A new connection for each question, because workers that share a port are told apart by it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from edgecache.config.listen import Address, UnixAddress

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
