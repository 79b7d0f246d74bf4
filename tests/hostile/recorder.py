"""An origin of bytes, in memory: it reads strictly, records, and answers as its script says."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

from edgecache.upstream.endpoint import Endpoint
from tests.hostile.strict import Seen, Violation, read_request

End = Literal["keep", "fin", "rst"]
PAUSE_TURNS = 6  # of the loop


@dataclass(frozen=True, slots=True)
class Script:
    """What the origin sends for one request, piece by piece, and how it leaves.

    The pieces come one after the other, or one every `every_s` seconds.
    """

    pieces: tuple[bytes, ...]
    end: End = "keep"
    every_s: float = 0.0


Responder = Callable[[Seen], Script]


def response(body: bytes, *fields: bytes, status: bytes = b"200 OK") -> Script:
    """An answer of known length."""
    lines = (b"HTTP/1.1 " + status, b"Content-Length: %d" % len(body), *fields)
    return Script((b"\r\n".join(lines) + b"\r\n\r\n" + body,))


def told_of(seen: Seen) -> bytes:
    """Everything of a request that an application could reflect, but what we add ourselves."""
    added = (b"x-forwarded-for", b"x-amz-cf-id", b"via")
    lines = [b"%b %b" % (seen.method, seen.target)]
    lines += [b"%b: %b" % field for field in seen.fields if field[0] not in added]
    return b"\n".join([*lines, b"", seen.body])


def echo(seen: Seen) -> Script:
    """Reflects the request, and calls that cacheable."""
    return response(told_of(seen), b"Cache-Control: max-age=60")


class RecordingOrigin:
    """Connector and origin in one. `seen` are whole requests, `cut` those that broke off."""

    def __init__(self, responder: Responder = echo) -> None:
        self.seen: list[Seen] = []
        self.cut: list[bytes] = []
        self.violations: list[str] = []
        self.raw = b""
        self.responder = responder
        self.open = 0
        self.ends: list[OriginEnd] = []  # every connection there ever was
        self.refuses = False
        self.tried = 0

    async def connect(
        self, endpoint: Endpoint, protocol: Callable[[], asyncio.Protocol]
    ) -> asyncio.BaseTransport:
        """The `Connector` of a pool."""
        self.tried += 1
        if self.refuses:
            raise ConnectionRefusedError
        end = OriginEnd(self, protocol())
        self.ends.append(end)
        self.open += 1
        end.protocol.connection_made(end)
        return end


class OriginEnd(asyncio.Transport):
    """One connection, as the edge holds it."""

    def __init__(self, origin: RecordingOrigin, protocol: asyncio.Protocol) -> None:
        super().__init__()
        self.protocol = protocol
        self._origin = origin
        self._buffer = b""
        self._closing = False
        self._paused = False
        self._late: tuple[Script, int] | None = None  # what waits until the edge reads on
        self._loop = asyncio.get_running_loop()

    def write(self, data: bytes | bytearray | memoryview) -> None:
        if self._closing:
            return
        self._buffer += bytes(data)
        self._origin.raw += bytes(data)
        self._loop.call_soon(self._read)

    def _read(self) -> None:
        try:
            while not self._closing and (found := read_request(self._buffer)) is not None:
                seen, self._buffer = found
                self._origin.seen.append(seen)
                self._play(self._origin.responder(seen))
        except Violation as violation:
            self._origin.violations.append(repr(violation))
            self.abort()

    def _play(self, script: Script) -> None:
        """Piece by piece, with some turns of the loop in between for the edge to act in."""
        self._soon(PAUSE_TURNS, self._deliver, script, 0)

    def _deliver(self, script: Script, number: int) -> None:
        if self._closing:
            return
        if self._paused:
            self._late = script, number
            return
        if number < len(script.pieces):
            if script.pieces[number]:
                self.protocol.data_received(script.pieces[number])
            if script.every_s:
                self._loop.call_later(script.every_s, self._deliver, script, number + 1)
            else:
                self._soon(PAUSE_TURNS, self._deliver, script, number + 1)
        elif script.end == "fin":
            self._finish()
        elif script.end == "rst":
            self.abort()

    def _soon(self, turns: int, call: Callable[..., None], *arguments: Any) -> None:
        if turns:
            self._loop.call_soon(self._soon, turns - 1, call, *arguments)
        else:
            call(*arguments)

    def _finish(self) -> None:
        if not self._closing and not self.protocol.eof_received():
            self.close()

    def close(self) -> None:
        if self._closing:
            return
        self._closing = True
        self._origin.open -= 1
        if self._buffer:
            self._origin.cut.append(self._buffer)
        self._loop.call_soon(self.protocol.connection_lost, None)

    def abort(self) -> None:
        self.close()

    def is_closing(self) -> bool:
        return self._closing

    def pause_reading(self) -> None:
        self._paused = True

    def resume_reading(self) -> None:
        self._paused = False
        late, self._late = self._late, None
        if late is not None:
            self._loop.call_soon(self._deliver, *late)

    def can_write_eof(self) -> bool:
        return True
