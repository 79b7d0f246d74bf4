"""Where real-time log lines go: a socket, a file, or a URL that is posted to.

Law: a batch is taken whole or not at all as far as we can tell; a reader that is slow is given up
after SEND_S_MAX. A connection is kept, and made anew after an error: what a broken one had taken
of a batch comes twice.
"""

from __future__ import annotations

import asyncio
import os
import ssl
from collections.abc import Sequence
from typing import Protocol
from urllib.parse import urlsplit

import httpx

from edgecache.config.log_delivery import RealtimeLogStream
from edgecache.observe.access_log import append_whole
from edgecache.runtime.environment import BlockingCalls

SEND_S_MAX = 10.0  # of one batch
_MODE = 0o640  # they hold addresses and cookies
JSON_LINES = "application/x-ndjson"


class StreamError(Exception):
    """A batch was not taken; its words are for the operator."""


class RealtimeStream(Protocol):
    """What takes lines of one stream."""

    async def send(self, lines: Sequence[bytes]) -> None:
        """Send whole lines, each with its end. StreamError."""
        ...

    async def close(self) -> None:
        """Let go of what is held."""
        ...


class SocketStream:
    """A TCP or Unix socket that somebody reads lines from."""

    def __init__(self, address: str) -> None:
        self._address = urlsplit(address)
        self._writer: asyncio.StreamWriter | None = None

    async def send(self, lines: Sequence[bytes]) -> None:
        """See `RealtimeStream`."""
        try:
            async with asyncio.timeout(SEND_S_MAX):
                writer = self._writer or await self._connected()
                writer.write(b"".join(lines))
                await writer.drain()
                if writer.is_closing():
                    raise ConnectionResetError("the reader has closed it")
        except TimeoutError:
            self._drop()
            raise StreamError(f"not read within {SEND_S_MAX:g} s") from None
        except OSError as error:
            self._drop()
            raise StreamError((error.strerror or str(error)).lower()) from error

    async def close(self) -> None:
        """See `RealtimeStream`."""
        self._drop()

    async def _connected(self) -> asyncio.StreamWriter:
        if self._address.scheme == "unix":
            _, writer = await asyncio.open_unix_connection(self._address.path)
        else:
            _, writer = await asyncio.open_connection(self._address.hostname, self._address.port)
        writer.transport.set_write_buffer_limits(0)  # `drain` is over once the system has it
        self._writer = writer
        return writer

    def _drop(self) -> None:
        if self._writer is not None:
            self._writer.transport.abort()
        self._writer = None


class FileStream:
    """A file that lines are appended to; who renames it finds a new one in its place."""

    def __init__(self, path: str, thread: BlockingCalls) -> None:
        self._path = path
        self._thread = thread

    async def send(self, lines: Sequence[bytes]) -> None:
        """See `RealtimeStream`."""
        try:
            async with asyncio.timeout(SEND_S_MAX):
                await self._thread(lambda: self._append(b"".join(lines)))
        except TimeoutError:
            raise StreamError(f"not written within {SEND_S_MAX:g} s") from None
        except OSError as error:
            raise StreamError((error.strerror or str(error)).lower()) from error

    async def close(self) -> None:
        """See `RealtimeStream`."""

    def _append(self, text: bytes) -> None:
        """Append all of it, or nothing: processes of this machine share the file."""
        import fcntl

        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC
        descriptor = os.open(self._path, flags, _MODE)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            append_whole(descriptor, text)
        finally:
            os.close(descriptor)


class HttpStream:
    """A URL that batches of JSON lines are posted to; any 2xx takes one.

    `transport` is the network's, and None the real one.
    """

    def __init__(
        self, url: str, ca_file: str = "", transport: httpx.AsyncBaseTransport | None = None
    ) -> None:
        self._url = url
        self._ca_file = ca_file
        self._transport = transport
        self._client: httpx.AsyncClient | None = None

    async def send(self, lines: Sequence[bytes]) -> None:
        """See `RealtimeStream`."""
        content = b"".join(lines)
        try:
            async with asyncio.timeout(SEND_S_MAX):
                client = self._client or self._made()
                fields = {"content-type": JSON_LINES}
                async with client.stream(
                    "POST", self._url, content=content, headers=fields
                ) as answer:
                    status = answer.status_code
        except TimeoutError:
            raise StreamError(f"no answer within {SEND_S_MAX:g} s") from None
        except (httpx.HTTPError, OSError) as error:
            raise StreamError(str(error) or type(error).__name__) from error
        if not 200 <= status < 300:
            raise StreamError(f"answered {status}")

    async def close(self) -> None:
        """See `RealtimeStream`."""
        client, self._client = self._client, None
        if client is not None:
            await client.aclose()

    def _made(self) -> httpx.AsyncClient:
        trust: ssl.SSLContext | bool = False
        if self._url.startswith("https:"):
            trust = ssl.create_default_context(cafile=self._ca_file or None)
        self._client = httpx.AsyncClient(
            trust_env=False, verify=trust, timeout=SEND_S_MAX, transport=self._transport
        )
        return self._client


def realtime_stream(stream: RealtimeLogStream, thread: BlockingCalls) -> RealtimeStream:
    """What takes the lines of a stream. `thread` is for a file."""
    if stream.to.startswith(("http:", "https:")):
        return HttpStream(stream.to, stream.ca_file)
    if stream.to.startswith("file:"):
        return FileStream(stream.to.removeprefix("file:"), thread)
    return SocketStream(stream.to)
