"""A body on its way out. Law: it is read no faster than the upstream takes it.

RFC 9112 §7: as many bytes as Content-Length said, or in chunks of our own.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any, Protocol

from edgecache.http.serialize import LAST_CHUNK, chunk
from edgecache.upstream.interface import Body


class RequestSink(Protocol):
    """The connection a body goes to."""

    def write(self, data: bytes) -> None:
        """Send these bytes."""
        ...

    async def writable(self) -> None:
        """Return when the connection takes more."""
        ...

    def expect_upload(self, waiting: bool) -> None:
        """Whether it is our side that is waited for; the response's time stands still then."""
        ...


class WrongLengthError(Exception):
    """The body did not have the length it had announced; the request cannot be completed."""


async def until_answered(sending: Coroutine[Any, Any, None], answered: asyncio.Future[Any]) -> None:
    """Send a body until it ends or the response is there (RFC 9112 §9.5). What sending raises."""
    task = asyncio.get_running_loop().create_task(sending)
    try:
        either: set[asyncio.Future[Any]] = {task, answered}
        await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
    finally:
        if not task.done():
            task.cancel()
            await asyncio.wait({task})  # the body has one reader: let it go before we return
        failed = None if task.cancelled() else task.exception()  # seen, if we are cancelled too
    if failed is not None and not answered.done():
        raise failed


async def upload(body: Body, sink: RequestSink) -> None:
    """Send all of `body`. WrongLength, or whatever reading `body` raises."""
    left = body.length
    while True:
        piece = body.read_nowait()
        if piece is None:
            sink.expect_upload(True)
            piece = await body.read()
            sink.expect_upload(False)
        if not piece:
            break
        if left is None:
            sink.write(chunk(piece))
        else:
            left -= len(piece)
            if left < 0:
                raise WrongLengthError
            sink.write(piece)
        await sink.writable()
    if left:
        raise WrongLengthError
    if left is None:
        sink.write(LAST_CHUNK)
