"""Key value stores of a node, kept on its disk: what functions read when it starts without control.

Law: what is kept is what control gave, whole and of one version, or nothing of that store is read.
The files stand beside the last configuration, are their owner's alone, and have the digest of what
is in them. They are read at a start alone; once control is heard it is asked for every store anew.
"""

from __future__ import annotations

import asyncio
import logging
import os
import re
from collections.abc import Awaitable, Callable, Collection, Mapping
from pathlib import Path
from typing import NamedTuple

import msgspec

from edgecache.cluster.log_entries import KeyValueContent
from edgecache.node.digested_file import read_digested, write_digested
from edgecache.node.last_configuration import LastConfigurationError
from edgecache.store.key_values import NO_VERSION, KeyValueStore

logger = logging.getLogger("edgecache.server")

GATHER_S = 1.0  # of changes, before they are written: a store has 5 MiB at most
_ID = re.compile(r"[0-9a-f-]{36}")


class StoreVersion(NamedTuple):
    """Which content of a store it is."""

    version: int
    modified_at: float


class KeyValueFiles:
    """The files of one process: `path` is its last configuration's; `unique` is nobody else's."""

    def __init__(self, path: Path, unique: str, pause: Callable[[float], Awaitable[None]]) -> None:
        self._path, self._unique, self._pause = path, unique, pause
        self._stores: Mapping[str, KeyValueStore] = {}
        self._written: dict[str, StoreVersion] = {}
        self._changed = asyncio.Event()
        self._fails = False

    def read(self, ids: Collection[str]) -> dict[str, KeyValueStore]:
        """Those of these stores that are kept and can be used; the log says why others cannot."""
        found = {}
        for id in filter(_ID.fullmatch, sorted(ids)):
            path = self._file(id)
            try:
                store = _read(path)
            except FileNotFoundError:
                continue
            except OSError as error:
                logger.error("%s: not read: %s", path, error.strerror or error)
                continue
            except LastConfigurationError as error:
                logger.error("%s; functions cannot read it until then", error)
                continue
            found[id] = store
        return found

    def tell(self, stores: Mapping[str, KeyValueStore]) -> None:
        """These are held from now on."""
        self._stores = stores
        self._changed.set()

    async def run(self) -> None:
        """Write what is told, until cancelled."""
        while True:
            await self._changed.wait()
            await self._pause(GATHER_S)
            await self.flush()

    async def flush(self) -> None:
        """Write the stores that changed since they were written, and forget those that are gone."""
        if not self._changed.is_set():
            return
        self._changed.clear()
        loop = asyncio.get_running_loop()
        for id, store in self._stores.items():
            version = StoreVersion(store.version, store.meta().modified_at)
            if store.version == NO_VERSION or self._written.get(id) == version:
                continue
            if not _ID.fullmatch(id):
                continue
            meta = store.meta()
            content = KeyValueContent(
                id, version.version, meta.created_at, meta.modified_at, store.items()
            )
            if await loop.run_in_executor(None, self._write, id, content):
                self._written[id] = version
        gone = await loop.run_in_executor(None, self._remove_others, {*self._stores})
        for id in gone:
            self._written.pop(id, None)

    def _file(self, id: str) -> Path:
        return self._path.with_suffix(f".store-{id}")

    def _write(self, id: str, content: KeyValueContent) -> bool:
        try:
            write_digested(self._file(id), msgspec.json.encode(content), self._unique)
        except OSError as error:
            if not self._fails:
                logger.error("%s: not written: %s", self._file(id), error.strerror or error)
            self._fails = True
            return False
        self._fails = False
        return True

    def _remove_others(self, held: Collection[str]) -> list[str]:
        """Remove the files of stores that are not held; gives their ids."""
        prefix = self._file("").name
        gone = []
        folder = self._path.parent
        for name in os.listdir(folder) if folder.is_dir() else ():
            id = name.removeprefix(prefix)
            if id != name and id not in held and _ID.fullmatch(id):
                (folder / name).unlink(missing_ok=True)
                gone.append(id)
        return gone


def _read(path: Path) -> KeyValueStore:
    """The store that a file has. OSError, LastConfigurationError."""
    text = read_digested(path)
    try:
        content = msgspec.json.decode(text, type=KeyValueContent)
    except msgspec.DecodeError:
        raise LastConfigurationError(path, "damaged") from None
    return KeyValueStore(content.items, content.created_at, content.modified_at)
