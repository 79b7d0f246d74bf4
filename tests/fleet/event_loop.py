"""Event loop in a thread, where a fleet's origin, viewers and writers run while faults are made."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Coroutine
from typing import Any

from tests.end_to_end.versioned import HEAD
from tests.fleet.network import Network
from tests.fleet.register import Register

ENDED_S_MAX = 30.0


class LoopThread:
    """A loop that runs from `start` to `stop`; what fails in it is raised by `stop`."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._tasks: set[asyncio.Task[None]] = set()
        self._failed: list[BaseException] = []

    def start(self) -> None:
        """Start it."""
        self._thread.start()

    def run(self, work: Coroutine[Any, Any, Any]) -> Any:
        """Run to its end; what it gives."""
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(ENDED_S_MAX)

    def spawn(self, work: Coroutine[Any, Any, None]) -> None:
        """Run beside all else, until `stop`."""

        def begin() -> None:
            task = self._loop.create_task(work)
            self._tasks.add(task)
            task.add_done_callback(self._ended)

        self._loop.call_soon_threadsafe(begin)

    def stop(self) -> None:
        """End all of it."""
        if self._thread.is_alive():
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join(ENDED_S_MAX)
        if self._failed:
            raise self._failed[0]

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            self._failed.append(error)

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        self._loop.run_forever()
        left = asyncio.all_tasks(self._loop)
        for task in left:
            task.cancel()
        self._loop.run_until_complete(asyncio.gather(*left, return_exceptions=True))
        self._loop.close()


async def pause(seconds: float) -> None:
    """Wait: the pace of who asks again and again, and no condition of a test."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await asyncio.Event().wait()


class Origin:
    """The origin of a fleet: each path's version, which may be stored for a day."""

    def __init__(self, network: Network, register: Register) -> None:
        self.asked = 0
        self._network, self._register = network, register

    async def listen(self) -> None:
        """Listen on its host."""
        (host,) = self._network.topology.of("origin")
        listening = self._network.socket(host)
        listening.bind(("0.0.0.0", self._network.topology.port(host)))
        await asyncio.start_server(self._serve, sock=listening, backlog=1_024)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while head := await reader.readuntil(b"\r\n\r\n"):
                self.asked += 1
                path = head.split(b" ", 2)[1].decode()
                version, body = self._register.versions[path], self._register.body(path)
                if b'"%d"' % version in head:
                    writer.write(b'HTTP/1.1 304 Not Modified\r\nETag: "%d"\r\n\r\n' % version)
                else:
                    writer.write(HEAD % (version, len(body)) + body)
                await writer.drain()
        except (asyncio.IncompleteReadError, asyncio.CancelledError, OSError):
            return
        finally:
            writer.transport.abort()
