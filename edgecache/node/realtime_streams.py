"""Where real-time log lines go: a socket, a file, or a URL that is posted to.

Law: a batch is taken whole or not at all as far as we can tell; a reader that is slow is given up
after SEND_S_MAX. A connection is kept, and made anew after an error: what a broken one had taken
of a batch comes twice.
"""

from __future__ import annotations

import asyncio
import os
import ssl
from collections.abc import Mapping, Sequence
from urllib.parse import urlsplit

import httpx

from edgecache.config.observation import RealtimeLogStream
from edgecache.node.send_queue import BatchReceiver, StreamError
from edgecache.observe.access_log import append_whole
from edgecache.runtime.environment import BlockingCalls

SEND_S_MAX = 10.0  # of one batch
ANSWER_BYTES_MAX = 65_536
AGAIN = frozenset({408, 429, 500, 502, 503, 504})  # what may be taken when it is sent again
_MODE = 0o640  # they hold addresses and cookies
JSON_LINES = "application/x-ndjson"


class SocketStream:
    """A TCP or Unix socket that somebody reads lines from."""

    def __init__(self, address: str) -> None:
        self._address = urlsplit(address)
        self._writer: asyncio.StreamWriter | None = None

    async def send(self, pieces: Sequence[bytes]) -> None:
        """See `BatchReceiver`."""
        try:
            async with asyncio.timeout(SEND_S_MAX):
                writer = self._writer or await self._connected()
                writer.write(b"".join(pieces))
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
        """See `BatchReceiver`."""
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

    async def send(self, pieces: Sequence[bytes]) -> None:
        """See `BatchReceiver`."""
        try:
            async with asyncio.timeout(SEND_S_MAX):
                await self._thread(lambda: self._append(b"".join(pieces)))
        except TimeoutError:
            raise StreamError(f"not written within {SEND_S_MAX:g} s") from None
        except OSError as error:
            raise StreamError((error.strerror or str(error)).lower()) from error

    async def close(self) -> None:
        """See `BatchReceiver`."""

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


class HttpPost:
    """Posts to one URL over a connection that is kept. `transport` is the network's, and None the
    real one; `ca_file` is trusted in place of the system's certificates.
    """

    def __init__(
        self, url: str, ca_file: str = "", transport: httpx.AsyncBaseTransport | None = None
    ) -> None:
        self._url = url
        self._ca_file = ca_file
        self._transport = transport
        self._client: httpx.AsyncClient | None = None

    async def post(self, content: bytes, fields: Mapping[str, str]) -> bytes:
        """What is answered with a 2xx, as far as it is small. StreamError where it is another."""
        try:
            async with asyncio.timeout(SEND_S_MAX):
                client = self._client or self._made()
                call = client.stream("POST", self._url, content=content, headers=fields)
                async with call as answer:
                    status, text = answer.status_code, await _beginning(answer)
        except TimeoutError:
            raise StreamError(f"no answer within {SEND_S_MAX:g} s") from None
        except (httpx.HTTPError, OSError) as error:
            raise StreamError(str(error) or type(error).__name__) from error
        if not 200 <= status < 300:
            raise StreamError(f"answered {status}", lasting=status not in AGAIN)
        return text

    async def close(self) -> None:
        """Let go of the connection."""
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


async def _beginning(answer: httpx.Response) -> bytes:
    """The body of an answer, unless it is longer than anything worth reading."""
    text = b""
    async for piece in answer.aiter_bytes():
        text += piece
        if len(text) > ANSWER_BYTES_MAX:
            return b""
    return text


class HttpStream:
    """A URL that batches of JSON lines are posted to; any 2xx takes one."""

    def __init__(
        self, url: str, ca_file: str = "", transport: httpx.AsyncBaseTransport | None = None
    ) -> None:
        self._post = HttpPost(url, ca_file, transport)

    async def send(self, pieces: Sequence[bytes]) -> None:
        """See `BatchReceiver`."""
        await self._post.post(b"".join(pieces), {"content-type": JSON_LINES})

    async def close(self) -> None:
        """See `BatchReceiver`."""
        await self._post.close()


def realtime_stream(stream: RealtimeLogStream, thread: BlockingCalls) -> BatchReceiver:
    """What takes the lines of a stream. `thread` is for a file."""
    if stream.to.startswith(("http:", "https:")):
        return HttpStream(stream.to, stream.ca_file)
    if stream.to.startswith("file:"):
        return FileStream(stream.to.removeprefix("file:"), thread)
    return SocketStream(stream.to)
