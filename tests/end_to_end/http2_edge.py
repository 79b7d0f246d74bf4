"""An installation that speaks HTTP/2 over TLS and by prior knowledge, and the origins behind it."""

from __future__ import annotations

import hashlib
import struct
import threading
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import ClassVar, TypeVar

from websockets.sync.server import ServerConnection, serve

from tests.end_to_end.log_files import log_records
from tests.end_to_end.processes import EDGECACHE, Running, free_ports, start
from tests.end_to_end.viewers import ANSWER_S_MAX

CONFIG = """
state_dir = "state"
[control]
listen = "127.0.0.1:{control}"
allow_private_origins = true
[[locations]]
name = "LHR50"
listen = "127.0.0.1:{plain}"
listen_tls = "127.0.0.1:{tls}"
protocols = {protocols}
workers = {workers}
{more}
[[distributions]]
id = "E1"
aliases = ["localhost"]
comment = "{comment}"
http_version = "{http_version}"
origins = [
  {{ id = "o", domain_name = "127.0.0.1", http_port = {origin} }},
  {{ id = "echo", domain_name = "127.0.0.1", http_port = {echo} }},
]
behaviors = [{{ path_pattern = "/chat", origin = "echo" }}]
[distributions.default_behavior]
origin = "o"
allowed_methods = ["GET", "HEAD", "OPTIONS", "PUT", "POST", "PATCH", "DELETE"]
"""
OBJECTS = 200
PAGE = "<!doctype html><title>page</title>" + "".join(
    f'<img src="/object/{number}.svg">' for number in range(OBJECTS)
)
PICTURE = (
    b'<svg xmlns="http://www.w3.org/2000/svg" width="8" height="8"><path d="M0 0h8v8z"/></svg>'
)
SOUND_S, SOUND_HZ = 400, 20_000


def content(size: int) -> bytes:
    return (b"0123456789abcdef" * (size // 16 + 1))[:size]


def sound() -> bytes:
    """A WAV file of silence, 8 MB: a header, and a byte for each sample."""
    size = SOUND_S * SOUND_HZ
    rates = struct.pack("<IHHIIHH", 16, 1, 1, SOUND_HZ, SOUND_HZ, 1, 8)
    head = b"RIFF" + struct.pack("<I", 36 + size) + b"WAVEfmt " + rates
    return head + b"data" + struct.pack("<I", size) + b"\x80" * size


class Origin(BaseHTTPRequestHandler):
    """A GET is answered with as many bytes as its path says, a POST with the digest of its body.

    A page with its pictures, and a sound, have names.
    """

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        if self.path.startswith("/object/"):
            self._answer(PICTURE, "max-age=600", "image/svg+xml")
            return
        if self.path in ("/page.html", "/sound.wav"):
            kind = "text/html" if self.path == "/page.html" else "audio/wav"
            self._answer(PAGE.encode() if kind == "text/html" else sound(), "max-age=600", kind)
            return
        self._answer(content(int(self.path.rpartition("/")[2].partition("?")[0])), "max-age=600")

    def do_POST(self) -> None:
        body = b"".join(self._pieces())
        said = f"{len(body)} {hashlib.sha256(body).hexdigest()} {self.headers.get('via')}"
        self._answer(said.encode(), "no-store")

    def _pieces(self) -> Iterator[bytes]:
        length = self.headers.get("content-length")
        if length is not None:
            yield self.rfile.read(int(length))
            return
        while size := int(self.rfile.readline(), 16):
            yield self.rfile.read(size)
            self.rfile.readline()
        self.rfile.readline()

    def _answer(self, body: bytes, cache: str, kind: str = "application/octet-stream") -> None:
        self.send_response(200)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Cache-Control", cache)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *arguments: object) -> None:
        """Nothing."""


_SAID = (
    "plain", "tls", "control", "origin", "echo", "protocols", "http_version", "workers",
    "more",
)  # fmt: skip


@dataclass
class Http2Edge:
    """An installation with one location that speaks HTTP/2."""

    folder: Path
    plain: int
    tls: int
    control: int
    origin: int
    echo: int
    process: Running | None = None
    protocols: ClassVar[str] = '["http1.1", "h2", "h2c"]'
    http_version: ClassVar[str] = "http2"
    workers: ClassVar[int] = 2
    more: ClassVar[str] = ""  # of the location

    def write(self, comment: str = "") -> None:
        text = CONFIG.format(comment=comment, **{name: getattr(self, name) for name in _SAID})
        (self.folder / "edgecache.toml").write_text(text)

    @property
    def https(self) -> str:
        return f"https://localhost:{self.tls}"

    @property
    def http(self) -> str:
        return f"http://localhost:{self.plain}"

    def trusted(self) -> tuple[str, str]:
        return "--cacert", str(self.folder / "state/tls/ca.pem")

    def records(self, path: str) -> list[list[str]]:
        """The edge's records of a path: CloudFront's fields, in order."""
        return [one for one in log_records(self.folder / "state/logs", "edge-") if one[7] == path]

    def seeks(self) -> list[list[str]]:
        """Records of parts of the sound that do not begin at its beginning."""
        parts = [one for one in self.records("/sound.wav") if one[8] == "206"]
        return [one for one in parts if one[31].isdecimal() and int(one[31]) > 1_000_000]


def _echo(connection: ServerConnection) -> None:
    for message in connection:
        connection.send(message)


E = TypeVar("E", bound=Http2Edge)


@contextmanager
def running_edge(kind: type[E], folder: Path) -> Iterator[E]:
    """One that runs in `folder`; its processes have ended well on leaving."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), Origin)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    with serve(_echo, "127.0.0.1", 0) as echo:
        echoing = threading.Thread(target=echo.serve_forever)
        echoing.start()
        plain, tls, control = free_ports(3)
        ports = (server.server_port, echo.socket.getsockname()[1])
        made = kind(folder, plain, tls, control, *ports)
        made.write()
        made.process = start((*EDGECACHE, "up", "--config", "edgecache.toml"), folder)
        process = made.process
        process.until("ready", lambda: "Ctrl-C" in process.stdout)
        yield made
        assert process.stop() == 0, process.stderr
        echo.shutdown()
        echoing.join(ANSWER_S_MAX)
    server.shutdown()
    server.server_close()


def http2_edge(folder: Path) -> AbstractContextManager[Http2Edge]:
    """One that speaks HTTP/2."""
    return running_edge(Http2Edge, folder)
