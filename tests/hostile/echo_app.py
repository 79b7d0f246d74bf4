"""An ASGI application that says which request it got, for the differential check."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any


async def app(
    scope: dict[str, Any],
    receive: Callable[[], Awaitable[dict[str, Any]]],
    send: Callable[[dict[str, Any]], Awaitable[None]],
) -> None:
    """`METHOD path` as the body, once the request's body is read."""
    if scope["type"] != "http":
        return
    while (await receive()).get("more_body"):
        pass
    target = scope["raw_path"]
    if scope["query_string"]:
        target += b"?" + scope["query_string"]
    body = scope["method"].encode() + b" " + target
    length = (b"content-length", b"%d" % len(body))
    await send({"type": "http.response.start", "status": 200, "headers": [length]})
    await send({"type": "http.response.body", "body": body})
