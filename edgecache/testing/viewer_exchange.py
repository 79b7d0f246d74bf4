"""A viewer's request and response as bytes, the same on a socket and in memory.

Law: responses are read as strictly as those of origins are.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from ipaddress import ip_address
from typing import cast

from edgecache.http.framing import NoBody, Reader, Truncated, reader_for, response_framing
from edgecache.http.head import parse_response_head, request_head_of
from edgecache.http.message import BadMessage, HeadLimits, Response

LIMITS = HeadLimits(131_072, 16_384, 1_000)  # as an origin's head may be, with our own fields
ADDRESS = "192.0.2.1"  # of viewers, where a test says no other (RFC 5737)
FORWARDED_FOR, FORWARDED_PROTO = "x-forwarded-for", "x-forwarded-proto"
BODY_BYTES_MAX = 256 * 1024 * 1024
_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_METHOD = re.compile(r"[A-Z][A-Z0-9_-]{0,31}")


@dataclass(frozen=True, slots=True)
class ViewerRequest:
    """A request of a viewer. `target`: path and query as they stand on the wire.

    It comes by a proxy that edges trust, as in front of them there is one that ends TLS: `address`
    is the viewer's, and `scheme` how it came.
    """

    host: str
    target: str
    method: str = "GET"
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes = b""
    scheme: str = "https"
    location: str = ""
    address: str = ADDRESS

    @property
    def url(self) -> str:
        return f"{self.scheme}://{self.host}{self.target}"

    def data(self) -> bytes:
        """The bytes of the request."""
        lines = [] if self._says("host") else [f"Host: {self.host}"]
        before = [value for name, value in self.headers if name.lower() == FORWARDED_FOR]
        lines += [
            f"{name}: {value}" for name, value in self.headers if name.lower() != FORWARDED_FOR
        ]
        lines += [f"X-Forwarded-For: {', '.join([*before, self.address])}"]
        lines += [f"X-Forwarded-Proto: {self.scheme}"]
        if self.body and not self._says("content-length"):
            lines.append(f"Content-Length: {len(self.body)}")
        encoded = [line.encode("latin-1") for line in lines]
        return request_head_of(self.method.encode(), self.target.encode(), encoded) + self.body

    def _says(self, name: str) -> bool:
        return any(one.lower() == name for one, _ in self.headers)


def request_problems(request: ViewerRequest) -> list[str]:
    """What no viewer could send, each with its place."""
    problems = []
    if not _METHOD.fullmatch(request.method):
        problems.append(f"method: {request.method!r} is not a method")
    target = request.target
    if not target.startswith("/") or not re.fullmatch(r"[\x21-\x7e]+", target) or "#" in target:
        problems.append(f"path: {target!r} does not begin with /, or has to be percent-encoded")
    for name, value in request.headers:
        whole = _NAME.fullmatch(name) and isinstance(value, str)
        if not whole or re.search(r"[\x00-\x08\x0a-\x1f\x7f\u0100-\U0010ffff]", value):
            problems.append(f"headers[{name!r}]: {value!r} is not a header's value")
        if name.lower() == FORWARDED_PROTO:
            problems.append(f"headers[{name!r}]: say scheme={value!r}")
    try:
        ip_address(request.address)
    except ValueError:
        problems.append(f"address: {request.address!r} is no address")
    if request.scheme not in ("http", "https"):
        problems.append(f'scheme: {request.scheme!r} is neither "http" nor "https"')
    return problems


class AnswerHeaders(Mapping[str, str]):
    """Headers of an answer: names in any case, several values of one name joined by a comma."""

    def __init__(self, pairs: tuple[tuple[str, str], ...]) -> None:
        self.pairs = pairs  # in their order, names in lower case

    def __getitem__(self, name: str) -> str:
        values = [value for one, value in self.pairs if one == name.lower()]
        if not values:
            raise KeyError(name)
        return ", ".join(values)

    def __iter__(self) -> Iterator[str]:
        return iter(dict(self.pairs))

    def __len__(self) -> int:
        return len(dict(self.pairs))

    def __repr__(self) -> str:
        return repr(dict(self))


@dataclass(frozen=True, slots=True)
class ViewerResponse:
    """A response as it came. Not `is_whole`: the connection ended before it did."""

    status: int
    headers: AnswerHeaders
    body: bytes
    is_whole: bool = True


class ResponseReader:
    """Reader of one response, its interim ones before it passed over."""

    def __init__(self, method: str) -> None:
        self.done = False
        self._method = method.encode()
        self._held = b""
        self._head: Response | None = None
        self._reader: Reader
        self._pieces: list[bytes] = []
        self._body_bytes = 0
        self._cut = False

    def feed(self, data: bytes) -> None:
        """More bytes have come. BadMessage for what is no response."""
        if self._head is None:
            self._held += data
            while self._head is None and (end := self._held.find(b"\r\n\r\n") + 4) > 3:
                head, self._held = self._held[:end], self._held[end:]
                self._begin(head)
            if self._head is None:
                return
            data, self._held = self._held, b""
        if not self.done:
            self._keep(self._reader.feed(data))
            while self._reader.behind:
                self._keep(self._reader.feed(b""))
            self.done = self._reader.done

    def _begin(self, head: bytes) -> None:
        response, minor = parse_response_head(head, LIMITS)
        if response.status < 200:
            return
        framing = response_framing(response.status, self._method, response.fields, minor)
        self._head, self._reader = response, reader_for(framing, LIMITS)
        self.done = isinstance(framing, NoBody)

    def _keep(self, pieces: list[bytes]) -> None:
        self._pieces += pieces
        self._body_bytes += sum(map(len, pieces))
        if self._body_bytes > BODY_BYTES_MAX:
            raise ValueError(f"a body of more than {BODY_BYTES_MAX} bytes")

    def eof(self) -> None:
        """No more bytes will come."""
        if self.done:
            return
        self.done = True
        try:
            if self._head is not None:
                self._reader.eof()
        except Truncated:
            self._cut = True

    def response(self) -> ViewerResponse:
        """What has come. ConnectionError when there is no head of a response."""
        if self._head is None:
            raise ConnectionResetError("the connection ended without a response")
        pairs = tuple(
            (name.decode("latin-1"), value.decode("latin-1")) for name, value in self._head.fields
        )
        whole = not self._cut
        return ViewerResponse(
            self._head.status, AnswerHeaders(pairs), b"".join(self._pieces), whole
        )


class MemoryViewer(asyncio.Protocol):
    """A viewer at the other end of a connection in memory: one request, one response."""

    def __init__(self, request: ViewerRequest) -> None:
        self.reader = ResponseReader(request.method)
        self._problem = ""  # why what came is no response
        self._request = request
        self._transport: asyncio.Transport

    @property
    def done(self) -> bool:
        return self.reader.done or bool(self._problem)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._transport.write(self._request.data())

    def data_received(self, data: bytes) -> None:
        try:
            self.reader.feed(data)
        except (BadMessage, ValueError) as error:
            self._problem = f"no response: {error}"
        if self.done:
            self._transport.abort()  # an edge would keep it open for a while after a close

    def eof_received(self) -> bool:
        self.reader.eof()
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        self.reader.eof()

    def response(self) -> ViewerResponse:
        """What has come. ValueError when it is no response."""
        if self._problem:
            raise ValueError(self._problem)
        return self.reader.response()
