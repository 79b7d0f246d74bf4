"""One question of a health check to its endpoint, and what the answer was.

Law: an answer costs bounded time and bytes, whoever gives it; it is read as strictly as an
origin's. Developer Guide, "How Route 53 determines the status of health checks that monitor an
endpoint": the connection within 4 s (TCP: 10 s), the status within 2 s more, the body within 2 s
more. What TLS needs is part of the connection here.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
import zlib
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from enum import StrEnum
from http import HTTPStatus
from typing import cast

from edgecache.config.health_checks import HealthCheck
from edgecache.health.verdict import LINE_CHARS_MAX
from edgecache.http.framing import Reader, reader_for, response_framing
from edgecache.http.head import parse_response_head, request_head
from edgecache.http.message import BadMessage, HeadLimits

TCP_S_MAX, CONNECT_S_MAX, STATUS_S_MAX, BODY_S_MAX = 10.0, 4.0, 2.0, 2.0
HEAD_BYTES_MAX, BODY_BYTES_MAX = 16_384, 5_120
INTERIM_MAX = 8  # responses before the one that counts
AGENT = b"edgecache-health-check"
_LIMITS = HeadLimits(head_bytes_max=HEAD_BYTES_MAX)
_CODINGS = {b"gzip": 31, b"x-gzip": 31, b"deflate": 47}  # zlib's window bits
Connect = Callable[[HealthCheck, Callable[[], asyncio.Protocol]], Awaitable[asyncio.BaseTransport]]
"""Opens a connection to a check's endpoint, by TLS where it asks for that. OSError."""


class ProbeOutcome(StrEnum):
    """What became of a question. The word goes to the counter."""

    HEALTHY = "healthy"
    NAME = "name"  # leads to no address
    FORBIDDEN = "forbidden"  # an address that nothing of ours connects to
    CONNECT = "connect"  # refused, reset, or no way there
    TLS = "tls"
    TIMEOUT = "timeout"
    STATUS = "status"  # neither 2xx nor 3xx
    MESSAGE = "message"  # not HTTP, or too much of it
    STRING = "string"  # the search string is not in the body


@dataclass(frozen=True, slots=True)
class ProbeAnswer:
    """The outcome, and in words: "Success: HTTP Status Code 200, OK"."""

    outcome: ProbeOutcome
    said: str

    @property
    def healthy(self) -> bool:
        """Whether the endpoint has passed."""
        return self.outcome is ProbeOutcome.HEALTHY


class ForbiddenEndpointError(OSError):
    """An address that health checks may not lead to."""


async def probe(check: HealthCheck, connect: Connect) -> ProbeAnswer:
    """Ask the endpoint of `check`, which is not calculated, once."""
    conversation = HttpConversation(check) if check.is_http else TcpConversation()
    try:
        limit_s = CONNECT_S_MAX if check.is_http else TCP_S_MAX
        async with asyncio.timeout(limit_s):
            transport = await connect(check, lambda: conversation)
    except TimeoutError:
        return _failure(ProbeOutcome.TIMEOUT, "the connection timed out")
    except (OSError, UnicodeError) as error:
        return _failed_connection(error)
    if isinstance(conversation, TcpConversation):
        transport.close()
        return ProbeAnswer(ProbeOutcome.HEALTHY, "Success: connected")
    try:
        return await conversation.answer()
    finally:
        cast(asyncio.Transport, transport).abort()


def _failure(outcome: ProbeOutcome, why: str) -> ProbeAnswer:
    return ProbeAnswer(outcome, f"Failure: {why}"[:LINE_CHARS_MAX])


def _failed_connection(error: Exception) -> ProbeAnswer:
    why = str(getattr(error, "strerror", "") or error or type(error).__name__).lower()
    if isinstance(error, ForbiddenEndpointError):
        return _failure(ProbeOutcome.FORBIDDEN, f"not asked: {why}")
    if isinstance(error, ssl.SSLError):
        return _failure(ProbeOutcome.TLS, f"TLS: {why}")
    if isinstance(error, socket.gaierror | UnicodeError):
        return _failure(ProbeOutcome.NAME, f"DNS resolution failed: {why}")
    return _failure(ProbeOutcome.CONNECT, why)


class TcpConversation(asyncio.Protocol):
    """A connection that is all there is to know."""


