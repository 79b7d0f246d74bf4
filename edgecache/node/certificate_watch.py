"""Certificates of one worker, read again when a file changes. Law: no handshake waits for a disk.

A changed file counts for the next handshake, within `WATCH_S` and the time it takes to read it. A
pair that does not go together leaves the one before, and is told once it has stood for a while: a
certificate is replaced before its key, or after. Of a location's workers the first one speaks.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime

from msgspec.structs import replace

from edgecache.config.model import Config
from edgecache.node.secret_watch import FileStamp, file_stamp
from edgecache.server.certificates import (
    CertificateFileError,
    CertificateFiles,
    file_pairs,
    load_certificates,
)
from edgecache.server.tls import Certificate, TlsPort

logger = logging.getLogger("edgecache.server")

WATCH_S = 0.25  # a quarter of what a renewed certificate may take to count
STOOD_S = 3.0  # a pair that is being replaced is whole again by then
WARNING_DAYS = (14, 3)  # before the end: certbot renews 30 days before
DAY_S = 86_400.0


class CertificateWatch:
    """What keeps the certificates of a TLS port as their files are.

    `clock` gives epoch seconds; `speaks`: whether faults and ends are told on the log.
    """

    def __init__(self, config: Config, clock: Callable[[], float], *, speaks: bool) -> None:
        """Reads what is there. OSError."""
        self._config = config
        self._clock = clock
        self._speaks = speaks
        self._files = CertificateFiles()
        self._stamps = _stamps(config)
        self._faulty_since: dict[tuple[str, str], float] = {}  # by path and what is said of it
        self._told: set[tuple[object, ...]] = set()
        self.port = TlsPort()
        self.port.use(self._load(config))

    @property
    def ends(self) -> Mapping[str, float]:
        """When certificates that were read from files end (epoch seconds), by name."""
        found: dict[str, float] = {}
        for one in self.port.certificates:
            if one.file:
                at = one.ends.timestamp()
                found[one.name] = min(found.get(one.name, at), at)
        return found

    @property
    def faults(self) -> list[CertificateFileError]:
        """What is wrong with the files as they are now."""
        return [*self._files.faults.values()]

    async def use(self, config: Config) -> None:
        """Show the certificates of `config` from the next handshake on.

        What is made or issued for it is in the folder of this installation.
        """
        self._config = replace(config, state_dir=self._config.state_dir)
        await self._read()

    async def run(self) -> None:
        """Follow the files, for good."""
        loop = asyncio.get_running_loop()
        while True:
            await asyncio.sleep(WATCH_S)
            if await loop.run_in_executor(None, _stamps, self._config) != self._stamps:
                await self._read()
            if self._speaks:
                self._speak()

    async def _read(self) -> None:
        """Read all of it in another thread; what has not changed stays the same object."""
        loop, config = asyncio.get_running_loop(), self._config
        self._stamps = await loop.run_in_executor(None, _stamps, config)  # before what they are of
        try:
            self.port.use(await loop.run_in_executor(None, self._load, config))
        except (OSError, ValueError) as error:  # a full disk, where ours are made
            logger.error("certificates were not read anew: %s", error)

    def _load(self, config: Config) -> tuple[Certificate, ...]:
        now = datetime.fromtimestamp(self._clock(), UTC)
        return load_certificates(config, now, self.port.certificates, self._files)

    def _speak(self) -> None:
        """Tell what is new of faults that have stood, and of certificates near their end."""
        now = self._clock()
        faults = {(fault.path, str(fault)) for fault in self.faults}
        self._faulty_since = {one: self._faulty_since.get(one, now) for one in faults}
        for (path, line), since in self._faulty_since.items():
            if now - since >= STOOD_S and self._tell_once("fault", path, line):
                logger.error("a certificate stays as it was: %s", line)
        self._told -= {one for one in self._told if one[0] == "fault" and one[1:] not in faults}
        for line in self._ending(now):
            logger.warning("%s", line)

    def _ending(self, now: float) -> Iterator[str]:
        for one in self.port.certificates:
            days = days_passed((one.ends.timestamp() - now) / DAY_S)
            if one.file and days and self._tell_once("end", one.file, one.ends, days):
                yield ending_line(one.name, one.file, one.ends, now)

    def _tell_once(self, *what: object) -> bool:
        new = what not in self._told
        self._told.add(what)
        return new


def days_passed(days_left: float) -> int:
    """The least of `WARNING_DAYS` that is not below what is left; 0 for none."""
    return min((days for days in WARNING_DAYS if days_left <= days), default=0)


def ending_line(name: str, file: str, ends: datetime, now: float) -> str:
    """One line on a certificate near its end, or past it."""
    days = (ends.timestamp() - now) / DAY_S
    when = f"ends in {days:.1f} days" if days > 0 else "has ended"
    at = f"{ends:%Y-%m-%d %H:%M} UTC"
    way_out = "write a new one there; it counts within a second"
    return f"the certificate of {name} {when} ({at}): {file}; {way_out}"


def _stamps(config: Config) -> tuple[tuple[str, FileStamp], ...]:
    paths = dict.fromkeys(path for pair in file_pairs(config) for path in pair)
    return tuple((path, file_stamp(path)) for path in paths)
