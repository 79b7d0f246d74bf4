"""Viewers: curl for one request as people make it, raw sockets where every byte counts."""

from __future__ import annotations

import contextlib
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count
from pathlib import Path

from tests.end_to_end.processes import wait_for

ANSWER_S_MAX = 60


@dataclass(frozen=True, slots=True)
class Answer:
    """What curl got. `fields` by lower-case name; `exit_code` is curl's, 0 for a whole answer.

    `version` of HTTP is the last head's: `1.1` or `2`.
    """

    exit_code: int
    status: int
    fields: dict[str, str]
    body: bytes
    version: str = ""

    @property
    def x_cache(self) -> str:
        """The first word: `Hit`, `Miss`, `RefreshHit` or `Error`; empty without the field."""
        return self.fields.get("x-cache", "").partition(" ")[0]


_CURL = ("curl", "-q", "-sS", "--noproxy", "*", "--max-time", str(ANSWER_S_MAX))


def curl(url: str, *options: str) -> Answer:
    """One request with curl."""
    with tempfile.TemporaryDirectory() as name:
        head, body = Path(name, "head"), Path(name, "body")
        command = [*_CURL, "--dump-header", str(head), "--output", str(body), *options, url]
        done = subprocess.run(command, capture_output=True, timeout=2 * ANSWER_S_MAX)
        heads = head.read_bytes().decode("latin-1") if head.exists() else ""
        status, fields = _parsed(heads)
        content = body.read_bytes() if body.exists() else b""
        version = heads.rpartition("HTTP/")[2].partition(" ")[0]
        return Answer(done.returncode, status, fields, content, version)


def wait_until_regional_is_asked(edge: str) -> None:
    """Wait until an edge asks the regional cache again: one that was silent it pings at times.

    Each time for something that is not there, so that nobody has it.
    """
    numbers = count(1)

    def asked() -> bool:
        answer = curl(f"{edge}/not-there-{next(numbers)}")
        return answer.fields.get("cache-status", "").startswith("regional;")

    wait_for("the regional cache is asked", asked)


@dataclass(frozen=True, slots=True)
class Curling:
    """A curl under way."""

    process: subprocess.Popen[bytes]
    body: Path

    def size(self) -> int:
        """Bytes of the body so far."""
        return self.body.stat().st_size if self.body.exists() else 0

    def exit_code(self) -> int:
        """curl's, once it has ended."""
        return self.process.wait(2 * ANSWER_S_MAX)


@contextlib.contextmanager
def curling(url: str, *options: str) -> Iterator[Curling]:
    """One request with curl that writes what it gets at once; ended on leaving."""
    with tempfile.TemporaryDirectory() as name:
        body = Path(name, "body")
        command = [*_CURL, "--no-buffer", "--output", str(body), *options, url]
        process = subprocess.Popen(command, stderr=subprocess.DEVNULL)
        try:
            yield Curling(process, body)
        finally:
            process.kill()
            process.wait()


def _parsed(heads: str) -> tuple[int, dict[str, str]]:
    """Status and fields of the last head: interim ones come before it."""
    blocks = [block for block in heads.split("\r\n\r\n") if block]
    if not blocks:
        return 0, {}
    line, *lines = blocks[-1].split("\r\n")
    pairs = (item.partition(":") for item in lines)
    return int(line.split()[1]), {name.lower(): value.strip() for name, _, value in pairs}


class RawViewer:
    """A connection that reads no more than it is told to."""

    def __init__(self, port: int, receive_bytes_max: int = 0) -> None:
        self._socket = socket.socket()
        self._socket.settimeout(ANSWER_S_MAX)
        if receive_bytes_max:
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_bytes_max)
        self._socket.connect(("127.0.0.1", port))
        self._file = self._socket.makefile("rb")

    def __enter__(self) -> RawViewer:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()
        self._socket.close()

    def ask(self, path: str, host: str) -> None:
        """Send a GET."""
        self._socket.sendall(f"GET {path} HTTP/1.1\r\nHost: {host}\r\n\r\n".encode())

    def head(self) -> tuple[int, dict[str, str]]:
        """Status and fields of the next response."""
        lines = []
        while (line := self._file.readline()) not in (b"\r\n", b""):
            lines.append(line.decode("latin-1"))
        return _parsed("".join(lines) + "\r\n")

    def read(self, count: int) -> bytes:
        """The next `count` bytes, fewer only at the end."""
        return self._file.read(count)

    def broken(self) -> bool:
        """Whether the connection ends here, before the response's end."""
        try:
            return self._file.read(1) == b""
        except ConnectionResetError:
            return True
