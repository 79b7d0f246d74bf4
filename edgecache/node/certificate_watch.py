"""Certificates of one worker, and control's: read again when a file changes, followed at control.

Law: no handshake waits for a disk. A changed file counts for the next handshake, within `WATCH_S`
and the time it takes to read it. A pair that does not go together leaves the one before, and is
told once it has stood for a while: a certificate is replaced before its key, or after. Of a
location's workers the first one speaks.

A token of ACME that is not known is asked for before it is denied, since an authority may ask for
it in the moment after it was made; all who ask meanwhile wait for one answer, so that strangers who
invent tokens cost control no more than one question at a time.
"""

from __future__ import annotations

import asyncio
import logging
import ssl
from collections.abc import Awaitable, Callable, Iterator, Mapping
from datetime import UTC, datetime

import httpx
import msgspec
from msgspec.structs import replace

from edgecache.cluster.certificates import DOMAIN, AcmeState, keep_site_certificate, unseal
from edgecache.config.model import Config
from edgecache.node.secret_watch import FileStamp, file_stamp
from edgecache.runtime.stderr_log import warn
from edgecache.server.certificates import (
    CertificateFileError,
    CertificateFiles,
    FilePair,
    file_pairs,
    load_certificates,
    pair_context,
)
from edgecache.server.tls import POLICIES, Certificate, TlsPort, context_of

logger = logging.getLogger("edgecache.server")

WATCH_S = 0.25  # a quarter of what a renewed certificate may take to count
STOOD_LOOKS = 4  # the same of control's: so many looks later a pair that is replaced is whole
STOOD_S = 3.0  # a pair that is being replaced is whole again by then
WARNING_DAYS = (14, 3)  # before the end: certbot renews 30 days before
DAY_S = 86_400.0
PATH = "/acme"
POLL_S = 1.0  # certificates that control has got are here by then
SPACING_S = 0.05  # between two questions about tokens

Ask = Callable[[str, Mapping[str, str]], Awaitable[httpx.Response | None]]
"""Control's answer to a GET of a target, with these fields; None when it cannot be had."""


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
    def begins(self) -> Mapping[str, float]:
        """Since when those of `ends` are valid (epoch seconds), by name: the oldest of each."""
        found: dict[str, float] = {}
        for one in self.port.certificates:
            if one.file and one.begins is not None:
                at = one.begins.timestamp()
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


class ControlTls:
    """The context of control's listener, which shows the certificate in a pair of files.

    A pair that does not go together leaves the one before, and is told once. CertificateFileError
    when it does not at the start.
    """

    def __init__(self, pair: FilePair) -> None:
        self._pair = pair
        self._stamps = self._stamped()
        self._shown = pair_context(pair)
        self._kept = ""  # the end of names that are not ours to show
        self._looks = 0  # since a pair was read that does not go together; 0: none was

    def beside(self, nodes: ssl.SSLContext | None) -> ssl.SSLContext:
        """The context of the listener, which chooses at each handshake.

        Who asks for a name of the installation's own is served by `nodes`, where there is one; that
        one says who is asked for a certificate.
        """
        self._kept = f".{DOMAIN}" if nodes else ""
        context = nodes or context_of(*POLICIES["TLSv1.2_2021"])
        context.sni_callback = self._choose
        return context

    def look(self) -> None:
        """Take over files that have changed since the last look."""
        stamps = self._stamped()
        if stamps == self._stamps and not self._looks:
            return
        self._looks = self._looks + 1 if stamps == self._stamps else 1
        self._stamps = stamps
        if self._looks > STOOD_LOOKS:
            return
        try:
            self._shown = pair_context(self._pair)
            self._looks = 0
        except CertificateFileError as error:
            if self._looks == STOOD_LOOKS:
                warn(f"control's certificate stays as it was: {error}")

    def _choose(
        self, connection: ssl.SSLObject, name: str | None, _context: ssl.SSLContext
    ) -> None:
        if not (self._kept and (name or "").endswith(self._kept)):
            connection.context = self._shown

    def _stamped(self) -> tuple[FileStamp, ...]:
        return tuple(map(file_stamp, self._pair))


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


class AcmeFollower:
    """Of one edge worker. `place` is its place, `state_dir` its machine's own folder."""

    def __init__(
        self, ask: Ask, place: str, state_dir: str, pause: Callable[[float], Awaitable[None]]
    ) -> None:
        self._ask = ask
        self._place = place
        self._state_dir = state_dir
        self._pause = pause
        self._secrets: Mapping[str, str] = {}
        self._challenges: Mapping[str, str] = {}
        self._tag = ""  # of what was answered last
        self._refused = ""  # a reason that was told
        self._lock = asyncio.Lock()
        self._next: asyncio.Task[None] | None = None  # a question that is yet to be asked
        self.answers = False  # whether challenges are answered at all
        self._keeps = False  # whether certificates are issued

    def use_secrets(self, secrets: Mapping[str, str]) -> None:
        """Open what is sealed with `secrets` of peers from now on."""
        self._secrets, self._tag = secrets, ""

    def use(self, config: Config) -> None:
        """Follow what `config` asks for."""
        self._keeps = config.certificates == "acme"
        folder = config.control is not None and bool(config.control.acme_challenges)
        self.answers = self._keeps or folder

    def known(self, token: str) -> str:
        """The answer to a challenge, as far as it is known; empty when it is not."""
        return self._challenges.get(token, "")

    async def wait(self) -> None:
        """Wait until control was asked once more, after now."""
        if self._next is None:
            self._next = asyncio.get_running_loop().create_task(self._ask_once())
        await asyncio.shield(self._next)

    async def run(self) -> None:
        """Keep what control has got, for good."""
        while True:
            if self._keeps:
                async with self._lock:
                    await self._read()
            await self._pause(POLL_S)

    async def _ask_once(self) -> None:
        async with self._lock:
            await self._pause(SPACING_S)
            self._next = None  # who comes from here on may be too late for this one
            await self._read()

    async def _read(self) -> None:
        """Ask, and take over what is new."""
        tag = self._tag
        answer = await self._ask(PATH, {"if-none-match": tag} if tag else {})
        if answer is None or answer.status_code != 200:
            return
        try:
            state = msgspec.json.decode(answer.content, type=AcmeState)
        except msgspec.DecodeError:
            return
        self._challenges = state.challenges
        loop = asyncio.get_running_loop()
        try:
            await loop.run_in_executor(None, self._keep, state, self._secrets)
        except (OSError, ValueError) as error:
            self._say_once(f"{type(error).__name__}: {error}")
            return
        self._tag, self._refused = answer.headers.get("etag", ""), ""

    def _keep(self, state: AcmeState, secrets: Mapping[str, str]) -> None:
        for one in state.certificates:
            pem = unseal(one.sealed, one.id, self._place, secrets)
            keep_site_certificate(self._state_dir, one.id, pem)

    def _say_once(self, reason: str) -> None:
        if reason != self._refused:
            logger.error("certificates that control has got are not kept here: %s", reason)
        self._refused = reason
