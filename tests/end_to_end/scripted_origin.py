"""An origin played by the test: each path has its own scene, and waits where the test says so."""

from __future__ import annotations

import asyncio
import threading
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field

from tests.end_to_end.processes import DEADLINE_S

MIB = 1024 * 1024


@dataclass(slots=True)
class Exchange:
    """One request at the origin: its head's lines, and the two directions."""

    method: str
    path: str
    fields: dict[str, str]
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    async def send(self, data: bytes) -> None:
        self.writer.write(data)
        await self.writer.drain()

    async def answer(self, length: int, cache_control: str = "max-age=600") -> None:
        """The head of a 200 whose body has `length` bytes."""
        lines = ["HTTP/1.1 200 OK", f"Content-Length: {length}", f"Cache-Control: {cache_control}"]
        await self.send("\r\n".join([*lines, "", ""]).encode())

    async def body_parts(self) -> AsyncIterator[int]:
        """Read the request's body to its end; the sizes of what came."""
        if "content-length" in self.fields:
            async for part in self._drop(int(self.fields["content-length"])):
                yield part
            return
        while size := int(await self.reader.readline(), 16):
            async for part in self._drop(size):
                yield part
            await self.reader.readline()
        await self.reader.readline()

    async def _drop(self, count: int) -> AsyncIterator[int]:
        while count:
            data = await self.reader.read(min(count, MIB))
            if not data:
                raise ConnectionError("the body broke off")
            count -= len(data)
            yield len(data)


Scene = Callable[[Exchange], Awaitable[None]]


class Gate:
    """Closed until the test opens it; a scene waits behind it."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._event = asyncio.Event()

    def open(self) -> None:
        """To be called by the test, in its own thread."""
        self._loop.call_soon_threadsafe(self._event.set)

    async def passed(self) -> None:
        """To be awaited by a scene."""
        async with asyncio.timeout(DEADLINE_S):
            await self._event.wait()


@dataclass(slots=True)
class PlayedOrigin:
    """A server on `port` in a thread of its own; `asked` counts requests by path."""

    port: int
    asked: Counter[str] = field(default_factory=Counter)
    _scenes: dict[str, Scene] = field(default_factory=dict)
    _loop: asyncio.AbstractEventLoop = field(default_factory=asyncio.new_event_loop)
    _thread: threading.Thread | None = None

    def start(self) -> None:
        """Listen; returns once it does."""
        listening = threading.Event()
        self._thread = threading.Thread(target=self._run, args=(listening,))
        self._thread.start()
        assert listening.wait(DEADLINE_S), "the played origin does not listen"

    def stop(self) -> None:
        """Break everything off."""
        assert self._thread is not None
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(DEADLINE_S)

    def plays(self, path: str, scene: Scene) -> None:
        """What happens when `path` is asked for; other paths get an empty 404."""
        self._scenes[path] = scene

    def gate(self) -> Gate:
        return Gate(self._loop)

    def _run(self, listening: threading.Event) -> None:
        server = self._loop.run_until_complete(
            asyncio.start_server(self._serve, "127.0.0.1", self.port, backlog=1024)
        )
        listening.set()
        self._loop.run_forever()
        server.close()
        self._loop.run_until_complete(_broken_off())
        self._loop.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Requests of one connection; one that leaves in the middle ends it."""
        try:
            while (line := await reader.readline()).endswith(b"\r\n"):
                method, target, _ = line.decode("latin-1").split(" ")
                exchange = Exchange(method, target, await _fields(reader), reader, writer)
                self.asked[target] += 1
                await self._scenes.get(target, _not_found)(exchange)
                await writer.drain()
        except (OSError, TimeoutError, asyncio.CancelledError):
            pass
        finally:
            writer.close()


async def _broken_off() -> None:
    tasks = asyncio.all_tasks() - {asyncio.current_task()}
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


async def _fields(reader: asyncio.StreamReader) -> dict[str, str]:
    found = {}
    while (line := (await reader.readline()).decode("latin-1")).strip():
        name, _, value = line.partition(":")
        found[name.lower()] = value.strip()
    return found


async def _not_found(exchange: Exchange) -> None:
    await exchange.send(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n")
