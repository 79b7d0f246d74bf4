"""Viewers at a steady pace, read strictly: on kept connections, on new ones, and long downloads.

Whatever is not the whole and right answer is a failure: refused, reset, cut, another's, an error.
"""

from __future__ import annotations

import asyncio
import threading
from dataclasses import dataclass, field
from hashlib import sha256

from tests.end_to_end.processes import DEADLINE_S, wait_for

KEPT = 10  # connections for each port that ask again and again
MIB = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Plan:
    """Who asks what, how often: `pages` maps paths to their right bodies."""

    ports: tuple[int, ...]
    pages: dict[str, bytes]
    per_s: float = 500
    new_share: float = 0.2  # of the requests, on connections of their own
    download: str = ""
    download_sha256: str = ""
    download_s: float = 8
    downloads: int = 2  # at a time
    host: str = "127.0.0.1"


@dataclass(slots=True)
class Traffic:
    """Runs a plan in a thread of its own while the context lasts."""

    plan: Plan
    answered: int = 0
    hits: int = 0
    downloaded: int = 0
    failures: list[str] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)  # of these, a 200 with another body
    late_ms: list[float] = field(default_factory=list)  # how long each answer took
    _loop: asyncio.AbstractEventLoop = field(default_factory=asyncio.new_event_loop)
    _over: asyncio.Event = field(default_factory=asyncio.Event)
    _thread: threading.Thread | None = None

    def __enter__(self) -> Traffic:
        self._thread = threading.Thread(target=self._run)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._over.set)
        assert self._thread is not None
        self._thread.join(DEADLINE_S + 2 * self.plan.download_s)

    def well(self, count: int) -> None:
        """Wait until so many in a row were answered without a failure between them."""

        def enough() -> bool:
            failed = len(self.failures)
            if failed != seen[0]:
                seen[:] = [failed, self.answered]
            return self.answered >= seen[1] + count

        seen = [len(self.failures), self.answered]
        wait_for(f"{count} answers without a failure", enough)

    def more(self, count: int) -> None:
        """Wait until so many more were answered."""
        enough = self.answered + count
        wait_for(f"{count} more answers", lambda: self.answered >= enough or self.failures)

    def _run(self) -> None:
        self._loop.run_until_complete(self._all())
        self._loop.close()

    async def _all(self) -> None:
        plan = self.plan
        kept = KEPT * len(plan.ports)
        pause_s = kept / (plan.per_s * (1 - plan.new_share))
        viewers = [self._keeps(plan.ports[n % len(plan.ports)], n, pause_s) for n in range(kept)]
        new_s = len(plan.ports) / (plan.per_s * plan.new_share)
        viewers += [self._comes_anew(port, new_s) for port in plan.ports]
        if plan.download:
            viewers += [self._downloads(plan.ports[0]) for _ in range(plan.downloads)]
        await asyncio.gather(*viewers)

    async def _pause(self, seconds: float) -> bool:
        """Wait; whether to go on."""
        try:
            await asyncio.wait_for(self._over.wait(), seconds)
        except TimeoutError:
            return True
        return False

    async def _keeps(self, port: int, number: int, pause_s: float) -> None:
        paths = list(self.plan.pages)
        streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None
        while await self._pause(pause_s):
            number += 1
            try:
                streams = streams or await _connected(port)
                if not await self._ask(streams, paths[number % len(paths)], "keep-alive"):
                    streams[1].close()
                    streams = None
            except (OSError, EOFError, ValueError, TimeoutError) as error:
                self.failures.append(f"kept connection to {port}: {error!r}")
                if streams is not None:
                    streams[1].close()
                streams = None
        if streams is not None:
            streams[1].close()

    async def _comes_anew(self, port: int, pause_s: float) -> None:
        paths = list(self.plan.pages)
        number = 0
        while await self._pause(pause_s):
            number += 1
            streams = None
            try:
                streams = await _connected(port)
                await self._ask(streams, paths[number % len(paths)], "close")
            except (OSError, EOFError, ValueError, TimeoutError) as error:
                self.failures.append(f"new connection to {port}: {error!r}")
            finally:
                if streams is not None:
                    streams[1].close()

    async def _ask(
        self, streams: tuple[asyncio.StreamReader, asyncio.StreamWriter], path: str, wish: str
    ) -> bool:
        """One exchange; whether the connection may be asked again."""
        began = self._loop.time()
        async with asyncio.timeout(DEADLINE_S):
            status, fields = await _asked(streams, path, self.plan.host, wish)
            body = await streams[0].readexactly(int(fields.get("content-length", "0")))
        self.late_ms.append((self._loop.time() - began) * 1000)
        if status != 200 or body != self.plan.pages[path]:
            self.failures.append(f"{path}: {status}, {len(body)} bytes")
            if status == 200:
                self.wrong.append(f"{path}: {len(body)} bytes: {body[:40]!r}")
        self.hits += fields.get("x-cache", "").startswith(("hit", "refreshhit"))
        self.answered += 1
        return fields.get("connection", "") != "close"

    async def _downloads(self, port: int) -> None:
        """The same file over and over, each time in about `download_s`."""
        while await self._pause(0.01):
            try:
                await self._download(port)
            except (OSError, EOFError, ValueError, TimeoutError) as error:
                self.failures.append(f"download: {error!r}")

    async def _download(self, port: int) -> None:
        streams = await _connected(port)
        try:
            await self._read_slowly(streams)
        finally:
            streams[1].close()

    async def _read_slowly(
        self, streams: tuple[asyncio.StreamReader, asyncio.StreamWriter]
    ) -> None:
        plan = self.plan
        status, fields = await _asked(streams, plan.download, plan.host, "close")
        left = int(fields["content-length"])
        step = max(1, left // 50)
        digest = sha256()
        while left:
            async with asyncio.timeout(DEADLINE_S):
                part = await streams[0].readexactly(min(step, left))
            digest.update(part)
            left -= len(part)
            await self._pause(plan.download_s / 50)
        if status != 200 or digest.hexdigest() != plan.download_sha256:
            self.failures.append(f"download: {status}, another body")
        self.downloaded += 1


async def _connected(port: int) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    async with asyncio.timeout(DEADLINE_S):
        return await asyncio.open_connection("127.0.0.1", port, limit=128 * 1024)


async def _asked(
    streams: tuple[asyncio.StreamReader, asyncio.StreamWriter], path: str, host: str, wish: str
) -> tuple[int, dict[str, str]]:
    reader, writer = streams
    writer.write(f"GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: {wish}\r\n\r\n".encode())
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
    status, *lines = head.split("\r\n")
    fields = dict(line.lower().split(": ", 1) for line in lines if line)
    return int(status.split(" ")[1]), fields
