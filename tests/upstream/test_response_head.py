"""Heads out of arriving bytes, whole and one byte at a time."""

from __future__ import annotations

import pytest

from edgecache.http.message import BadMessage, BadReason, HeadLimits
from edgecache.upstream.response import ResponseHeads

HEAD = b"HTTP/1.1 200 OK\r\nX: y\r\n\r\n"


def fed(heads: ResponseHeads, data: bytes, step: int) -> tuple[bytes, bytes] | None:
    for at in range(0, len(data), step):
        found = heads.feed(data[at : at + step])
        if found is not None:
            return found
    return None


@pytest.mark.parametrize("step", [1, 2, 3, 7, 1000])
def test_a_head_is_found_however_cut(step: int) -> None:
    heads = ResponseHeads(HeadLimits())
    assert fed(heads, HEAD[:-1], step) is None
    assert heads.feed(b"\nrest") == (HEAD, b"rest")
    assert heads.feed(HEAD) == (HEAD, b"")


@pytest.mark.parametrize("step", [1, 1000])
@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"SSH-2.0-OpenSSH_9.2\r\n", BadReason.STATUS_LINE),
        (b"\x15\x03\x01\x00\x02\x02\x28", BadReason.STATUS_LINE),
        (b"<html>", BadReason.STATUS_LINE),
        (b"\r\n", BadReason.STATUS_LINE),
        (b"HTTP/1.1 200 OK\nX: y\n\n", BadReason.FIELD),
        (b"HTTP/1.1 200 OK\r\nX: " + b"y" * 33_000, BadReason.HEAD_TOO_BIG),
    ],
    ids=["O23-ssh", "O23-tls", "O23-0.9", "O09-empty", "F38", "O10"],
)
def test_what_becomes_no_head_is_refused_at_once(data: bytes, why: BadReason, step: int) -> None:
    with pytest.raises(BadMessage) as refused:
        fed(ResponseHeads(HeadLimits()), data, step)
    assert refused.value.why is why
