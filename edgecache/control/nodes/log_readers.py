"""Readers of the live log: who reads, what nodes sent for each, and how much of it was lost.

Law: a reader that does not ask is forgotten after IDLE_S, and nodes with it; one that asks slowly
loses lines, is told how many, and keeps nobody waiting. What processes count is added up here.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field

import msgspec

from edgecache.cluster.log_readers import (
    READERS_MAX,
    LogSubscription,
    ReaderBatch,
    ReaderBatches,
)
from edgecache.observe.traffic_summary import TrafficSample, TrafficSummary

IDLE_S = 20.0  # without a question: its terminal was closed, or stopped
ROWS_WAITING_MAX = 10_000  # of one reader
BYTES_WAITING_MAX = 4 * 1024 * 1024
ROWS_TOLD_MAX = 2_000  # in one answer
SAMPLE_NAMES = 1_024  # of a ranking of all processes
ID_BYTES = 12


class TooManyReadersError(Exception):
    """READERS_MAX read already."""


class LogLines(msgspec.Struct, frozen=True):
    """What a reader gets: rows of values in the order of `fields`, escaped as in the log.

    `lost` were there and are not told. `nodes` have sent something since the last time.
    """

    fields: tuple[str, ...]
    rows: list[list[str]]
    lost: int
    nodes: list[str]
    summary: TrafficSample | None = None


@dataclass(slots=True)
class _Reader:
    wanted: LogSubscription
    asked_at: float
    rows: list[list[str]] = field(default_factory=list)
    bytes: int = 0
    lost: int = 0
    nodes: set[str] = field(default_factory=set)
    summary: TrafficSummary = field(default_factory=TrafficSummary)
    news: asyncio.Event = field(default_factory=asyncio.Event)

    def add(self, batch: ReaderBatch) -> None:
        self.lost += batch.lost
        for row in batch.rows:
            size = sum(map(len, row))
            full = len(self.rows) >= ROWS_WAITING_MAX or self.bytes + size > BYTES_WAITING_MAX
            if full or len(row) != len(self.wanted.fields):
                self.lost += 1
                continue
            self.rows.append(row)
            self.bytes += size
        if batch.summary is not None and self.wanted.summary:
            self.summary.merge(batch.summary)

    def take(self) -> LogLines:
        rows, self.rows = self.rows[:ROWS_TOLD_MAX], self.rows[ROWS_TOLD_MAX:]
        self.bytes -= sum(len(value) for row in rows for value in row)
        lost, self.lost = self.lost, 0
        nodes, self.nodes = sorted(self.nodes), set()
        summary = None
        if self.wanted.summary:
            summary, self.summary = self.summary.sample(SAMPLE_NAMES), TrafficSummary()
        if not self.rows:
            self.news.clear()
        return LogLines(self.wanted.fields, rows, lost, nodes, summary)


class LogReaderRegistry:
    """The readers of one control. Used on its loop. `clock` gives seconds, `new_id` unused ids."""

    def __init__(self, clock: Callable[[], float], new_id: Callable[[], str]) -> None:
        self._clock = clock
        self._new_id = new_id
        self._readers: dict[str, _Reader] = {}

    def begin(self, wanted: LogSubscription) -> str:
        """A new reader; its id, under which it asks. TooManyReadersError."""
        self._forget_idle()
        if len(self._readers) >= READERS_MAX:
            raise TooManyReadersError(f"{READERS_MAX} read already: end one of them")
        id = self._new_id()
        named = msgspec.structs.replace(wanted, id=id)
        self._readers[id] = _Reader(named, self._clock())
        return id

    def subscriptions(self) -> tuple[LogSubscription, ...]:
        """What nodes are to look for now."""
        if not self._readers:
            return ()
        self._forget_idle()
        return tuple(one.wanted for one in self._readers.values())

    def deliver(self, node: str, content: bytes) -> None:
        """Take what a node sends. ValueError when it cannot be read."""
        for batch in msgspec.json.decode(content, type=ReaderBatches).batches:
            reader = self._readers.get(batch.id)
            if reader is not None:
                reader.add(batch)
                reader.nodes.add(node)
                reader.news.set()

    async def read(self, id: str, wait_s: float) -> LogLines | None:
        """What has come for a reader, waited for so long; None: there is none of that id."""
        reader = self._readers.get(id)
        if reader is None:
            return None
        reader.asked_at = self._clock()
        try:
            async with asyncio.timeout(wait_s):
                await reader.news.wait()
        except TimeoutError:
            pass
        reader.asked_at = self._clock()
        return reader.take()

    def end(self, id: str) -> bool:
        """Forget a reader; False when there is none of that id."""
        return self._readers.pop(id, None) is not None

    def _forget_idle(self) -> None:
        now = self._clock()
        for id in [id for id, one in self._readers.items() if now - one.asked_at > IDLE_S]:
            del self._readers[id]
