"""Readers of this process's log, as control names them: chosen records, sent as they come.

Law: while nobody reads, this costs a request nothing: the log's thread keeps a reference to what it
has written (`observe.log_history`), and looks at no record. Nobody who serves waits for a reader:
control that is slow or away costs readers lines, which they are told of.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Protocol
from urllib.parse import unquote_to_bytes

import msgspec
import xxhash

from edgecache.cluster.log_readers import (
    READERS_MAX,
    ROWS_MAX,
    LogSubscription,
    ReaderBatch,
    ReaderBatches,
)
from edgecache.config.model import Config
from edgecache.node.log_outputs import FOLDER_NAME, LogOwner
from edgecache.observe.log_filter import FILTER_COLUMNS, NONE, FilterError, Values
from edgecache.observe.log_history import LogHistory
from edgecache.observe.log_reader import LogReader, LogSelection, RecordSource
from edgecache.observe.log_record import COLUMNS, FIELDS, escaped
from edgecache.rules.viewer.headers import device_of
from edgecache.runtime.environment import BlockingCalls, DaemonThread, give_way, pause
from edgecache.store.memory_account import MemoryHolding

if TYPE_CHECKING:
    from edgecache.node.node import Node

SEND_S = 0.5  # between two messages to control
AGENTS_MAX = 2_048
AGENT_BYTES = 120  # of an entry: numbers, their places, and no agent
_BOT = re.compile(
    rb"bot\b|bot[/;)]|crawl|spider|slurp|^curl/|^wget/|python|headless", re.IGNORECASE
)
_STANDARD = FIELDS.count(" ")
_OF_MISSES = {COLUMNS[name] for name in (
    "reason", "origin-id", "origin-status", "origin-fbl", "origin-lbl", "origin-timestamp(ms)",
)}  # fmt: skip


class DeviceTable:
    """Kinds of device of the User-Agents that summaries met last: each is looked at once."""

    def __init__(self) -> None:
        self._kinds: dict[int, bytes] = {}

    def of_agent(self, agent: bytes) -> bytes:
        """The kind of an agent as it is logged (an OfAgent)."""
        number = xxhash.xxh3_64_intdigest(agent)
        kind = self._kinds.get(number)
        if kind is None:
            if len(self._kinds) >= AGENTS_MAX:
                self._kinds.clear()
            kind = self._kinds[number] = device_kind(unquote_to_bytes(agent))
        return kind

    @property
    def size_bytes(self) -> int:
        """About what it holds."""
        return AGENT_BYTES * len(self._kinds)


def device_kind(agent: bytes) -> bytes:
    """One word for the device of a User-Agent; of several that hold, the first of these."""
    if agent in (b"", NONE):
        return b"other"
    if _BOT.search(agent):
        return b"bot"
    device = device_of(agent)
    if device.smart_tv:
        return b"tv"
    if device.tablet:
        return b"tablet"
    return b"mobile" if device.mobile else b"desktop"


class ControlChannel(Protocol):
    """The node's way to control, as readers need it (`LogFollower`)."""

    log_readers: tuple[LogSubscription, ...]
    """As control named them last."""

    async def send_log(self, content: bytes) -> bool:
        """Send a `ReaderBatches`; False when control did not take it."""
        ...


@dataclass(frozen=True, slots=True)
class ReaderWorld:
    """What readers need of their process: seconds, a way to wait, a thread for log files, and the
    one that writes the log, on which readers look and are looked at.

    `measure` is told how many bytes they hold.
    """

    clock: Callable[[], float]
    pause: Callable[[float], Awaitable[None]]
    thread: BlockingCalls
    log_thread: BlockingCalls
    measure: Callable[[int], None]


