"""Real-time logs: lines of sampled requests to the streams that behaviors' logs name.

Law: no viewer waits for a stream; see `send_queue`. CloudFront Developer Guide, "Use real-time
access logs".
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from random import random
from typing import TYPE_CHECKING

from edgecache.config.model import Behavior, Config
from edgecache.config.observation import RealtimeLog, RealtimeLogStream
from edgecache.node.log_outputs import LogOwner
from edgecache.node.realtime_streams import realtime_stream
from edgecache.node.send_queue import SEND_S, BatchReceiver, SendQueue, SendWorld
from edgecache.observe.counters import Counters
from edgecache.observe.log_reader import RecordSource, RecordValues, id_prefixes
from edgecache.observe.log_record import COLUMNS, escaped
from edgecache.observe.realtime_log import RealtimeLines
from edgecache.runtime.environment import DaemonThread, pause
from edgecache.store.memory_account import MemoryHolding

if TYPE_CHECKING:
    from edgecache.node.node import Node

_ID = COLUMNS["x-edge-request-id"]


@dataclass(frozen=True, slots=True)
class RealtimeWorld:
    """What real-time logs need of their process; `stream` makes what takes lines, `measure` is told
    how many bytes wait.
    """

    pause: Callable[[float], Awaitable[None]]
    random: Callable[[], float]
    stream: Callable[[RealtimeLogStream], BatchReceiver]
    counters: Counters
    measure: Callable[[int], None]


@dataclass(frozen=True, slots=True)
class _Feed:
    """What one real-time log makes of a record, and where it goes."""

    log: RealtimeLog
    lines: RealtimeLines
    values: RecordValues
    sampled: frozenset[bytes]
    queue: SendQueue
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
        self._queues: dict[str, tuple[RealtimeLogStream, SendQueue]] = {}  # by the stream's name
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
            same = former.get(stream.stream)
            if same is None or same[0] != stream:
                same = stream, self._queue(stream)
            else:
                del former[stream.stream]
            self._queues[stream.stream] = same
        for _, queue in former.values():
            queue.drop()
        self._feeds = dict(self._all_feeds(config))

    def _queue(self, stream: RealtimeLogStream) -> SendQueue:
        world, name = self._world, stream.stream

        def count(what: str, lines: int) -> None:
            world.counters.labeled[f"realtime_log_{what}"].labels(name).value += lines

        way = SendWorld(world.pause, world.random, count)
        return SendQueue("real-time log lines", name, world.stream(stream), way)

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
        lines, (stream, queue) = RealtimeLines(log.fields), self._queues[log.stream]
        return _Feed(
            log,
            lines,
            RecordValues(self._source, lines.columns),
            id_prefixes(log.sampling_rate),
            queue,
            stream.to.startswith("http"),
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
        for _, queue in self._queues.values():
            queue.step()
        self._world.measure(sum(queue.size_bytes for _, queue in self._queues.values()))

    async def sent(self) -> None:
        """Wait until nothing is on its way."""
        await asyncio.gather(*(queue.sent() for _, queue in self._queues.values()))

    async def close(self) -> None:
        """Send what waits, and let go."""
        await asyncio.gather(*(queue.close() for _, queue in self._queues.values()))


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
