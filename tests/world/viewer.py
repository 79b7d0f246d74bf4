"""A viewer on a fake transport: it asks, and checks what it gets."""

from __future__ import annotations

from dataclasses import dataclass

from edgecache.http.framing import NoBody, reader_for, response_framing
from edgecache.http.head import parse_response_head
from edgecache.http.message import HeadLimits, Response, field_values, first_value
from edgecache.server.http1.connection import ViewerConnection
from tests.world.clock import FakeLoop
from tests.world.transport import FakeTransport

LIMITS = HeadLimits()


@dataclass(frozen=True)
class Got:
    """A response as a strict client reads it."""

    head: Response
    body: bytes
    whole: bool

    def field(self, name: str) -> str | None:
        value = first_value(self.head.fields, name.encode())
        return None if value is None else value.decode()

    def fields(self, name: str) -> list[str]:
        return [value.decode() for value in field_values(self.head.fields, name.encode())]

    def says(
        self, status: int, body: str | None, x_cache: str | None, cache_status: str | None
    ) -> None:
        """It is this answer; what is None may be anything."""
        assert self.head.status == status, self
        if body is not None:
            assert self.body == body.encode(), self.body[:200]
        if x_cache is not None:
            assert (self.field("x-cache") or "").split(" ")[0] == x_cache, self.field("x-cache")
        if cache_status is not None:
            assert cache_status in (self.field("cache-status") or ""), self.field("cache-status")


class Viewer:
    """One client with one connection."""

    def __init__(
        self, loop: FakeLoop, connection: ViewerConnection, transport: FakeTransport
    ) -> None:
        self.connection = connection
        self.transport = transport
        self._loop = loop
        self._methods: list[bytes] = []

    def sends(self, data: bytes) -> Viewer:
        """Raw bytes."""
        self.connection.data_received(data)
        self._loop.settle()
        return self

    def asks(self, target: str, method: str = "GET", body: str = "", **fields: str) -> Viewer:
        """One request; `host` defaults to site.test."""
        fields = {"host": "site.test", **fields}
        if body:
            fields["content-length"] = str(len(body.encode()))
        lines = [f"{method} {target} HTTP/1.1"]
        lines += [f"{name.replace('_', '-')}: {value}" for name, value in fields.items()]
        self._methods.append(method.encode())
        return self.sends(("\r\n".join(lines) + "\r\n\r\n" + body).encode())

    def leaves(self) -> None:
        """Hang up."""
        self.transport.closed = True
        self.connection.connection_lost(None)
        self._loop.settle()

    def got(self) -> Got | None:
        """The next response, as far as it has come; None before its head is whole."""
        self._loop.look()
        data = bytes(self.transport.written)
        end = data.find(b"\r\n\r\n") + 4
        if end == 3:
            return None
        head, minor = parse_response_head(data[:end], LIMITS)
        method = self._methods[0] if self._methods else b"GET"
        framing = response_framing(head.status, method, head.fields, minor)
        reader = reader_for(framing, LIMITS)
        body = b"".join(reader.feed(data[end:]))
        whole = isinstance(framing, NoBody) or reader.done
        return Got(head, body, whole)

    def gets(
        self, status: int, body: str | None = None, *, x_cache: str | None = None,
        cache_status: str | None = None,
    ) -> Got:  # fmt: skip
        """The next response is whole, and says this; it is taken off the connection."""
        got = self.got()
        assert got is not None, "no response"
        got.says(status, body, x_cache, cache_status)
        assert got.whole or self.transport.closed, "the response is not whole"
        self._take()
        return got

    def gets_nothing(self) -> None:
        """No response has come yet."""
        self._loop.look()
        assert not self.transport.written, bytes(self.transport.written[:200])

    def _take(self) -> None:
        data = bytes(self.transport.written)
        end = data.find(b"\r\n\r\n") + 4
        head, minor = parse_response_head(data[:end], LIMITS)
        method = self._methods.pop(0) if self._methods else b"GET"
        reader = reader_for(response_framing(head.status, method, head.fields, minor), LIMITS)
        reader.feed(data[end:])
        self.transport.written = bytearray(reader.rest)
