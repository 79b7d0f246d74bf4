"""Key value stores of a node, kept on its disk: what functions read when it starts without control.

A store has 5 MiB at most. `versioned_files` says what is promised of the files.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Collection
from pathlib import Path
from typing import NamedTuple

import msgspec

from edgecache.cluster.log_entries import KeyValueContent
from edgecache.node.digested_file import read_digested
from edgecache.node.last_configuration import LastConfigurationError
from edgecache.node.versioned_files import VersionedFiles
from edgecache.store.key_values import NO_VERSION, KeyValueStore


class StoreVersion(NamedTuple):
    """Which content of a store it is."""

    version: int
    modified_at: float


class KeyValueFiles(VersionedFiles[KeyValueStore]):
    """The stores of one process."""

    kind = "store"
    id_form = re.compile(r"[0-9a-f-]{36}")
    logger = logging.getLogger("edgecache.server")

    def version(self, held: KeyValueStore) -> StoreVersion | None:
        if held.version == NO_VERSION:
            return None
        return StoreVersion(held.version, held.meta().modified_at)

    def content(self, id: str, held: KeyValueStore) -> KeyValueContent:
        meta = held.meta()
        return KeyValueContent(id, held.version, meta.created_at, meta.modified_at, held.items())

    def read(self, ids: Collection[str]) -> dict[str, KeyValueStore]:
        """Those of these stores that are kept and can be used; the log says why others cannot."""
        found = {}
        for id in filter(self.id_form.fullmatch, sorted(ids)):
            path = self.file(id)
            try:
                found[id] = _read(path)
            except FileNotFoundError:
                continue
            except OSError as error:
                self.logger.error("%s: not read: %s", path, error.strerror or error)
            except LastConfigurationError as error:
                self.logger.error("%s; functions cannot read it until then", error)
        return found


def _read(path: Path) -> KeyValueStore:
    """The store that a file has. OSError, LastConfigurationError."""
    text = read_digested(path)
    try:
        content = msgspec.json.decode(text, type=KeyValueContent)
    except msgspec.DecodeError:
        raise LastConfigurationError(path, "damaged") from None
    return KeyValueStore(content.items, content.created_at, content.modified_at)
