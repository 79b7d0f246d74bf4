"""What key value stores hold, in control's state. Law: a change is one transaction and one number.

The number is the store's version, and the entry of that number tells nodes what has changed: they
hold the store of its former version, or ask for all of it (`content`). Keys and values are kept
here alone, not in the configuration.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

import msgspec

from edgecache.cluster.log_entries import KeyValueChange, KeyValueContent, LogEntryKind
from edgecache.config.key_value_stores import KeyValueStoreConfig, items_bytes
from edgecache.control.state.database import UNASKED, Authorship, StateDatabase
from edgecache.control.state.log import ControlLog
from edgecache.control.state.resources import random_id
from edgecache.store.key_values import KeyValueMeta

CHANGES_KEPT_S = 60.0  # of former versions, in the log; who comes later asks for all of a store
ROWS_AT_ONCE = 200
_FACTS = "id, version, items, bytes, created_at, modified_at, digest"


@dataclass(frozen=True, slots=True)
class KeyValueFacts:
    """One store: its version (a number of the log), how much it holds, times in epoch seconds.

    `digest` is of what a file declares; empty: it is the API's.
    """

    id: str
    version: int
    items: int
    bytes: int
    created_at: float
    modified_at: float
    digest: str = ""


class StoredReader:
    """A KeyValueReader of what a store holds in the database, for one run of a function there.

    Used inside `StateDatabase.writing`, or where nobody else writes: it reads key by key.
    """

    def __init__(self, values: KeyValues, facts: KeyValueFacts) -> None:
        self._values, self._facts = values, facts

    def get(self, key: str) -> str | None:
        return self._values.value(self._facts.id, key) if "\0" not in key else None

    def exists(self, key: str) -> bool:
        return self.get(key) is not None

    def meta(self) -> KeyValueMeta:
        facts = self._facts
        return KeyValueMeta(facts.created_at, facts.modified_at, facts.items)


class KeyValues:
    """Tables of what stores hold. Changed inside `StateDatabase.writing`, on the state's thread."""

    def __init__(self, state: StateDatabase, log: ControlLog) -> None:
        self._state = state
        self._log = log

    def facts(self, id: str) -> KeyValueFacts | None:
        """What there is to say of a store, if there is one."""
        row = self._state.execute(
            f"SELECT {_FACTS} FROM key_value_stores WHERE id = ?", (id,)
        ).fetchone()
        return None if row is None else KeyValueFacts(*row)

    def reader(self, id: str) -> StoredReader | None:
        """A store as a function that is tested reads it."""
        facts = self.facts(id)
        return None if facts is None else StoredReader(self, facts)

    def etag(self, facts: KeyValueFacts) -> str:
        """The version of a store's content, as the data plane tells it.

        Made of this log's epoch, too: after a restore the same numbers are given once more.
        """
        text = f"{self._log.epoch} {facts.id} {facts.version}"
        digest = hashlib.sha256(text.encode()).digest()
        return random_id("KV", lambda count: digest[:count])

    def value(self, id: str, key: str) -> str | None:
        row = self._state.execute(
            'SELECT value FROM key_values WHERE store = ? AND "key" = ?', (id, key)
        ).fetchone()
        return None if row is None else str(row[0])

    def page(self, id: str, after: str, most: int) -> list[tuple[str, str]]:
        """So many items, by their keys, which follow the key `after`."""
        return self._state.execute(
            'SELECT "key", value FROM key_values WHERE store = ? AND "key" > ?'
            ' ORDER BY "key" LIMIT ?',
            (id, after, most),
        ).fetchall()

    def content(self, id: str) -> KeyValueContent | None:
        """All of a store, as of one commit."""
        rows = self._state.execute(
            'SELECT s.version, s.created_at, s.modified_at, v."key", v.value'
            " FROM key_value_stores s LEFT JOIN key_values v ON v.store = s.id WHERE s.id = ?",
            (id,),
        ).fetchall()
        if not rows:
            return None
        version, created_at, modified_at = rows[0][:3]
        items = {row[3]: row[4] for row in rows if row[3] is not None}
        return KeyValueContent(id, version, created_at, modified_at, items)

    def create(
        self, id: str, items: Mapping[str, str], now: float, by: Authorship = UNASKED,
        digest: str = "",
    ) -> KeyValueFacts:  # fmt: skip
        """A store with these items, in the place of one of its id; each is a version of its own."""
        before = self.facts(id)
        self._state.execute("DELETE FROM key_values WHERE store = ?", (id,))
        self._insert(id, items)
        created_at = now if before is None else before.created_at
        made = KeyValueFacts(id, 0, len(items), items_bytes(dict(items)), created_at, now, digest)
        return self._numbered(made, KeyValueChange(id, whole=True), by)

    def update(
        self, facts: KeyValueFacts, puts: Mapping[str, str], deletes: Collection[str],
        now: float, by: Authorship,
    ) -> KeyValueFacts:  # fmt: skip
        """The store with these keys put, and these deleted; `facts` is what it is now."""
        touched = (*puts, *(key for key in deletes if key not in puts))
        among = f'store = ? AND "key" IN ({", ".join("?" * len(touched))})'
        values = (facts.id, *touched)
        had: dict[str, str] = dict(
            self._state.execute(f'SELECT "key", value FROM key_values WHERE {among}', values)
        )
        self._state.execute(f"DELETE FROM key_values WHERE {among}", values)
        self._insert(facts.id, puts)
        changed = KeyValueFacts(
            facts.id,
            facts.version,
            facts.items - len(had) + len(puts),
            facts.bytes - items_bytes(had) + items_bytes(dict(puts)),
            facts.created_at,
            now,
        )
        change = KeyValueChange(facts.id, facts.version, dict(puts), tuple(sorted(deletes)))
        return self._numbered(changed, change, by)

    def _insert(self, id: str, items: Mapping[str, str]) -> None:
        """Many at a time: a database that is elsewhere answers each statement."""
        rows = [(id, key, value) for key, value in items.items()]
        for first in range(0, len(rows), ROWS_AT_ONCE):
            part = rows[first : first + ROWS_AT_ONCE]
            marks = ", ".join(["(?, ?, ?)"] * len(part))
            values = [value for row in part for value in row]
            self._state.execute(f"INSERT INTO key_values VALUES {marks}", values)

    def remove(self, id: str, by: Authorship = UNASKED) -> None:
        """What a store held is gone, and nodes may forget it."""
        self._state.execute("DELETE FROM key_values WHERE store = ?", (id,))
        self._state.execute("DELETE FROM key_value_stores WHERE id = ?", (id,))
        self._append(KeyValueChange(id, gone=True), by)

    def follow_file(self, stores: Collection[KeyValueStoreConfig], now: float) -> None:
        """Hold what the file declares, and nothing that it declared before and does no more."""
        declared = {one.id: one for one in stores}
        rows = self._state.execute(
            "SELECT id, digest FROM key_value_stores WHERE digest <> ''"
        ).fetchall()
        known: dict[str, str] = dict(rows)
        for id in known.keys() - declared.keys():
            self.remove(id, _BY_FILE)
        for id, one in declared.items():
            digest = _digest_of(one.items)
            if known.get(id) != digest:
                self.create(id, one.items, now, _BY_FILE, digest)

    def _numbered(
        self, facts: KeyValueFacts, change: KeyValueChange, by: Authorship
    ) -> KeyValueFacts:
        version = self._append(change, by)
        row = (facts.id, version, facts.items, facts.bytes, facts.created_at, facts.modified_at,
               facts.digest)  # fmt: skip
        self._state.execute("DELETE FROM key_value_stores WHERE id = ?", (facts.id,))
        self._state.execute("INSERT INTO key_value_stores VALUES (?, ?, ?, ?, ?, ?, ?)", row)
        return KeyValueFacts(facts.id, version, *row[2:])

    def _append(self, change: KeyValueChange, by: Authorship) -> int:
        former = (
            "DELETE FROM log WHERE kind = ? AND at < ?"
            " AND seq NOT IN (SELECT version FROM key_value_stores)"
        )
        kind = LogEntryKind.KEY_VALUES
        self._state.execute(former, (kind, self._log.now() - CHANGES_KEPT_S))
        body: dict[str, Any] = msgspec.to_builtins(change)
        return self._log.append(kind, body, None, by)


_BY_FILE = Authorship("file", "key_value_stores")


def _digest_of(items: Mapping[str, str]) -> str:
    return hashlib.sha256(msgspec.json.encode(dict(items), order="deterministic")).hexdigest()
