"""Outputs of a process's access log, by the configuration; and who else is offered its records.

Law: what each process is told to write it writes by itself; of a folder, one process of a machine
takes care at a time (`observe/log_retention.py`).
"""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from edgecache.config.model import Config
from edgecache.node.geoip import PlaceOf
from edgecache.observe.access_log import (
    LogFile,
    LogFileName,
    LogOutput,
    LogOutputs,
    LogSink,
    LogStream,
)
from edgecache.observe.flow_log import HEADER as FLOW_HEADER
from edgecache.observe.log_record import (
    COOKIE,
    DEFAULT_JSON_FIELDS,
    HEADER,
    JsonLines,
    OfAddress,
    standard_lines,
)
from edgecache.observe.log_retention import LogRetention

FOLDER_NAME = "logs"  # in state_dir
STREAM_LOCK = ".stdout.lock"
UNIQUE_CHARS = 8  # CloudFront's unique id of a file
_STDOUT_FD = 1


@dataclass(frozen=True, slots=True)
class LogOwner:
    """Whose log it is: the process's name, and its machine's; what an address is looked up in."""

    name: str
    machine: str
    place_of: PlaceOf
    clock: Callable[[], float]

    @property
    def unique(self) -> str:
        """The same for all starts of the process, another on each machine."""
        return hashlib.sha256(f"{self.machine}/{self.name}".encode()).hexdigest()[:UNIQUE_CHARS]

    @property
    def of_address(self) -> OfAddress:
        """Country and autonomous system of an address."""

        def look_up(address: str) -> tuple[str, str]:
            place = self.place_of(address)
            return place.country, place.asn

        return look_up


def log_outputs(config: Config, owner: LogOwner) -> LogOutputs:
    """The outputs of the process's access log."""
    outputs = [_output(name, config, owner) for name in config.access_log.formats]
    fields = json_fields(config)
    return LogOutputs(outputs, extended=bool(fields), shows_cookies=COOKIE in fields)


def flow_log_file(config: Config, owner: LogOwner) -> LogFile:
    """Where lines of the process's flow log go: beside those of the access log."""
    folder = Path(config.state_dir) / FOLDER_NAME
    name = LogFileName(folder, f"flow-{owner.name}", owner.unique)
    return LogFile(name, owner.clock, FLOW_HEADER)


def log_retention(config: Config, clock: Callable[[], float]) -> LogRetention | None:
    """The care for the files of the machine; None where no log is in files."""
    log = config.access_log
    if log.target != "files" and not any(one.flow_log for one in config.locations):
        return None
    folder = Path(config.state_dir) / FOLDER_NAME
    return LogRetention(folder, clock, log.days_max, log.bytes_max)


def json_fields(config: Config) -> Sequence[str]:
    """The fields of its JSON lines; none: there are no such lines."""
    log = config.access_log
    return (log.fields or DEFAULT_JSON_FIELDS) if "json" in log.formats else ()


def _output(name: str, config: Config, owner: LogOwner) -> LogOutput:
    folder = Path(config.state_dir) / FOLDER_NAME
    header, kind, cut = HEADER, "log", standard_lines
    if name == "json":
        header, kind = b"", "json"
        cut = JsonLines(json_fields(config), owner.name, owner.of_address)
    sink: LogSink
    if config.access_log.target == "stdout":
        sys.stdout.flush()
        sink = LogStream(_STDOUT_FD, folder / STREAM_LOCK)
    else:
        sink = LogFile(LogFileName(folder, owner.name, owner.unique, kind), owner.clock, header)
    return LogOutput(cut, sink)


class RecordConsumer(Protocol):
    """Who is offered every record beside the outputs: delivery to buckets, readers.

    None of them waits for what is at its other end.
    """

    @property
    def extended(self) -> bool:
        """Whether it looks at what the second line of a record has: see `log_record`."""
        ...

    @property
    def shows_cookies(self) -> bool:
        """Whether it looks at cookies in it."""
        ...

    def use(self, config: Config) -> None:
        """Go by a configuration from now on."""
        ...

    def offer(self, records: Sequence[bytes]) -> None:
        """Look at records, each with its lines. On the log's thread; never fails."""
        ...

    def hand_over(self) -> None:
        """A successor serves now; what was begun is finished."""
        ...

    async def run(self) -> None:
        """Send what is to be sent, for good."""
        ...

    async def close(self) -> None:
        """Let go: this process ends."""
        ...
