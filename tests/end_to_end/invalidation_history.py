"""An installation whose objects change while viewers read them, and the history of it all.

The history is judged by the barrier register: a read that began after somebody had seen Completed
gives the version at acceptance, or a later one.
"""

from __future__ import annotations

import http.client
import json
import socket
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.end_to_end.installation import Installation, Ports
from tests.end_to_end.processes import DEADLINE_S, free_ports
from tests.end_to_end.versioned import VersionedOrigin

SITE = "EVERSION"
CONFIG = """
state_dir = "state"

[control]
listen = "127.0.0.1:{control}"

[regional]

[[locations]]
name = "LHR50"
listen = "127.0.0.1:{lhr}"
workers = 2

[[locations]]
name = "NRT57"
listen = "127.0.0.1:{nrt}"

[[distributions]]
id = "EVERSION"
aliases = ["*"]
origins = [{{ id = "v", domain_name = "127.0.0.1", http_port = {origin} }}]
default_behavior = {{ origin = "v", cache_policy = {{ query_strings = {{ behavior = "all" }} }} }}
"""


def installed(folder: Path, origin: VersionedOrigin) -> Installation:
    """Control, a regional cache and three edge processes in front of `origin`."""
    control, lhr, nrt = free_ports(3)
    made = Installation(folder, Ports(control, 0, lhr, nrt))
    text = CONFIG.format(control=control, lhr=lhr, nrt=nrt, origin=origin.port)
    made.config.write_text(text)
    return made


@dataclass(frozen=True, slots=True)
class Read:
    """A viewer's read: monotonic seconds before the first byte was sent, and the version."""

    began: float
    path: str
    version: int


@dataclass(frozen=True, slots=True)
class Done:
    """An invalidation: when it was asked for, when Completed had been seen, and what it removed."""

    began: float
    completed: float
    path: str
    version: int


@dataclass(slots=True)
class History:
    """What happened."""

    reads: list[Read] = field(default_factory=list)
    done: list[Done] = field(default_factory=list)

    def stale(self) -> list[tuple[Read, Done]]:
        """Reads that began after Completed, and gave less."""
        least: dict[str, list[Done]] = {}
        for one in self.done:
            least.setdefault(one.path, []).append(one)
        return [
            (read, one)
            for read in self.reads
            for one in least.get(read.path, ())
            if read.began > one.completed and read.version < one.version
        ]

    def took_s(self) -> list[float]:
        """Seconds from asking to Completed, sorted."""
        return sorted(one.completed - one.began for one in self.done)


def read(port: int, path: str, history: History) -> Read:
    """One read on a connection of its own."""
    began = time.monotonic()
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=DEADLINE_S)
    try:
        connection.request("GET", path)
        answer = connection.getresponse()
        body = answer.read()
    finally:
        connection.close()
    assert answer.status == 200, (answer.status, body)
    found = Read(began, path, int(body))
    history.reads.append(found)
    return found


class LocalConnection(http.client.HTTPConnection):
    """To control, over the socket file of its owner."""

    def __init__(self, path: Path) -> None:
        super().__init__("localhost", timeout=DEADLINE_S)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(DEADLINE_S)
        self.sock.connect(str(self._path))


def invalidate(control: Path, origin: VersionedOrigin, path: str, history: History) -> Done:
    """Change an object, invalidate it, and wait for Completed."""
    origin.versions[path] += 1
    version, began = origin.versions[path], time.monotonic()
    connection = LocalConnection(control)
    try:
        told = _asked(connection, "POST", "/invalidations", {"distribution": SITE, "paths": [path]})
        target = f"/invalidations/{SITE}/{told['id']}?wait_s=10"
        while told["status"] != "Completed":
            told = _asked(connection, "GET", target)
            assert time.monotonic() - began < DEADLINE_S, told
    finally:
        connection.close()
    done = Done(began, time.monotonic(), path, version)
    history.done.append(done)
    return done


def _asked(
    connection: http.client.HTTPConnection, method: str, path: str, wish: Any = None
) -> dict[str, Any]:
    connection.request(method, path, None if wish is None else json.dumps(wish))
    answer = connection.getresponse()
    told: dict[str, Any] = json.loads(answer.read())
    assert answer.status in (200, 201), told
    return told


class Readers:
    """Threads that read paths from edges until they are told to stop."""

    def __init__(self, ports: Sequence[int], paths: Sequence[str], history: History) -> None:
        self._stop = threading.Event()
        self._failed: list[BaseException] = []
        work = [(port, shift) for shift, port in enumerate(ports)]
        self._threads = [
            threading.Thread(target=self._read, args=(port, paths, shift, history))
            for port, shift in work
        ]

    def __enter__(self) -> None:
        for thread in self._threads:
            thread.start()

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join(DEADLINE_S)
        assert not self._failed, self._failed

    def _read(self, port: int, paths: Sequence[str], shift: int, history: History) -> None:
        turn = shift
        try:
            while not self._stop.is_set():
                read(port, paths[turn % len(paths)], history)
                turn += 1
        except BaseException as error:
            self._failed.append(error)
            raise
