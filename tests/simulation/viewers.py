"""Viewers: connections straight into an edge's protocol class, their answers read as they come."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable
from typing import Any

from tests.simulation.nodes import Running
from tests.simulation.objects import TOKEN_BYTES, version_in, version_of_etag
from tests.simulation.register import Get, Register, Told

_FIELD = re.compile(rb"\r\n([A-Za-z-]+): ([^\r\n]*)")


class Wire(asyncio.Transport):
    """The edge's side of a viewer's connection: what is written is here at once."""

    def __init__(self, taken: Callable[[], None]) -> None:
        super().__init__()
        self.data = bytearray()
        self.closed = False
        self._taken = taken

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        return ("192.0.2.1", 40_000) if name == "peername" else default

    def write(self, data: bytes | bytearray | memoryview) -> None:
        if not self.closed:
            self.data += data
            self._taken()

    def close(self) -> None:
        if not self.closed:
            self.closed = True
            self._taken()

    abort = close

    def is_closing(self) -> bool:
        return self.closed

    def pause_reading(self) -> None:
        pass

    resume_reading = pause_reading

    def get_write_buffer_size(self) -> int:
        return 0


class Viewer:
    """One viewer at one edge, one request at a time."""

    def __init__(self, running: Running, register: Register, run: int) -> None:
        self.running = running
        self.run = run
        self.busy = False
        self._register = register
        self._wire: Wire | None = None
        self._connection: Any = None
        self._get: Get | None = None
        self._variant = ""
        self._monotonic = False

    def asks(self, get: Get, variant: str, fields: bytes, *, monotonic: bool) -> None:
        """One request. Its first byte is at the edge when this returns."""
        process = self.running.process
        self._get, self._variant, self._monotonic = get, variant, monotonic
        self.busy = True
        lines = b"GET %b HTTP/1.1\r\nHost: site.test\r\nAccept-Language: %b\r\n%b\r\n"
        head = lines % (get.thing.target.encode(), variant.encode(), fields)
        if self._wire is None or self._wire.closed:
            process.meet(self._connect)
        process.meet(self._send, head)

    def _connect(self) -> None:
        self._wire = Wire(self._taken)
        self._connection = self.running.connection()
        self._connection.connection_made(self._wire)

    def _send(self, head: bytes) -> None:
        self._connection.data_received(head)

    def gone(self) -> None:
        """The edge was killed: no answer comes."""
        self._wire, self.busy = None, False

    def _taken(self) -> None:
        """The edge has written, or closed."""
        wire = self._wire
        if wire is None or self._get is None:
            return
        answer = _whole(wire.data, closed=wire.closed)
        if answer is not None:
            wire.data.clear()
            get, self._get, self.busy = self._get, None, False
            self._judge(get, *answer)
        elif wire.closed:  # broken off: whoever asked knows that it has nothing
            self._register.leaves(self._get)
            self._get, self.busy = None, False

    def _judge(self, get: Get, status: int, fields: dict[bytes, bytes], body: bytes) -> None:
        if status == 500:  # no origin of this world says that
            self._register.fail("an error inside the cache", get.thing)
        if status not in (200, 206, 304, get.thing.status):
            detail = fields.get(b"cache-status", b"").decode()
            self._register.note(f"{get.edge} {get.how}: {status} {detail}", get.thing)
            self._register.leaves(get)
            return
        stated = fields.get(b"x-version", b"")
        etag = fields.get(b"etag")
        try:
            if not stated and etag is None:
                raise ValueError(f"{status} of no version")
            version = int(stated) if stated else version_of_etag(etag or b"")
            if etag is not None and version_of_etag(etag) != version:
                raise ValueError(f"entity tag {etag!r} with version {version}")
            if status != 304 and version_in(get.thing, body) != version:
                raise ValueError(f"{body[:TOKEN_BYTES]!r} under a head of version {version}")
        except ValueError as error:
            self._register.fail(str(error), get.thing)
        cached = fields.get(b"x-cache", b"").split(b" ")[0].decode()
        if status >= 400:
            cached = "Hit" if b"; hit" in fields.get(b"cache-status", b"") else "Miss"
        forwarded = b"; fwd=" in fields.get(b"cache-status", b"")
        told = Told(status, version, cached, _detail(fields), status == 200, forwarded)
        self._register.ends(get, told, self._variant, monotonic=self._monotonic)


def _detail(fields: dict[bytes, bytes]) -> str:
    """What any tier said of how it came by the answer."""
    found = re.findall(rb"detail=([a-z-]+)", fields.get(b"cache-status", b""))
    stale = [word for word in found if word.startswith(b"stale")]
    return b" ".join(stale or found).decode()


def _whole(
    data: bytearray, *, closed: bool
) -> tuple[int, dict[bytes, bytes], bytes] | None:  # fmt: skip
    """The status, fields (names in lower case) and body of an answer, once it is whole."""
    end = data.find(b"\r\n\r\n")
    if end < 0:
        return None
    head = bytes(data[:end])
    fields = {name.lower(): value for name, value in _FIELD.findall(head)}
    status, body = int(head[9:12]), bytes(data[end + 4 :])
    if status in (204, 304):
        return status, fields, b""
    if b"content-length" in fields:
        whole = len(body) == int(fields[b"content-length"])
        return (status, fields, body) if whole else None
    if fields.get(b"transfer-encoding") == b"chunked":
        return (status, fields, _unchunked(body)) if body.endswith(b"0\r\n\r\n") else None
    return (status, fields, body) if closed else None


def _unchunked(body: bytes) -> bytes:
    found = b""
    while True:
        size, _, body = body.partition(b"\r\n")
        length = int(size, 16)
        if not length:
            return found
        found, body = found + body[:length], body[length + 2 :]
