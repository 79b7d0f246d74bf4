"""Real-time logs: lines of sampled requests to the streams that behaviors' logs name.

Law: no viewer waits for a stream. What a stream does not take in time, after RETRIES_MAX tries, or
has no room for is lost and counted. CloudFront Developer Guide, "Use real-time access logs".
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from random import random
from threading import Lock
from typing import TYPE_CHECKING

from edgecache.config.log_delivery import RealtimeLog, RealtimeLogStream
from edgecache.config.model import Behavior, Config
from edgecache.node.log_outputs import LogOwner
from edgecache.node.realtime_streams import RealtimeStream, StreamError, realtime_stream
from edgecache.observe.counters import Counters
from edgecache.observe.log_reader import RecordSource, RecordValues, id_prefixes
from edgecache.observe.log_record import COLUMNS, escaped
from edgecache.observe.realtime_log import RealtimeLines
from edgecache.runtime.environment import DaemonThread, pause
from edgecache.store.memory_account import MemoryHolding

if TYPE_CHECKING:
    from edgecache.node.node import Node

logger = logging.getLogger("edgecache.server")

SEND_S = 0.25  # between two looks at what waits
BATCH_LINES = 500  # of Kinesis's PutRecords
BATCH_BYTES = 1024 * 1024
WAITING_BYTES_MAX = 4 * 1024 * 1024  # of one stream: ten seconds of a thousand lines each
RETRIES_MAX = 4
RETRY_S_MIN = 0.25
RETRY_S_MAX = 4.0
_ID = COLUMNS["x-edge-request-id"]


@dataclass(frozen=True, slots=True)
class RealtimeWorld:
    """What real-time logs need of their process; `stream` makes what takes lines, `measure` is told
    how many bytes wait.
    """

    pause: Callable[[float], Awaitable[None]]
    random: Callable[[], float]
    stream: Callable[[RealtimeLogStream], RealtimeStream]
    counters: Counters
    measure: Callable[[int], None]


@dataclass(slots=True)
class _Queue:
    """The lines that wait for one stream: put in on the log's thread, taken out on the loop."""

    stream: RealtimeLogStream
    sink: RealtimeStream
    lines: deque[bytes] = field(default_factory=deque)
    size_bytes: int = 0
    lost: int = 0
    problem: str = ""
    task: asyncio.Task[None] | None = None
    lock: Lock = field(default_factory=Lock)

    def put(self, line: bytes) -> None:
        with self.lock:
            if self.size_bytes + len(line) > WAITING_BYTES_MAX:
                self.lost += 1
                return
            self.lines.append(line)
            self.size_bytes += len(line)

    def take(self) -> list[bytes]:
        batch: list[bytes] = []
        size = 0
        with self.lock:
            while self.lines and len(batch) < BATCH_LINES and size < BATCH_BYTES:
                batch.append(self.lines.popleft())
                size += len(batch[-1])
            self.size_bytes -= size
        return batch

    def taken_lost(self) -> int:
        with self.lock:
            lost, self.lost = self.lost, 0
        return lost


@dataclass(frozen=True, slots=True)
class _Feed:
    """What one real-time log makes of a record, and where it goes."""

    log: RealtimeLog
    lines: RealtimeLines
    values: RecordValues
    sampled: frozenset[bytes]
    queue: _Queue
    as_json: bool

    def offer(self, line: bytes) -> None:
        values = self.values.all_of(line)
        if values[_ID][:2] in self.sampled or self.log.sampling_rate == 100:
            self.queue.put(
                self.lines.json_line(values) if self.as_json else self.lines.line(values)
            )


