"""An origin whose objects have versions, and a relay that can be cut: real sockets, one thread."""

from __future__ import annotations

import asyncio
import threading
from collections import Counter

BODY = b"%d"
HEAD = (
    b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nCache-Control: max-age=86400\r\n"
    b'ETag: "%d"\r\nContent-Length: %d\r\n\r\n'
)


class Threaded:
    """An event loop in a thread of its own, with one server on a port of loopback."""

    def __init__(self, port: int) -> None:
        self.port = port
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._listening = threading.Event()

    def __enter__(self) -> None:
        self._thread.start()
        assert self._listening.wait(30)

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(30)

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        starting = asyncio.start_server(self._accept, "127.0.0.1", self.port, backlog=1_024)
        server = self._loop.run_until_complete(starting)
        self._listening.set()
        self._loop.run_forever()
        server.close()
        left = asyncio.all_tasks(self._loop)
        for task in left:
            task.cancel()
        self._loop.run_until_complete(asyncio.gather(*left, return_exceptions=True))
        self._loop.run_until_complete(server.wait_closed())
        self._loop.close()

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await self.serve(reader, writer)
        finally:
            writer.transport.abort()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        raise NotImplementedError


class VersionedOrigin(Threaded):
    """Each path has a version, which is its body; the test changes it from its own thread."""

    def __init__(self, port: int) -> None:
        super().__init__(port)
        self.versions: Counter[str] = Counter()
        self.asked = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while head := await reader.readuntil(b"\r\n\r\n"):
                self.asked += 1
                path = head.split(b" ", 2)[1].decode()
                version = self.versions[path]
                body = BODY % version
                if b'"%d"' % version in head:
                    writer.write(b'HTTP/1.1 304 Not Modified\r\nETag: "%d"\r\n\r\n' % version)
                else:
                    writer.write(HEAD % (version, len(body)) + body)
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            return


class Relay(Threaded):
    """Bytes both ways to another port, until it is cut: then connections hang, and none opens."""

    def __init__(self, port: int, target: int) -> None:
        super().__init__(port)
        self._target = target
        self.cut = False

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self.cut:
            await asyncio.Event().wait()  # a network that loses all: neither data nor an end
        there, back = await asyncio.open_connection("127.0.0.1", self._target)
        try:
            await asyncio.gather(self._pump(reader, back), self._pump(there, writer))
        finally:
            back.transport.abort()

    async def _pump(self, source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
        try:
            while (data := await source.read(65_536)) and not self.cut:
                target.write(data)
                await target.drain()
            if self.cut:
                await asyncio.Event().wait()
        except ConnectionError:
            pass
        target.close()  # its end is told on