class HttpConversation(asyncio.Protocol):
    """A request and the part of its response that counts."""

    def __init__(self, check: HealthCheck) -> None:
        self._check = check
        self._received = bytearray()  # of the head
        self._body = bytearray()  # decoded
        self._reader: Reader | None = None
        self._inflate: zlib._Decompress | None = None
        self._status = self._interim = 0
        loop = asyncio.get_running_loop()
        self._head_came: asyncio.Future[ProbeAnswer | None] = loop.create_future()
        self._body_came: asyncio.Future[ProbeAnswer | None] = loop.create_future()

    async def answer(self) -> ProbeAnswer:
        """What the endpoint answered, in the time it has."""
        try:
            async with asyncio.timeout(STATUS_S_MAX):
                refused = await self._head_came
        except TimeoutError:
            return _failure(ProbeOutcome.TIMEOUT, f"no status within {STATUS_S_MAX:g} s")
        if refused is None and self._check.matches_string:
            try:
                async with asyncio.timeout(BODY_S_MAX):
                    refused = await self._body_came
            except TimeoutError:
                refused = _failure(ProbeOutcome.TIMEOUT, f"no body within {BODY_S_MAX:g} s")
        if refused is not None:
            return refused
        return ProbeAnswer(ProbeOutcome.HEALTHY, f"Success: {_status_line(self._status)}")

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's are none of asyncio's class, but have its methods.
        cast(asyncio.Transport, transport).write(_request(self._check))

    def data_received(self, data: bytes) -> None:
        if self._is_over:
            return
        try:
            if self._reader is None:
                data = self._take_head(data)
            if self._reader is not None:
                self._take_body(data)
        except BadMessage as error:
            self._end(_failure(ProbeOutcome.MESSAGE, f"the response cannot be read: {error.why}"))
        except zlib.error:
            self._end(_failure(ProbeOutcome.MESSAGE, "the body cannot be decompressed"))

    def eof_received(self) -> None:
        if self._is_over:
            return
        if self._reader is None:
            self._end(_failure(ProbeOutcome.MESSAGE, "the connection ended without a response"))
            return
        with suppress(BadMessage):  # what has come is what there is to look in
            self._reader.eof()
        self._settle_body(is_whole=True)

    def connection_lost(self, exc: Exception | None) -> None:
        why = "the connection was reset" if exc else "the connection ended without a response"
        self._end(_failure(ProbeOutcome.CONNECT if exc else ProbeOutcome.MESSAGE, why))

    @property
    def _is_over(self) -> bool:
        return self._body_came.done()

    def _end(self, refused: ProbeAnswer | None) -> None:
        for one in (self._head_came, self._body_came):
            if not one.done():
                one.set_result(refused)

    def _take_head(self, data: bytes) -> bytes:
        """The rest of `data` behind the head; nothing where the head is not whole."""
        received = self._received
        received += data
        while (end := received.find(b"\r\n\r\n")) >= 0:
            head, rest = bytes(received[: end + 4]), bytes(received[end + 4 :])
            response, minor = parse_response_head(head, _LIMITS)
            if response.status >= 200 or response.status == HTTPStatus.SWITCHING_PROTOCOLS:
                self._status = response.status
                framing = response_framing(response.status, b"GET", response.fields, minor)
                self._reader = reader_for(framing, _LIMITS)
                for name, value in response.fields:
                    if name == b"content-encoding" and value.lower() in _CODINGS:
                        self._inflate = zlib.decompressobj(_CODINGS[value.lower()])
                self._judge_status()
                return rest
            received[:] = rest
            self._interim += 1
            if self._interim > INTERIM_MAX:
                self._end(_failure(ProbeOutcome.MESSAGE, "there are too many interim responses"))
                return b""
        if len(received) > HEAD_BYTES_MAX:
            why = f"the response has more than {HEAD_BYTES_MAX} bytes of headers"
            self._end(_failure(ProbeOutcome.MESSAGE, why))
        return b""

    def _judge_status(self) -> None:
        if not 200 <= self._status < 400:
            self._end(_failure(ProbeOutcome.STATUS, _status_line(self._status)))
        elif not self._head_came.done():
            self._head_came.set_result(None)
            if not self._check.matches_string:
                self._end(None)

    def _take_body(self, data: bytes) -> None:
        reader = self._reader
        assert reader is not None
        while not self._is_over:
            for piece in reader.feed(data):
                room = BODY_BYTES_MAX - len(self._body)
                if self._inflate is not None and room:
                    piece = self._inflate.decompress(piece, room)
                self._body += piece[:room]
            data = b""
            self._settle_body(is_whole=reader.done)
            if not reader.behind:
                return

    def _settle_body(self, *, is_whole: bool) -> None:
        if self._is_over:
            return
        if self._check.search_string.encode() in self._body:
            self._end(None)
        elif is_whole or len(self._body) >= BODY_BYTES_MAX:
            why = f"{_status_line(self._status)}; the search string is not in the body"
            self._end(_failure(ProbeOutcome.STRING, why))


def _status_line(status: int) -> str:
    with suppress(ValueError):
        return f"HTTP Status Code {status}, {HTTPStatus(status).phrase}"
    return f"HTTP Status Code {status}"


def _request(check: HealthCheck) -> bytes:
    host = check.host or (f"[{check.address}]" if ":" in check.address else check.address)
    usual = 443 if check.is_tls else 80
    if check.asked_port != usual:
        host = f"{host}:{check.asked_port}"
    fields = (
        (b"Host", host.encode("ascii")),
        (b"User-Agent", AGENT),
        (b"Accept", b"*/*"),
        (b"Connection", b"close"),
    )
    return request_head(b"GET", check.path.encode("ascii"), fields)
