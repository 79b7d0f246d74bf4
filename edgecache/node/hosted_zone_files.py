"""Zones that the API made, kept on a name server's disk: what it answers by without control.

Law: what is kept is what control gave, whole and of one version, or nothing of that zone is read.
The files stand beside the last configuration; once control is heard it is asked for each anew.
"""

from __future__ import annotations

import asyncio
import logging
import os
import re
from collections.abc import Awaitable, Callable, Collection, Iterator, Mapping
from pathlib import Path

import msgspec

from edgecache.cluster.dns_zones import DnsZoneContent
from edgecache.node.digested_file import read_digested, write_digested
from edgecache.node.hosted_zones import HeldZone
from edgecache.node.last_configuration import LastConfigurationError

logger = logging.getLogger("edgecache.dns")

GATHER_S = 1.0  # of changes, before they are written
_ID = re.compile(r"Z[A-Z0-9]{1,31}")


class HostedZoneFiles:
    """The files of one process: `path` is its last configuration's; `unique` is nobody else's."""

    def __init__(self, path: Path, unique: str, pause: Callable[[float], Awaitable[None]]) -> None:
        self._path, self._unique, self._pause = path, unique, pause
        self._held: Mapping[str, HeldZone] = {}
        self._written: dict[str, int] = {}  # versions
        self._changed = asyncio.Event()
        self._fails = False

    def read(self) -> Iterator[DnsZoneContent]:
        """Those that are kept and can be used; the log says why others cannot."""
        for id in sorted(self._ids()):
            path = self._file(id)
            try:
                yield msgspec.json.decode(read_digested(path), type=DnsZoneContent)
            except OSError as error:
                logger.error("%s: not read: %s", path, error.strerror or error)
            except msgspec.DecodeError:
                logger.error("%s; it is not answered until then", _damaged(path))
            except LastConfigurationError as error:
                logger.error("%s; it is not answered until then", error)

    def tell(self, held: Mapping[str, HeldZone]) -> None:
        """These are held from now on."""
        self._held = held
        self._changed.set()

    async def run(self) -> None:
        """Write what is told, until cancelled."""
        while True:
            await self._changed.wait()
            await self._pause(GATHER_S)
            await self.flush()

    async def flush(self) -> None:
        """Write the zones that changed since they were written, and forget those that are gone."""
        if not self._changed.is_set():
            return
        self._changed.clear()
        loop = asyncio.get_running_loop()
        for id, one in [*self._held.items()]:
            if self._written.get(id) != one.version and _ID.fullmatch(id):
                version, content = one.version, one.content
                if await loop.run_in_executor(None, self._write, id, content):
                    self._written[id] = version
        await loop.run_in_executor(None, self._remove_others, {*self._held})
        self._written = {id: at for id, at in self._written.items() if id in self._held}

    def _file(self, id: str) -> Path:
        return self._path.with_suffix(f".zone-{id}")

    def _ids(self) -> list[str]:
        prefix, folder = self._file("").name, self._path.parent
        names = os.listdir(folder) if folder.is_dir() else ()
        ids = (name.removeprefix(prefix) for name in names if name.startswith(prefix))
        return [id for id in ids if _ID.fullmatch(id)]

    def _write(self, id: str, content: DnsZoneContent) -> bool:
        try:
            write_digested(self._file(id), msgspec.json.encode(content), self._unique)
        except OSError as error:
            if not self._fails:
                logger.error("%s: not written: %s", self._file(id), error.strerror or error)
            self._fails = True
            return False
        self._fails = False
        return True

    def _remove_others(self, held: Collection[str]) -> None:
        for id in self._ids():
            if id not in held:
                self._file(id).unlink(missing_ok=True)


def _damaged(path: Path) -> LastConfigurationError:
    return LastConfigurationError(path, "damaged")
