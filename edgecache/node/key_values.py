"""Key value stores of one node: held for the functions it runs, and followed by control's log.

Law: a number of the log is applied once what it changed is here. Who cannot be told a store's
content applies nothing further, takes no lease, and asks again: see `LogFollower`. A store that is
not held is as if it were not there, and functions that read it fail.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Mapping
from urllib.parse import quote

import httpx
import msgspec

from edgecache.cluster.log_entries import (
    CONTENT_PATH,
    KeyValueChange,
    KeyValueContent,
    LogEntry,
    read_body,
)
from edgecache.config.model import Config
from edgecache.node.key_value_files import KeyValueFiles
from edgecache.node.log_follower import EntryNotAppliedError
from edgecache.store.key_values import KeyValueStore, KeyValueStores

logger = logging.getLogger("edgecache.server")

Ask = Callable[[str, Mapping[str, str]], Awaitable[httpx.Response | None]]
"""Control's answer to a question of this node's: see `LogFollower.ask`."""


class KeyValueFollower:
    """The stores of one node. `ask` is None where there is no control: its file has them then."""

    def __init__(self, ask: Ask | None) -> None:
        self._ask = ask
        self.on_size: Callable[[int], None] = lambda _size: None  # told how much is held, in bytes
        self.stores = KeyValueStores()
        self.files: KeyValueFiles | None = None  # for a start without control
        self._wanted: frozenset[str] = frozenset()

    def begin(self) -> None:
        """Another log is followed from its start."""
        self.stores.forget_versions()

    def use_file(self, config: Config, now: float) -> None:
        """Hold what a file declares, until control says what counts; `now` is when it was read."""
        for one in config.key_value_stores:
            self.stores.put(one.id, KeyValueStore(one.items, now, now))
        self.on_size(self.stores.size_bytes)

    def use_kept(self, config: Config) -> None:
        """Hold what this node's disk has of the stores that functions read, until control says what
        counts.
        """
        if self.files is not None:
            wanted = {id for one in config.functions for id in one.key_value_stores}
            for id, store in self.files.read(wanted).items():
                self.stores.put(id, store)
            self._wanted = frozenset(wanted)
            self.on_size(self.stores.size_bytes)

    async def use(self, config: Config, seq: int) -> None:
        """Hold what the functions of the configuration of number `seq` read, and nothing else.

        EntryNotAppliedError: control does not give it now.
        """
        wanted = {id for one in config.functions for id in one.key_value_stores}
        for id in sorted(wanted):
            held = self.stores.get(id)
            if held is None or held.version < 0:
                await self._fetch(id, seq)
        self._wanted = frozenset(wanted)

    def settle(self) -> None:
        """The configuration that was prepared for is in force: forget what it does not need."""
        self.stores.keep(self._wanted)
        self._changed()

    async def apply(self, entry: LogEntry) -> None:
        """Take over a change of a store that is held. EntryNotAppliedError."""
        change = read_body(entry, KeyValueChange)
        held = self.stores.get(change.store)
        if change.store not in self._wanted or change.gone:
            return
        if held is not None and held.version >= entry.seq:
            return  # it was fetched since
        if held is not None and held.version == change.before and not change.whole:
            held.update(change.puts, change.deletes, entry.seq, entry.at)
        else:
            await self._fetch(change.store, entry.seq)
        self._changed()

    def _changed(self) -> None:
        self.on_size(self.stores.size_bytes)
        if self.files is not None:
            self.files.tell(self.stores.held())

    async def _fetch(self, id: str, seq: int) -> None:
        """Hold all of a store, as control has it at number `seq` or later."""
        if self._ask is None:
            return
        answer = await self._ask(f"{CONTENT_PATH}{quote(id, safe='')}?after={seq}", {})
        if answer is not None and answer.status_code == httpx.codes.NOT_FOUND:
            logger.warning("key value store %s: control has none; functions cannot read it", id)
            self.stores.remove(id)
            return
        if answer is None or not answer.is_success:
            why = "no answer" if answer is None else f"answered {answer.status_code}"
            raise EntryNotAppliedError(f"key value store {id}: control: {why}")
        try:
            content = msgspec.json.decode(answer.content, type=KeyValueContent)
        except msgspec.DecodeError as error:
            raise EntryNotAppliedError(f"key value store {id}: {error}") from None
        store = KeyValueStore(
            content.items, content.created_at, content.modified_at, content.version
        )
        self.stores.put(id, store)
