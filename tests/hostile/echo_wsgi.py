"""The same for a WSGI server."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any


def app(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    """`METHOD target` as the body, once the request's body is read."""
    while environ["wsgi.input"].read(65_536):
        pass
    body = f"{environ['REQUEST_METHOD']} {environ['RAW_URI']}".encode("latin-1")
    start_response("200 OK", [("Content-Length", str(len(body)))])
    return [] if environ["REQUEST_METHOD"] == "HEAD" else [body]  # to leave it out is up to us
