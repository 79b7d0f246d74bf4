"""A client of HTTP/2 by hand: frames as a test writes them, against a connection of a play."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Self

from edgecache.http.http2 import frames
from edgecache.http.http2.frames import PREFACE, Frame, FrameReader
from edgecache.http.http2.header_block import literal
from edgecache.server.http2.connection import MultiplexedConnection
from tests.world.play import Play
from tests.world.transport import FakeTransport

GET = ((b":method", b"GET"), (b":scheme", b"http"), (b":authority", b"site.test"))


def block(path: bytes = b"/", *more: tuple[bytes, bytes], method: bytes = b"GET") -> bytes:
    """The header block of a request, in literals."""
    fields = ((b":method", method), *GET[1:], (b":path", path), *more)
    return b"".join([literal(name, value) for name, value in fields])


def get(stream: int, path: bytes = b"/", *more: tuple[bytes, bytes]) -> bytes:
    """HEADERS of a GET."""
    flags = frames.END_HEADERS | frames.END_STREAM
    return frames.frame(frames.HEADERS, flags, stream, block(path, *more))


def post(stream: int, path: bytes = b"/", *more: tuple[bytes, bytes]) -> bytes:
    """HEADERS of a POST whose body follows."""
    return frames.frame(
        frames.HEADERS, frames.END_HEADERS, stream, block(path, *more, method=b"POST")
    )


def data(stream: int, content: bytes = b"", *, ends: bool = False) -> bytes:
    """DATA."""
    return frames.frame(frames.DATA, frames.END_STREAM if ends else 0, stream, content)


class WireClient:
    """One connection at the listener of a play."""

    def __init__(
        self, play: Play, *, settings: bytes | None = None, address: str = "192.0.2.1"
    ) -> None:
        self.play = play
        app = SimpleNamespace(listener=play.listener)
        state = SimpleNamespace(connections=set(), tasks=play.tasks)
        self.connection = MultiplexedConnection(SimpleNamespace(loaded_app=app), state, play.loop)
        self.transport = FakeTransport((address, 40_000))
        self._read = FrameReader()
        self.connection.connection_made(self.transport)
        play.viewers[f"wire {id(self)}"] = self  # type: ignore[assignment]
        if settings is not None:
            self.says(PREFACE, settings)
            self.hears()

    def says(self, *parts: bytes) -> Self:
        """Bytes, in one read."""
        if not self.transport.closed:
            self.connection.data_received(b"".join(parts))
        self.play.loop.settle()
        return self

    def hears(self) -> list[Frame]:
        """What was answered since the last time."""
        self.play.loop.settle()
        self._read.add(bytes(self.transport.written))
        self.transport.written.clear()
        heard = []
        while (frame := self._read.next()) is not None:
            heard.append(frame)
        return heard

    def errors(self) -> list[tuple[str, int, int]]:
        """Of what was answered: GOAWAY and RST_STREAM, with their stream and error."""
        found = []
        for frame in self.hears():
            if frame.kind == frames.GOAWAY:
                last, code = (int.from_bytes(frame.payload[at : at + 4], "big") for at in (0, 4))
                found.append(("goaway", last, code))
            elif frame.kind == frames.RST_STREAM:
                found.append(("reset", frame.stream_id, int.from_bytes(frame.payload, "big")))
        return found

    def leaves(self) -> None:
        self.transport.closed = True
        self.connection.connection_lost(None)
        self.play.loop.settle()


def open_client(play: Play) -> WireClient:
    """A client whose preface and settings are through."""
    return WireClient(play, settings=frames.settings_frame({}))
