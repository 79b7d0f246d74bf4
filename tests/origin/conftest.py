"""A raw ASGI exchange: the scope is what a server would make of the wire, byte for byte."""

from __future__ import annotations

import asyncio
import urllib.parse
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import pytest
from starlette.types import ASGIApp

Field = tuple[bytes, bytes]


@dataclass(frozen=True)
class Exchange:
    """What an application answered: `chunks` is the body as it was sent."""

    status: int
    headers: dict[bytes, bytes]
    chunks: tuple[bytes, ...]

    @property
    def body(self) -> bytes:
        return b"".join(self.chunks)


Ask = Callable[..., Exchange]


def scope_of(method: bytes, target: bytes, fields: Sequence[Field]) -> dict[str, Any]:
    path, _, query = target.partition(b"?")
    return {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.3"},
        "http_version": "1.1",
        "method": method.decode(),
        "scheme": "http",
        "path": urllib.parse.unquote(path.decode("latin-1")),
        "raw_path": path,
        "query_string": query,
        "root_path": "",
        "headers": list(fields),
        "client": ("127.0.0.1", 1),
        "server": ("127.0.0.1", 2),
    }


async def exchange(app: ASGIApp, scope: dict[str, Any]) -> list[dict[str, Any]]:
    """Every message the application sends for a request without a body."""
    sent: list[dict[str, Any]] = []
    asked = False

    async def receive() -> dict[str, Any]:
        nonlocal asked
        if asked:
            await asyncio.Event().wait()  # the client stays; the application must not wait for it
        asked = True
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Any) -> None:
        sent.append(dict(message))

    await asyncio.wait_for(app(scope, receive, send), 30)
    return sent


@pytest.fixture
def ask() -> Ask:
    """`ask(app, target, *fields, method=b"GET", host=b"bucket.test")`."""

    def _ask(
        app: ASGIApp,
        target: bytes,
        *fields: Field,
        method: bytes = b"GET",
        host: bytes = b"bucket.test",
    ) -> Exchange:
        scope = scope_of(method, target, [(b"host", host), *fields])
        start, *rest = asyncio.run(exchange(app, scope))
        chunks = tuple(message.get("body", b"") for message in rest)
        assert not rest[-1].get("more_body", False)
        return Exchange(start["status"], dict(start["headers"]), chunks)

    return _ask
