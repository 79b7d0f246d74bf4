"""Viewers: curl for one request as people make it, raw sockets where every byte counts."""

from __future__ import annotations

import socket
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

ANSWER_S_MAX = 60


@dataclass(frozen=True, slots=True)
class Answer:
    """What curl got. `fields` by lower-case name; `exit_code` is curl's, 0 for a whole answer."""

    exit_code: int
    status: int
    fields: dict[str, str]
    body: bytes

    @property
    def x_cache(self) -> str:
        """The first word: `Hit`, `Miss`, `RefreshHit` or `Error`; empty without the field."""
        return self.fields.get("x-cache", "").partition(" ")[0]


def curl(url: str, *options: str) -> Answer:
    """One request with curl."""
    with tempfile.TemporaryDirectory() as name:
        head, body = Path(name, "head"), Path(name, "body")
        command = ["curl", "-q", "-sS", "--noproxy", "*", "--max-time", str(ANSWER_S_MAX)]
        command += ["--dump-header", str(head), "--output", str(body), *options, url]
        done = subprocess.run(command, capture_output=True, timeout=2 * ANSWER_S_MAX)
        status, fields = _parsed(head.read_bytes().decode("latin-1") if head.exists() else "")
        return Answer(done.returncode, status, fields, body.read_bytes() if body.exists() else b"")


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
