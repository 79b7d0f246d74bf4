"""A viewer of HTTP/2 on a fake transport: `h2` reads what it gets, and checks each frame."""

from __future__ import annotations

import contextlib
from typing import Any

import h2.config
import h2.connection
import h2.events
import h2.exceptions
import h2.settings

from edgecache.http.message import Response
from edgecache.server.http2.connection import MultiplexedConnection
from tests.world.clock import FakeLoop
from tests.world.transport import FakeTransport
from tests.world.viewer import Got


class Answer:
    """What came on one stream."""

    def __init__(self) -> None:
        self.interims: list[int] = []
        self.status = 0
        self.fields: tuple[tuple[bytes, bytes], ...] = ()
        self.body = b""
        self.ended = False
        self.reset: int | None = None

    def got(self) -> Got:
        return Got(Response(self.status, b"", self.fields), self.body, self.ended)


class Http2Viewer:
    """One client with one connection; of what it asks each answer is taken in order."""

    def __init__(
        self, loop: FakeLoop, connection: MultiplexedConnection, transport: FakeTransport
    ) -> None:
        self.connection = connection
        self.transport = transport
        self.answers: dict[int, Answer] = {}
        self.goaway: h2.events.ConnectionTerminated | None = None
        self.takes = True  # opens windows as it reads
        self._loop = loop
        self._untaken: list[int] = []
        config = h2.config.H2Configuration(client_side=True, header_encoding=None)
        self.h2 = h2.connection.H2Connection(config)
        self.h2.initiate_connection()
        self.flushes()

    def flushes(self) -> Http2Viewer:
        """Send what `h2` has for us, and read what comes of it."""
        while True:
            data = self.h2.data_to_send()
            if data and not self.transport.closed:
                self.connection.data_received(data)
            self._loop.settle()
            if not self._reads():
                return self

    def begins(self, target: str, method: str = "GET", *, ends: bool = True, **fields: str) -> int:
        """The head of a request; its stream."""
        stream = self.h2.get_next_available_stream_id()
        fields = {"host": "site.test", **fields}
        head = [
            (b":method", method),
            (b":scheme", self.connection.listener.scheme),
            (b":path", target),
        ]
        head.insert(2, (b":authority", fields.pop("host")))
        head += [(n.replace("_", "-").lower(), v) for n, v in fields.items()]  # type: ignore
        self.h2.send_headers(stream, head, end_stream=ends)  # type: ignore[arg-type]
        self.answers[stream] = Answer()
        self._untaken.append(stream)
        self.flushes()
        return stream

    def asks(self, target: str, method: str = "GET", body: str = "", **fields: str) -> Http2Viewer:
        """One request; `host` defaults to site.test."""
        if body:
            fields["content-length"] = str(len(body.encode()))
        stream = self.begins(target, method, ends=not body, **fields)
        if body:
            self.sends_body(stream, body.encode())
        return self

    def sends_body(self, stream: int, data: bytes, *, ends: bool = True) -> None:
        """DATA, as far as windows let; the rest as they open."""
        while data:
            size = min(self.h2.local_flow_control_window(stream), 16_384, len(data))
            if not size:
                self._loop.look()
                self.flushes()
                assert self.h2.local_flow_control_window(stream), "no window opens"
                continue
            self.h2.send_data(stream, data[:size], end_stream=ends and size == len(data))
            data = data[size:]
            self.flushes()

    def leaves(self) -> None:
        """Hang up."""
        self.transport.closed = True
        self.connection.connection_lost(None)
        self._loop.settle()

    def got(self) -> Got | None:
        """The next response, as far as it has come."""
        self._loop.look()
        self.flushes()
        answer = self.answers[self._untaken[0]] if self._untaken else None
        return None if answer is None or not answer.status else answer.got()

    def gets(
        self, status: int, body: str | None = None, *, x_cache: str | None = None,
        cache_status: str | None = None,
    ) -> Got:  # fmt: skip
        """The next response is whole, and says this."""
        got = self.got()
        assert got is not None, "no response"
        got.says(status, body, x_cache, cache_status)
        assert got.whole or self.transport.closed, "the response is not whole"
        self._untaken.pop(0)
        return got

    def gets_nothing(self) -> None:
        """No response has come yet."""
        self._loop.look()
        self.flushes()
        assert not any(self.answers[stream].status for stream in self._untaken)

    def _reads(self) -> bool:
        """Take what was written; whether there was anything to do about it."""
        data = bytes(self.transport.written)
        self.transport.written.clear()
        if not data:
            return False
        for event in self.h2.receive_data(data):
            self._takes(event)
        return True

    def _takes(self, event: Any) -> None:
        events = h2.events
        if isinstance(event, events.ConnectionTerminated):
            self.goaway = event
            return
        answer = self.answers.get(getattr(event, "stream_id", 0) or 0)
        if answer is None:
            return
        if isinstance(event, events.InformationalResponseReceived):
            answer.interims.append(int(dict(event.headers)[b":status"]))
        elif isinstance(event, events.ResponseReceived):
            fields = tuple((bytes(n), bytes(v)) for n, v in event.headers)
            answer.status, answer.fields = int(fields[0][1]), fields[1:]
        elif isinstance(event, events.DataReceived):
            answer.body += event.data
            if self.takes and event.flow_controlled_length:
                with contextlib.suppress(h2.exceptions.StreamClosedError):  # it was the last
                    self.h2.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
        elif isinstance(event, events.StreamEnded):
            answer.ended = True
        elif isinstance(event, events.StreamReset):
            answer.reset = int(event.error_code)
