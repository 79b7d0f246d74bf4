"""Children report to the test over a socket: a line when they run, its end when they are gone.

So a test waits for the thing itself, and never longer than DEADLINE_S.
"""

from __future__ import annotations

import asyncio
import contextlib
import sys
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from edgecache.supervisor.child import Child

DEADLINE_S = 30

REPORT = """
import os, signal, socket, sys
report = socket.create_connection(("127.0.0.1", int(sys.argv[1])))
report.sendall(f"{sys.argv[2]} {os.getpid()}\\n".encode())
"""


@dataclass
class RollCall:
    """Who has reported so far, and their connections."""

    port: int = 0
    pids: dict[str, int] = field(default_factory=dict)
    lines: asyncio.Queue[str] = field(default_factory=asyncio.Queue)
    readers: dict[str, asyncio.StreamReader] = field(default_factory=dict)
    writers: dict[str, asyncio.StreamWriter] = field(default_factory=dict)
    over: asyncio.Event = field(default_factory=asyncio.Event)
    hearing: set[asyncio.Task[None]] = field(default_factory=set)

    def admit(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.hearing.add(asyncio.create_task(self.hear(reader, writer)))

    async def hear(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            if line := await reader.readline():
                name, pid = line.decode().split()
                self.pids[name] = int(pid)
                self.readers[name], self.writers[name] = reader, writer
                await self.lines.put(name)
            await self.over.wait()
        except ConnectionError:
            pass  # killed before it could report
        finally:
            writer.transport.abort()

    async def next(self) -> str:
        """The name of the next one to report."""
        return await self.lines.get()

    async def gone(self, name: str) -> bool:
        """Wait for the end of `name`'s process."""
        with contextlib.suppress(ConnectionError):
            await self.readers[name].read()
        return True

    def child(self, name: str, script: str, role: str = "") -> Child:
        command = (sys.executable, "-I", "-S", "-c", script, str(self.port), name)
        return Child(name, role or name, command)


def play(scene: Callable[[RollCall], Awaitable[None]]) -> None:
    """Run a scene with a roll call, to its end or the deadline."""

    async def run() -> None:
        roll_call = RollCall()
        server = await asyncio.start_server(roll_call.admit, "127.0.0.1", 0)
        roll_call.port = server.sockets[0].getsockname()[1]
        try:
            async with asyncio.timeout(DEADLINE_S):
                await scene(roll_call)
        finally:
            server.close()
            roll_call.over.set()  # first: from Python 3.12 on a server waits for its connections
            await asyncio.gather(*roll_call.hearing)
            await server.wait_closed()

    asyncio.run(run())