class RealtimeLogs:
    """The real-time logs of one edge process. See `log_outputs.RecordConsumer`."""

    def __init__(self, source: RecordSource, world: RealtimeWorld) -> None:
        self._source = source
        self._world = world
        self._queues: dict[str, _Queue] = {}  # by the stream's name
        self._feeds: dict[tuple[bytes, bytes], _Feed] = {}  # by distribution and path pattern

    @property
    def extended(self) -> bool:
        """Whether any behavior has a real-time log."""
        return bool(self._feeds)

    @property
    def shows_cookies(self) -> bool:
        """Whether one of them shows cookies."""
        return any(one.lines.shows_cookies for one in self._feeds.values())

    def use(self, config: Config) -> None:
        """Go by a configuration from now on; a stream that is the same keeps what waits for it."""
        former, self._queues = self._queues, {}
        for stream in config.realtime_log_streams:
            same = former.pop(stream.stream, None)
            if same is None or same.stream != stream:
                if same is not None:
                    former[stream.stream] = same
                same = _Queue(stream, self._world.stream(stream))
            self._queues[stream.stream] = same
        for queue in former.values():
            self._count(queue, "lost", len(queue.lines) + queue.taken_lost())
            if queue.task is not None:
                queue.task.cancel()
        self._feeds = dict(self._all_feeds(config))

    def _all_feeds(self, config: Config) -> Iterator[tuple[tuple[bytes, bytes], _Feed]]:
        known = [one for one in config.realtime_logs if one.stream in self._queues]
        logs = {one.name: self._feed(one) for one in known}
        for distribution in config.distributions:
            behaviors: Sequence[Behavior] = (*distribution.behaviors, distribution.default_behavior)
            for behavior in behaviors:
                if behavior.realtime_log in logs:
                    key = (escaped(distribution.id), escaped(behavior.path_pattern))
                    yield key, logs[behavior.realtime_log]

    def _feed(self, log: RealtimeLog) -> _Feed:
        lines, queue = RealtimeLines(log.fields), self._queues[log.stream]
        return _Feed(
            log,
            lines,
            RecordValues(self._source, lines.columns),
            id_prefixes(log.sampling_rate),
            queue,
            queue.stream.to.startswith("http"),
        )

    def offer(self, records: Sequence[bytes]) -> None:
        """Queue the lines of records that behaviors want. On the log's thread."""
        feeds = self._feeds
        if not feeds:
            return
        for record in records:
            second = record.partition(b"\n")[2].split(b"\t", 2)
            feed = feeds.get((second[0], second[1])) if len(second) == 3 else None
            if feed is not None:
                feed.offer(record)

    def hand_over(self) -> None:
        """A successor serves: what waits here is sent all the same."""

    async def run(self) -> None:
        """Send what waits, for ever."""
        while True:
            await self._world.pause(SEND_S)
            self.step()

    def step(self) -> None:
        """Begin to send to each stream that is not being sent to."""
        for queue in self._queues.values():
            self._count(queue, "lost", queue.taken_lost())
            if queue.lines and (queue.task is None or queue.task.done()):
                queue.task = asyncio.get_running_loop().create_task(self._send_all(queue))
        self._world.measure(sum(one.size_bytes for one in self._queues.values()))

    async def sent(self) -> None:
        """Wait until nothing is on its way."""
        tasks = [one.task for one in self._queues.values() if one.task is not None]
        await asyncio.gather(*tasks)

    async def close(self) -> None:
        """Send what waits, and let go."""
        self.step()
        await self.sent()
        for queue in self._queues.values():
            await queue.sink.close()

    async def _send_all(self, queue: _Queue) -> None:
        while batch := queue.take():
            taken = await self._send(queue, batch)
            self._count(queue, "sent" if taken else "lost", len(batch))

    async def _send(self, queue: _Queue, batch: Sequence[bytes]) -> bool:
        """Whether a batch was taken; one that follows a lost one is tried once."""
        tries = 1 if queue.problem else RETRIES_MAX + 1
        for number in range(tries):
            try:
                await queue.sink.send(batch)
            except StreamError as error:
                self._tell(queue, str(error))
            except Exception as error:  # a defect: told as it is, and other streams go on
                self._tell(queue, repr(error))
            else:
                self._tell(queue, "")
                return True
            wait_s = min(RETRY_S_MIN * (1 << number), RETRY_S_MAX)
            await self._world.pause(wait_s * (0.5 + self._world.random() / 2))
        return False

    def _tell(self, queue: _Queue, problem: str) -> None:
        name = queue.stream.stream
        if problem and not queue.problem:
            logger.error("real-time log lines are not taken by %s: %s", name, problem)
        elif queue.problem and not problem:
            logger.warning("real-time log lines are taken by %s again", name)
        queue.problem = problem

    def _count(self, queue: _Queue, what: str, count: int) -> None:
        if count:
            series = self._world.counters.labeled[f"realtime_log_{what}"]
            series.labels(queue.stream.stream).value += count


def realtime_logs(node: Node, config: Config, owner: LogOwner) -> RealtimeLogs:
    """The real-time logs of an edge, by a configuration."""
    thread = DaemonThread("realtime-log")
    world = RealtimeWorld(
        pause,
        random,
        lambda stream: realtime_stream(stream, thread),
        node.listener.request_log.counters,
        partial(node.listener.account.measure, MemoryHolding.REALTIME_LOGS),
    )
    made = RealtimeLogs(RecordSource(owner.name, node.role, owner.of_address), world)
    made.use(config)
    return made
