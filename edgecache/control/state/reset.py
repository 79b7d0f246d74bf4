"""State of control as at its start (dev mode): what was made over the API is gone, in one commit.

Law: numbers of the log go on. Nodes are told to begin anew by an entry, so that what they had and
what is on its way to them is told apart from what comes after.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from msgspec.structs import replace

from edgecache.cluster.log_entries import LogEntryKind
from edgecache.config.model import Config
from edgecache.control.state.access_keys import AccessKeys
from edgecache.control.state.catalog import Catalog
from edgecache.control.state.database import Authorship, StateDatabase
from edgecache.control.state.log import ControlLog
from edgecache.control.state.resources import ResourceKind

_MADE = ("releases", "invalidations", "dns_changes", "cidr_collections")
"""Tables of what the API alone makes, beside resources."""


class StateReset:
    """Reset of one control's state. Used from the state's thread."""

    def __init__(
        self,
        state: StateDatabase,
        log: ControlLog,
        catalog: Catalog,
        keys: AccessKeys,
        restart_ids: Callable[[], None],
    ) -> None:
        self._state = state
        self._log = log
        self._catalog = catalog
        self._keys = keys
        self._restart_ids = restart_ids
        self._mapped: tuple[Config, Config] | None = None  # the file, and as it is mapped

    def start_over(self, by: Authorship, *, back: bool) -> int:
        """Remove what was made, and tell nodes to begin anew; the number of that entry.

        `back`: the clock is about to be set back.
        """
        with self._state.writing():
            with self._catalog.changing(by):
                self._remove_resources()
                for table in _MADE:
                    self._state.execute(f"DELETE FROM {table}")
            for id in self._ids("SELECT id FROM key_value_stores WHERE digest = ''"):
                self._catalog.key_values.remove(id, by)
            for zone in self._catalog.zones.all():
                self._catalog.zones.remove(zone.id, by)
            for key in self._keys.all().made:
                self._keys.delete(key.id)
            self._catalog.publish(self._file())
            self._restart_ids()
            return self._tell(LogEntryKind.RESET, {"back": back}, by)

    @property
    def origin_map(self) -> dict[str, str]:
        """Where origins are connected to now."""
        return self._catalog.file.origin_map

    def map_origins(self, origin_map: Mapping[str, str], by: Authorship) -> int:
        """Connect origins to these places, before those of the file; the configuration's number."""
        file = self._file()
        mapped = replace(file, origin_map={**origin_map, **file.origin_map})
        with self._state.writing():
            generation = self._catalog.publish(mapped)
            self._log.record(by)
        self._mapped = file, self._catalog.file
        return generation

    def _file(self) -> Config:
        """The file as it was read last, without what tests have mapped."""
        if self._mapped is not None and self._catalog.file is self._mapped[1]:
            return self._mapped[0]
        return self._catalog.file

    def tell_clock(self, by: Authorship) -> int:
        """Tell nodes that the clock has been moved; the number of that entry."""
        with self._state.writing():
            return self._tell(LogEntryKind.CLOCK, {}, by)

    def _remove_resources(self) -> None:
        for kind in ResourceKind:
            for id in self._ids("SELECT id FROM resources WHERE kind = ?", kind):
                self._catalog.remove(kind, id)
        for id in self._ids("SELECT id FROM adopted"):
            self._catalog.give_back(id)

    def _ids(self, query: str, *values: str) -> list[str]:
        return [id for (id,) in self._state.execute(query, values).fetchall()]

    def _tell(self, kind: LogEntryKind, body: dict[str, object], by: Authorship) -> int:
        self._state.execute("DELETE FROM log WHERE kind = ?", (kind,))  # the newest alone is told
        return self._log.append(kind, body, None, by)
