"""Send queue: pieces of what a process logs, on their way to one receiver elsewhere.

Law: who puts something in never waits. What has no room, and what the receiver does not take after
RETRIES_MAX tries, is lost and counted; a batch that follows a lost one is tried once.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from threading import Lock
from typing import Protocol

logger = logging.getLogger("edgecache.server")

SEND_S = 0.25  # between two looks at what waits
BATCH_PIECES = 500  # of Kinesis's PutRecords; OpenTelemetry's batch of spans is 512
BATCH_BYTES = 1024 * 1024
WAITING_BYTES_MAX = 4 * 1024 * 1024  # of one receiver: ten seconds of a thousand lines each
RETRIES_MAX = 4
RETRY_S_MIN = 0.25
RETRY_S_MAX = 4.0


class StreamError(Exception):
    """A batch was not taken; its words are for the operator. `lasting`: nor will it be."""

    def __init__(self, words: str, *, lasting: bool = False) -> None:
        super().__init__(words)
        self.lasting = lasting


class BatchReceiver(Protocol):
    """What takes batches."""

    async def send(self, pieces: Sequence[bytes]) -> None:
        """Send whole pieces. StreamError."""
        ...

    async def close(self) -> None:
        """Let go of what is held."""
        ...


@dataclass(frozen=True, slots=True)
class SendWorld:
    """A way to wait so many seconds, chance (from 0 to 1), and who counts: `sent` or `lost`."""

    pause: Callable[[float], Awaitable[None]]
    random: Callable[[], float]
    count: Callable[[str, int], None]


@dataclass(slots=True)
class SendQueue:
    """What waits for one receiver: put in on the log's thread, taken out on the loop.

    `what` is put in, and `whom` takes it, in lines for the operator.
    """

    what: str
    whom: str
    receiver: BatchReceiver
    world: SendWorld
    size_bytes: int = 0
    problem: str = ""
    _pieces: deque[bytes] = field(default_factory=deque)
    _lost: int = 0
    _task: asyncio.Task[None] | None = None
    _lock: Lock = field(default_factory=Lock)

    def put(self, piece: bytes, count: int = 1) -> None:
        """Keep a piece, or lose so many. On any thread."""
        with self._lock:
            if self.size_bytes + len(piece) > WAITING_BYTES_MAX:
                self._lost += count
                return
            self._pieces.append(piece)
            self.size_bytes += len(piece)

    def lose(self, count: int) -> None:
        """So many were not even put in. On any thread."""
        with self._lock:
            self._lost += count

    def step(self) -> None:
        """Begin to send what waits, unless that is being done."""
        self._count_lost()
        if self._pieces and (self._task is None or self._task.done()):
            self._task = asyncio.get_running_loop().create_task(self._send_all())

    async def sent(self) -> None:
        """Wait until nothing is on its way."""
        if self._task is not None:
            await self._task

    def drop(self) -> None:
        """Lose what waits: nobody is to have it any more."""
        self.lose(len(self._pieces))
        self._count_lost()
        if self._task is not None:
            self._task.cancel()

    async def close(self) -> None:
        """Send what waits, and let go."""
        self.step()
        await self.sent()
        await self.receiver.close()

    def _count_lost(self) -> None:
        with self._lock:
            lost, self._lost = self._lost, 0
        if lost:
            self.world.count("lost", lost)

    def _take(self) -> list[bytes]:
        batch: list[bytes] = []
        size = 0
        with self._lock:
            while self._pieces and len(batch) < BATCH_PIECES and size < BATCH_BYTES:
                batch.append(self._pieces.popleft())
                size += len(batch[-1])
            self.size_bytes -= size
        return batch

    async def _send_all(self) -> None:
        while batch := self._take():
            taken = await self._send(batch)
            self.world.count("sent" if taken else "lost", len(batch))

    async def _send(self, batch: Sequence[bytes]) -> bool:
        """Whether a batch was taken."""
        tries = 1 if self.problem else RETRIES_MAX + 1
        for number in range(tries):
            lasting = False
            try:
                await self.receiver.send(batch)
            except StreamError as error:
                lasting = error.lasting
                self._tell(str(error))
            except Exception as error:  # a defect: told as it is, and other receivers go on
                self._tell(repr(error))
            else:
                self._tell("")
                return True
            if lasting:
                break
            wait_s = min(RETRY_S_MIN * (1 << number), RETRY_S_MAX)
            await self.world.pause(wait_s * (0.5 + self.world.random() / 2))
        return False

    def _tell(self, problem: str) -> None:
        if problem and not self.problem:
            logger.error("%s are not taken by %s: %s", self.what, self.whom, problem)
        elif self.problem and not problem:
            logger.warning("%s are taken by %s again", self.what, self.whom)
        self.problem = problem
