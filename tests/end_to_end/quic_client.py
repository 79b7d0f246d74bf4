"""A client of HTTP/3 on a real socket: one connection, and an address that it may change."""

from __future__ import annotations

import contextlib
import select
import socket
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from aioquic.h3.connection import FrameType, H3Connection
from aioquic.h3.events import DataReceived, H3Event, HeadersReceived
from aioquic.quic.configuration import QuicConfiguration
from aioquic.quic.connection import QuicConnection
from aioquic.quic.events import ConnectionTerminated, StreamReset
from aioquic.tls import SessionTicket

ANSWER_S_MAX = 30.0


REJECTED = 0x10B  # H3_REQUEST_REJECTED: nothing was done, ask again (RFC 9114 §4.1.1)


class QuicEndError(Exception):
    """The connection or the stream has ended before the answer was whole."""

    rejected = False


@dataclass
class QuicAnswer:
    status: int = 0
    fields: dict[str, str] = field(default_factory=dict)
    body: bytearray = field(default_factory=bytearray)
    whole: bool = False
    reset: int | None = None


class GoawayAwareConnection(H3Connection):
    """The library's, which keeps what GOAWAY has said."""

    goaway: int | None = None

    def _handle_control_frame(self, frame_type: int, frame_data: bytes) -> None:
        if frame_type == FrameType.GOAWAY:
            self.goaway = frame_data[0]
        super()._handle_control_frame(frame_type, frame_data)

    def _check_content_length(self, stream: object) -> None:
        """Of a response to HEAD the length is not that of a body."""


class QuicClient:
    """Used with `with`."""

    def __init__(
        self,
        port: int,
        ca_file: str,
        name: str = "localhost",
        *,
        ticket: SessionTicket | None = None,
    ) -> None:
        """With a `ticket` what is asked first goes out with the hello."""
        self.given: list[SessionTicket] = []
        configuration = QuicConfiguration(is_client=True, alpn_protocols=["h3"], server_name=name)
        configuration.load_verify_locations(ca_file)
        configuration.session_ticket = ticket
        keep = self.given.append
        self.quic = QuicConnection(configuration=configuration, session_ticket_handler=keep)
        self.server = ("127.0.0.1", port)
        self.answers: dict[int, QuicAnswer] = {}
        self.ended: ConnectionTerminated | None = None
        self.name = name
        self.socket = self._bound()
        self.quic.connect(self.server, time.monotonic())
        self.http3 = GoawayAwareConnection(self.quic)

    def __enter__(self) -> QuicClient:
        return self

    def __exit__(self, *_: object) -> None:
        self.quic.close(error_code=0x100)
        self._send()
        self.socket.close()

    @staticmethod
    def _bound() -> socket.socket:
        made = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        made.bind(("127.0.0.1", 0))
        made.setblocking(False)
        return made

    def moves(self) -> None:
        """Go on from another port."""
        self.socket.close()
        self.socket = self._bound()

    def asks(self, path: str, method: str = "GET", body: bytes = b"", **fields: str) -> QuicAnswer:
        """The whole answer. QuicEndError."""
        stream = self.begins(path, method, ends=not body, **fields)
        if body:
            self.http3.send_data(stream, body, end_stream=True)
        return self.answer(stream)

    def begins(self, path: str, method: str = "GET", *, ends: bool = True, **fields: str) -> int:
        """The head of a request; its stream."""
        stream = self.quic.get_next_available_stream_id()
        head = [
            (b":method", method.encode()), (b":scheme", b"https"),
            (b":authority", self.name.encode()), (b":path", path.encode()),
        ]  # fmt: skip
        head += [(one.replace("_", "-").encode(), fields[one].encode()) for one in fields]
        self.http3.send_headers(stream, head, end_stream=ends)
        self.answers[stream] = QuicAnswer()
        return stream

    def opens_websocket(self, path: str) -> int:
        """Extended CONNECT (RFC 9220); its stream."""
        stream = self.quic.get_next_available_stream_id()
        head = [
            (b":method", b"CONNECT"), (b":protocol", b"websocket"), (b":scheme", b"https"),
            (b":authority", self.name.encode()), (b":path", path.encode()),
            (b"sec-websocket-version", b"13"),
        ]  # fmt: skip
        self.http3.send_headers(stream, head)
        self.answers[stream] = QuicAnswer()
        return stream

    def says(self, stream: int, data: bytes, *, ends: bool = False) -> None:
        """Bytes of a stream's body."""
        self.http3.send_data(stream, data, end_stream=ends)

    def answer(self, stream: int) -> QuicAnswer:
        """The answer on a stream, once it is whole. QuicEndError."""
        return self._until(stream, lambda answer: answer.whole)

    def arrives(self, stream: int, size: int) -> QuicAnswer:
        """The answer on a stream, once there are a head and so many bytes. QuicEndError."""
        return self._until(stream, lambda one: one.status > 0 and len(one.body) >= size)

    def _until(self, stream: int, done: Callable[[QuicAnswer], bool]) -> QuicAnswer:
        answer, until = self.answers[stream], time.monotonic() + ANSWER_S_MAX
        while not done(answer):
            if self.ended is not None or answer.reset is not None or time.monotonic() > until:
                error = QuicEndError(f"{self.ended} {answer}")
                error.rejected = answer.reset == REJECTED
                raise error
            self._turn()
        return answer

    def _turn(self) -> None:
        """Send, wait for what comes or is due, and take it."""
        self._send()
        due = self.quic.get_timer()
        wait_s = 1.0 if due is None else max(0.0, min(1.0, due - time.monotonic()))
        if select.select([self.socket], [], [], wait_s)[0]:
            with contextlib.suppress(BlockingIOError):
                while True:
                    datagram = self.socket.recv(65_535)
                    self.quic.receive_datagram(datagram, self.server, time.monotonic())
        due = self.quic.get_timer()
        if due is not None and due <= time.monotonic():
            self.quic.handle_timer(time.monotonic())
        while (event := self.quic.next_event()) is not None:
            if isinstance(event, ConnectionTerminated):
                self.ended = event
            elif isinstance(event, StreamReset) and event.stream_id in self.answers:
                self.answers[event.stream_id].reset = event.error_code
            for one in self.http3.handle_event(event):
                self._take(one)
        if self.quic._close_event is not None:
            self.ended = self.quic._close_event

    def _send(self) -> None:
        for datagram, _ in self.quic.datagrams_to_send(time.monotonic()):
            with contextlib.suppress(BlockingIOError):
                self.socket.sendto(datagram, self.server)

    def _take(self, event: H3Event) -> None:
        if isinstance(event, HeadersReceived):
            answer = self.answers[event.stream_id]
            fields = {name.decode(): value.decode() for name, value in event.headers}
            status = int(fields.get(":status", "0"))
            if status >= 200:
                answer.status, answer.fields = status, fields
            answer.whole |= event.stream_ended
        elif isinstance(event, DataReceived):
            answer = self.answers[event.stream_id]
            answer.body += event.data
            answer.whole |= event.stream_ended
