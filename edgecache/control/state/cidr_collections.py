"""Rows of CIDR collections that the API made: blocks of addresses by the names of locations."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec

from edgecache.config.dns import DnsCidrCollection
from edgecache.control.state.database import StateDatabase

_COLUMNS = "id, name, version, reference, locations"


@dataclass(frozen=True, slots=True)
class CidrCollection:
    """A collection; `version` counts its changes from 1."""

    id: str
    name: str
    version: int
    reference: str
    locations: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    @property
    def served(self) -> DnsCidrCollection:
        """As name servers are told of it: by its id."""
        return DnsCidrCollection(name=self.id, locations=dict(self.locations))


class CidrCollections:
    """The table. Changed inside `StateDatabase.writing`."""

    def __init__(self, state: StateDatabase) -> None:
        self._state = state

    def all(self) -> list[CidrCollection]:
        """Every collection, by id."""
        rows = self._state.execute(f"SELECT {_COLUMNS} FROM cidr_collections ORDER BY id")
        return [_collection(row) for row in rows]

    def get(self, id: str) -> CidrCollection | None:
        row = self._state.execute(
            f"SELECT {_COLUMNS} FROM cidr_collections WHERE id = ?", (id,)
        ).fetchone()
        return None if row is None else _collection(row)

    def put(self, one: CidrCollection) -> None:
        """Add it, or put it in the place of the one with its id."""
        self.remove(one.id)
        locations = msgspec.json.encode(dict(one.locations)).decode()
        self._state.execute(
            f"INSERT INTO cidr_collections ({_COLUMNS}) VALUES (?, ?, ?, ?, ?)",
            (one.id, one.name, one.version, one.reference, locations),
        )

    def remove(self, id: str) -> None:
        self._state.execute("DELETE FROM cidr_collections WHERE id = ?", (id,))


def _collection(row: Sequence[Any]) -> CidrCollection:
    id, name, version, reference, locations = row
    held = msgspec.json.decode(locations, type=dict[str, tuple[str, ...]])
    return CidrCollection(id, name, version, reference, held)
