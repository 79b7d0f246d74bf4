"""Last configuration of a node, kept on its disk: what it serves by when it starts without control.

Law: it decides who sees what, so one that cannot be trusted whole opens nothing. The file is its
owner's alone (0600), appears whole or not at all, and has the digest of what is in it. It holds
what control published: no secret of `secrets.json` and none that an origin's `secret_headers`
refer to, but fields that operators gave origins over the API, as control's own database does.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
import os
import stat
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import msgspec
from msgspec.structs import replace

from edgecache.config.model import Config
from edgecache.config.refused_distributions import unavailable_site
from edgecache.runtime.stderr_log import warn

logger = logging.getLogger("edgecache.server")

FOLDER = "nodes"  # in state_dir
FORMAT = 1
FILE_BYTES_MAX = 256 * 1024 * 1024  # a configuration of 500 distributions is a megabyte
ROOT = 0


class LastConfigurationError(Exception):
    """There is one, and it cannot be used: the message names the file, says why and the way out."""

    def __init__(self, path: Path, why: str) -> None:
        super().__init__(f"{path}: {why}; it is written anew once control is heard")


@dataclass(frozen=True, slots=True)
class LastConfiguration:
    """What control published last: its number in the log `epoch`, when (epoch s), and its JSON."""

    epoch: str
    generation: int
    at: float
    text: bytes

    @property
    def words(self) -> str:
        """Which one it is."""
        at = datetime.fromtimestamp(self.at, UTC)
        return f"by generation {self.generation} of {at:%Y-%m-%d %H:%M:%S} UTC"

    @property
    def digest(self) -> str:
        """SHA-256 of all of it."""
        told = b"%b %d %r\n" % (self.epoch.encode(), self.generation, self.at)
        return hashlib.sha256(told + self.text).hexdigest()


class _Heading(msgspec.Struct, frozen=True):
    """The first line of the file."""

    format: int
    epoch: str
    generation: int
    at: float
    sha256: str


def last_configuration_path(state_dir: str, name: str) -> Path:
    """The file of the process `name`."""
    return Path(state_dir) / FOLDER / f"{name}.config"


def write_last_configuration(path: Path, last: LastConfiguration, unique: str) -> None:
    """Replace the file by `last`; it is on disk when this returns. OSError changes nothing.

    `unique` is no other process's.
    """
    heading = _Heading(FORMAT, last.epoch, last.generation, last.at, last.digest)
    write_private(path, msgspec.json.encode(heading) + b"\n" + last.text, unique)


def write_private(path: Path, content: bytes, unique: str) -> None:
    """Replace a file that is its owner's alone: whole, and on disk when this returns. OSError
    changes nothing; `unique` is no other process's.
    """
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{unique}")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def read_last_configuration(path: Path) -> tuple[LastConfiguration, Config] | None:
    """The one that is kept; None when there is none. LastConfigurationError."""
    try:
        content = private_content(path)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise LastConfigurationError(path, (error.strerror or str(error)).lower()) from error
    line, _, text = content.partition(b"\n")
    try:
        heading = msgspec.json.decode(line, type=_Heading)
    except msgspec.DecodeError:
        raise LastConfigurationError(path, "damaged") from None
    if heading.format != FORMAT:
        raise LastConfigurationError(path, f"of another release (format {heading.format})")
    last = LastConfiguration(heading.epoch, heading.generation, heading.at, text)
    if last.digest != heading.sha256:
        raise LastConfigurationError(path, "damaged")
    try:
        return last, msgspec.json.decode(text, type=Config)
    except msgspec.DecodeError as error:
        raise LastConfigurationError(path, f"of another release ({error})") from None


def closed(config: Config, why: LastConfigurationError) -> Config:
    """`config` with every distribution unavailable (503): what control said of it is not known."""
    sites = tuple(unavailable_site(one, (str(why),)) for one in config.distributions)
    return replace(config, distributions=(), unavailable=(*config.unavailable, *sites))


def last_served(config: Config, name: str) -> tuple[LastConfiguration | None, Config]:
    """What control told the node `name` last, and what it is to serve by until control is heard.

    That is the file, `config`, for a node without control, or one which has never heard of it.
    """
    if config.control is None:
        return None, config
    try:
        kept = read_last_configuration(last_configuration_path(config.state_dir, name))
    except LastConfigurationError as error:
        warn(f"{error}; until then its distributions answer 503")
        return None, closed(config, error)
    if kept is None:
        return None, config
    return kept[0], replace(kept[1], state_dir=config.state_dir)


def private_content(path: Path) -> bytes:
    """What is in a file that is its owner's alone. OSError, LastConfigurationError.

    The rights are asked of the open file, so that both are one file's.
    """
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    with os.fdopen(descriptor, "rb") as file:
        facts = os.fstat(descriptor)
        if not stat.S_ISREG(facts.st_mode):
            raise LastConfigurationError(path, "not a regular file")
        if facts.st_mode & 0o077 or facts.st_uid not in (os.geteuid(), ROOT):
            raise LastConfigurationError(path, "others can use it")
        if facts.st_size > FILE_BYTES_MAX:
            raise LastConfigurationError(path, f"more than {FILE_BYTES_MAX} bytes")
        return file.read()


class LastConfigurationFile:
    """Writer of one node's file, beside what serves: the newest told is written, no other.

    `last` is what the file has already. A disk that fails is told once; the file is then what it
    was before, and tried again with the next configuration.
    """

    def __init__(self, path: Path, last: LastConfiguration | None, unique: str) -> None:
        self.last = last
        self._path, self._unique = path, unique
        self._written = last.digest if last is not None else ""
        self._changed = asyncio.Event()
        self._fails = False

    def tell(self, last: LastConfiguration) -> None:
        """This is what counts from now on."""
        self.last = last
        self._changed.set()

    async def run(self) -> None:
        """Write what is told, until cancelled."""
        while True:
            await self._changed.wait()
            await self.flush()

    async def flush(self) -> None:
        """Write what was told last, unless the file has it."""
        self._changed.clear()
        if self.last is not None:
            await asyncio.get_running_loop().run_in_executor(None, self._write, self.last)

    def _write(self, last: LastConfiguration) -> None:
        digest = last.digest
        if digest == self._written:
            return
        try:
            write_last_configuration(self._path, last, self._unique)
        except OSError as error:
            if not self._fails:
                logger.error("%s: not written: %s", self._path, error.strerror or error)
            self._fails = True
            return
        self._written, self._fails = digest, False
