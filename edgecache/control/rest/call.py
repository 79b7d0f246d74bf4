"""One call of the REST API as its operations get it; bounded bodies, and JSON responses."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import msgspec
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from edgecache.control.cloudfront.context import ApiServices, OperationContext
from edgecache.control.state.database import BY_CONTROL


@dataclass(frozen=True, slots=True)
class RestCall:
    """Input of one operation: values of the path and the query by name, and the body.

    `author` calls the operation of the name `operation`.
    """

    services: ApiServices
    path: Mapping[str, str]
    query: Mapping[str, str]
    body: bytes = b""
    author: str = BY_CONTROL
    operation: str = ""

    @property
    def context(self) -> OperationContext:
        """The call as functions of CloudFront's API take it, without input of theirs."""
        return OperationContext(self.services, {}, author=self.author, operation=self.operation)


NUL_ESCAPED = b"\\u0000"  # JSON has it in no other form
NUL_REFUSED = "holds a NUL character, which no database keeps alike"
BODY_BYTES_MAX = 1024 * 1024  # nginx's client_max_body_size

_BODY = "edgecache.body"  # of a scope: the body, once it was read
RouteHandler = Callable[[Request], Awaitable[Response]]


async def bounded_body(request: Request) -> bytes:
    """The whole body, read once; 413 when it is longer than BODY_BYTES_MAX, 400 when its sender
    left.
    """
    if _BODY in request.scope:
        return bytes(request.scope[_BODY])
    body = bytearray()
    try:
        async for piece in request.stream():
            body += piece
            if len(body) > BODY_BYTES_MAX:
                raise HTTPException(413, f"the body is longer than {BODY_BYTES_MAX} bytes")
    except ClientDisconnect:
        raise HTTPException(400, "the body broke off") from None
    if NUL_ESCAPED in body and (place := _place_of_nul(body)):
        raise HTTPException(400, f"{place}: {NUL_REFUSED}")
    request.scope[_BODY] = bytes(body)
    return bytes(body)


def refuse_nul(request: Request) -> None:
    """HTTPException where a value of the path or the query holds a NUL character."""
    for values in (request.path_params, request.query_params):
        for name, value in values.items():
            if "\0" in str(value):
                raise HTTPException(400, f"{name}: {NUL_REFUSED}")


def _place_of_nul(body: bytes | bytearray) -> str:
    """Where a JSON document has a text with a NUL character; empty: nowhere."""
    try:
        return next(_nuls(msgspec.json.decode(body), ""), "")
    except msgspec.DecodeError:  # whoever reads it tells
        return ""


def _nuls(value: Any, place: str) -> Iterator[str]:
    if isinstance(value, str) and "\0" in value:
        yield place or "the body"
    elif isinstance(value, list):
        for index, one in enumerate(value):
            yield from _nuls(one, f"{place}[{index}]")
    elif isinstance(value, dict):
        for name, one in value.items():
            yield from _nuls(one, f"{place}.{name}" if place else name)
            if "\0" in name:
                yield place or "the body"


def json_response(value: Any, status: int = 200) -> Response:
    """A value as JSON."""
    return Response(msgspec.json.encode(value), status, media_type="application/json")
