"""Key value stores in the memory of a process, as functions read them.

Law: a store is of one version at any time. It changes on the loop, where functions run to their end
without a pause: what one of them reads does not change under it.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import NamedTuple

ITEM_BYTES = 220  # of two short texts and their place in a map, beside what they say
NO_VERSION = -1  # what is held is of another log, or of the file


class KeyValueMeta(NamedTuple):
    """What `kvs().meta()` tells; times in epoch seconds."""

    created_at: float
    modified_at: float
    key_count: int


class KeyValueStore:
    """One store. `version` is the number of control's log that it is as of."""

    def __init__(
        self, items: Mapping[str, str], created_at: float, modified_at: float,
        version: int = NO_VERSION,
    ) -> None:  # fmt: skip
        self._items = dict(items)
        self._created_at = created_at
        self._modified_at = modified_at
        self.version = version
        self.size_bytes = sum(map(_item_bytes, items, items.values()))

    def get(self, key: str) -> str | None:
        """The value of a key; None: there is none."""
        return self._items.get(key)

    def exists(self, key: str) -> bool:
        return key in self._items

    def meta(self) -> KeyValueMeta:
        return KeyValueMeta(self._created_at, self._modified_at, len(self._items))

    def items(self) -> dict[str, str]:
        """All that it holds now, as a map of its own."""
        return dict(self._items)

    def update(
        self, puts: Mapping[str, str], deletes: Sequence[str], version: int, at: float
    ) -> None:
        """Be of the next version, which has these puts and deletes; it is of `at`."""
        for key in (*deletes, *puts):
            value = self._items.pop(key, None)
            if value is not None:
                self.size_bytes -= _item_bytes(key, value)
        self._items.update(puts)
        self.size_bytes += sum(map(_item_bytes, puts, puts.values()))
        self.version, self._modified_at = version, at


class KeyValueStores:
    """The stores of a process, by id."""

    def __init__(self) -> None:
        self._stores: dict[str, KeyValueStore] = {}

    def get(self, id: str) -> KeyValueStore | None:
        """The store with this id; None: it is not here, and nothing is known of what it holds."""
        return self._stores.get(id)

    def put(self, id: str, store: KeyValueStore) -> None:
        self._stores[id] = store

    def held(self) -> dict[str, KeyValueStore]:
        """Every store, by id."""
        return dict(self._stores)

    def remove(self, id: str) -> None:
        """Forget a store, if it is here."""
        self._stores.pop(id, None)

    def keep(self, ids: Collection[str]) -> None:
        """Forget all others."""
        self._stores = {id: one for id, one in self._stores.items() if id in ids}

    def forget_versions(self) -> None:
        """What is held is of a log that is followed no more: its numbers mean nothing now."""
        for one in self._stores.values():
            one.version = NO_VERSION

    @property
    def size_bytes(self) -> int:
        """About what all of them take."""
        return sum(one.size_bytes for one in self._stores.values())


def _item_bytes(key: str, value: str) -> int:
    return ITEM_BYTES + len(key) + len(value)