class NodeLogReaders:
    """The readers of one process.

    `on_change` is called whenever what they look at has changed; with True where hits that were
    remembered before lack what one looks at now. See `log_outputs.RecordConsumer`.
    """

    shows_cookies = False  # there is no such field for readers

    def __init__(
        self, source: RecordSource, history: LogHistory, channel: ControlChannel, world: ReaderWorld
    ) -> None:
        self.history = history
        self.devices = DeviceTable()
        self.on_change: Callable[[bool], None] = lambda _forget: None
        self._source = source._replace(of_agent=self.devices.of_agent)
        self._channel = channel
        self._world = world
        self._readers: dict[str, LogReader] = {}
        self._looks: dict[str, asyncio.Future[list[list[bytes]]]] = {}  # for one request each
        self._found: dict[str, list[list[str]]] = {}  # what was logged before a reader came
        self._read_elsewhere = False  # the other tier has a reader
        self._unsent: dict[str, int] = {}  # lines that control did not take

    @property
    def extended(self) -> bool:
        """Whether a reader looks at what the second line of a record has.

        One of the other tier may want to see a request through all of them.
        """
        wanted = any(_extras(one.wanted) for one in self._readers.values())
        return wanted or self._read_elsewhere

    def _names_extras_of_hits(self) -> bool:
        """Whether one looks at what of it belongs to hits, too, whose lines are remembered."""
        return any(_extras(one.wanted) - _OF_MISSES for one in self._readers.values())

    @property
    def size_bytes(self) -> int:
        """About what they hold."""
        readers = sum(one.size_bytes for one in self._readers.values())
        return self.history.size_bytes + self.devices.size_bytes + readers

    def offer(self, lines: Sequence[bytes]) -> None:
        """Look at records that are written now. On the log's thread."""
        self.history.remember(lines)
        for reader in list(self._readers.values()):
            reader.offer(lines)

    def use(self, config: Config) -> None:
        """No configuration says who reads."""

    def hand_over(self) -> None:
        """A successor has readers of its own; this process's last requests are read, too."""

    async def close(self) -> None:
        """Forget all readers: this process ends."""
        self._use(())

    async def run(self) -> None:
        """Take up readers as control names them, and send what they have, for good."""
        await self._world.thread(give_way)
        while True:
            await self._world.pause(SEND_S)
            await self.step()

    async def step(self) -> None:
        """One turn of `run`."""
        self._use(self._channel.log_readers)
        if self._readers:
            self._look()
            await self._send()
        self._world.measure(self.size_bytes)

    def _use(self, wanted: Sequence[LogSubscription]) -> None:
        mine = {one.id: one for one in wanted[:READERS_MAX] if one.covers(self._source.tier)}
        gone = self._readers.keys() - mine.keys()
        came = [one for id, one in mine.items() if id not in self._readers]
        elsewhere = len(mine) < len(wanted)
        if not gone and not came and elsewhere == self._read_elsewhere:
            return
        self._read_elsewhere = elsewhere
        named_before = self._names_extras_of_hits()
        for id in gone:
            self._drop(id)
        for one in came:
            try:
                selection = one.selection()
            except FilterError:  # of a later release's control
                continue
            self._readers[one.id] = LogReader(selection, self._source, self._world.clock)
            if one.request_id:
                look = self._world.thread(partial(self.history.find, one.request_id))
                self._looks[one.id] = asyncio.ensure_future(look)
        self.on_change(self._names_extras_of_hits() and not named_before)

    def _drop(self, id: str) -> None:
        for held in (self._readers, self._found, self._unsent):
            held.pop(id, None)
        if (look := self._looks.pop(id, None)) is not None:
            look.cancel()

    def _look(self) -> None:
        """Take what was found for readers of one request."""
        for id in [id for id, look in self._looks.items() if look.done()]:
            rows, fields = self._looks.pop(id).result(), self._readers[id].wanted.fields
            self._found[id] = [self._row(row, fields) for row in rows]

    def _row(self, values: Sequence[bytes], fields: Sequence[str]) -> list[str]:
        address = values[COLUMNS["c-ip"]].decode("latin-1")
        country, number = self._source.of_address(address)
        computed = (country, number, self._source.node, self._source.tier)
        told: Values = [*values, *map(escaped, computed)]
        return [told[FILTER_COLUMNS[name]].decode("latin-1") for name in fields]

    async def _send(self) -> None:
        batches, content = await self._world.log_thread(self._taken)
        if batches and not await self._channel.send_log(content):
            for batch in batches:
                self._unsent[batch.id] = batch.lost + len(batch.rows)

    def _taken(self) -> tuple[list[ReaderBatch], bytes]:
        """What is to be sent, as it is and encoded. On the log's thread."""
        batches = []
        for id, reader in list(self._readers.items()):
            taken, has_looked = reader.take(), id in self._found
            rows = [*self._found.pop(id, ()), *taken.rows][:ROWS_MAX]
            lost = taken.lost + self._unsent.pop(id, 0)
            if rows or lost or taken.summary is not None or has_looked:
                batches.append(ReaderBatch(id, rows, lost, taken.summary))
        return batches, msgspec.json.encode(ReaderBatches(batches)) if batches else b""


def _extras(selection: LogSelection) -> set[int]:
    """The places of the second line that are looked at."""
    computed = COLUMNS["c-country"]
    columns = set(selection.columns)
    if selection.summary:
        columns |= _OF_MISSES
    return {place for place in columns if _STANDARD < place < computed}


def node_log_readers(node: Node, config: Config, owner: LogOwner) -> list[NodeLogReaders]:
    """The readers that control may name to a node; none where it follows no control."""
    if node.follower is None:
        return []
    history = LogHistory(Path(config.state_dir) / FOLDER_NAME, owner.name, owner.unique)
    source = RecordSource(owner.name, node.role, owner.of_address)
    measure = partial(node.listener.account.measure, MemoryHolding.LOG_READERS)
    history_thread = DaemonThread("log-history")
    world = ReaderWorld(owner.clock, pause, history_thread, node.log_thread, measure)
    made = NodeLogReaders(source, history, node.follower, world)
    made.on_change = node.extend_records
    return [made]
