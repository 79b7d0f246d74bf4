"""Versioned files: what a node holds by id, kept beside its last configuration on its disk.

Law: what is kept is what control gave, whole and of one version, or nothing of that id is read. The
files are their owner's alone, and have the digest of what is in them. They are read at a start
alone; once control is heard it is asked for all of it anew.
"""

from __future__ import annotations

import asyncio
import os
import re
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Collection, Mapping
from logging import Logger
from pathlib import Path
from typing import ClassVar, Generic, TypeVar

import msgspec

from edgecache.node.digested_file import write_digested

Held = TypeVar("Held")

GATHER_S = 1.0  # of changes, before they are written


class VersionedFiles(ABC, Generic[Held]):
    """The files of one process: `path` is its last configuration's; `unique` is nobody else's."""

    kind: ClassVar[str]  # in the names of files
    id_form: ClassVar[re.Pattern[str]]  # ids of another form have no file
    logger: ClassVar[Logger]

    def __init__(self, path: Path, unique: str, pause: Callable[[float], Awaitable[None]]) -> None:
        self._path, self._unique, self._pause = path, unique, pause
        self._held: Mapping[str, Held] = {}
        self._written: dict[str, object] = {}  # versions
        self._changed = asyncio.Event()
        self._fails = False

    @abstractmethod
    def version(self, held: Held) -> object:
        """What differs when the content does; None: there is nothing to write yet."""

    @abstractmethod
    def content(self, id: str, held: Held) -> msgspec.Struct:
        """What is written, as it is now."""

    def tell(self, held: Mapping[str, Held]) -> None:
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
        """Write what changed since it was written, and forget what is held no more."""
        if not self._changed.is_set():
            return
        self._changed.clear()
        loop = asyncio.get_running_loop()
        for id, one in [*self._held.items()]:  # others change while a file is written
            version = self.version(one)
            if version is None or self._written.get(id) == version:
                continue
            if not self.id_form.fullmatch(id):
                continue
            if await loop.run_in_executor(None, self._write, id, self.content(id, one)):
                self._written[id] = version
        await loop.run_in_executor(None, self._remove_others, {*self._held})
        self._written = {id: at for id, at in self._written.items() if id in self._held}

    def file(self, id: str) -> Path:
        """Where that is kept."""
        return self._path.with_suffix(f".{self.kind}-{id}")

    def kept_ids(self) -> list[str]:
        """Ids that there are files of, in their order."""
        prefix, folder = self.file("").name, self._path.parent
        names = os.listdir(folder) if folder.is_dir() else ()
        ids = (name.removeprefix(prefix) for name in names if name.startswith(prefix))
        return sorted(id for id in ids if self.id_form.fullmatch(id))

    def _write(self, id: str, content: msgspec.Struct) -> bool:
        try:
            write_digested(self.file(id), msgspec.json.encode(content), self._unique)
        except OSError as error:
            if not self._fails:
                told = error.strerror or error
                self.logger.error("%s: not written: %s", self.file(id), told)
            self._fails = True
            return False
        self._fails = False
        return True

    def _remove_others(self, held: Collection[str]) -> None:
        for id in self.kept_ids():
            if id not in held:
                self.file(id).unlink(missing_ok=True)
