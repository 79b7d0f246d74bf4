"""Bodies of calls: bounded, and whole or refused."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest
from starlette.exceptions import HTTPException
from starlette.requests import Request

from edgecache.control.rest.call import BODY_BYTES_MAX, bounded_body


def body_of(messages: Iterator[dict[str, Any]]) -> bytes:
    async def receive() -> dict[str, Any]:
        return next(messages)

    return asyncio.run(bounded_body(Request({"type": "http", "method": "POST"}, receive)))


def piece(data: bytes, more: bool = True) -> dict[str, Any]:
    return {"type": "http.request", "body": data, "more_body": more}


def test_a_body_in_pieces_is_one() -> None:
    assert body_of(iter([piece(b"a"), piece(b"b", more=False)])) == b"ab"


@pytest.mark.parametrize(
    ("second", "status"),
    [({"type": "http.disconnect"}, 400), (piece(b"x" * BODY_BYTES_MAX), 413)],
)
def test_a_sender_that_leaves_and_one_that_does_not_end(
    second: dict[str, Any], status: int
) -> None:
    """No traceback: that somebody left is nothing of ours."""
    with pytest.raises(HTTPException) as refused:
        body_of(iter([piece(b"a"), second]))
    assert refused.value.status_code == status
