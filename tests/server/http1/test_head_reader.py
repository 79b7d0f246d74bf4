"""Request heads: the same heads and refusals however the bytes are cut, each byte seen once."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgecache.http.message import BadMessage, BadReason, HeadLimits
from edgecache.server.http1.head_reader import HeadReader
from edgecache.store.memory_account import MemoryAccount, MemoryHolding

LIMITS = HeadLimits(head_bytes_max=100, url_bytes_max=60)
A = b"GET /a HTTP/1.1\r\nHost: a\r\n\r\n"
B = b"GET /b HTTP/1.1\r\n\r\n"


def cut_into(segments: list[bytes]) -> tuple[list[bytes], bytes, BadReason | None]:
    """The heads, what is left, and why what is left is refused."""
    reader, found = HeadReader(LIMITS, MemoryAccount(0)), []
    for segment in segments:
        reader.add(segment)
        try:
            while reader.held and (head := reader.next()) is not None:
                found.append(head)
        except BadMessage as bad:
            return found, b"", bad.why
    return found, reader.take(), None


ROWS = [
    (A, [A], b"", None),
    (A + B, [A, B], b"", None),
    (A + B[:-1], [A], B[:-1], None),
    (b"\r\n" + A + b"\r\n" + B, [A, B], b"", None),
    (b"\r\n\r\n", [], b"", BadReason.FIELD),
    (A + b"GET / HTTP/1.1\nHost", [A], b"", BadReason.FIELD),
    (b"GET / HTTP/1.1\r\nA: b\rc", [], b"", BadReason.FIELD),
    (b"GET /" + b"a" * 60 + b" HTTP/1.1\r\nHost: a\r\n" + b"x" * 40, [], b"", None),
    (b"GET / HTTP/1.1\r\nA: " + b"x" * 100, [], b"", BadReason.HEAD_TOO_BIG),
    (b"GET / HTTP/1.1\r\nA: " + b"x" * 100 + b"\r\n\r\n", [], b"", BadReason.HEAD_TOO_BIG),
]


@pytest.mark.parametrize(("data", "heads", "left", "why"), ROWS)
def test_heads_are_found_whole_and_byte_by_byte(
    data: bytes, heads: list[bytes], left: bytes, why: BadReason | None
) -> None:
    whole = cut_into([data])
    assert whole[0] == heads
    if data.startswith(b"GET /aaa"):
        assert whole[2] is BadReason.URL_TOO_LONG
    else:
        assert whole[1:] == (left, why)
    assert cut_into([data[at : at + 1] for at in range(len(data))]) == whole


@given(
    st.lists(st.sampled_from([A, B, b"\r\n" + A]), max_size=8),
    st.lists(st.integers(1, 30), max_size=20),
)
def test_any_cutting_gives_the_same(parts: list[bytes], sizes: list[int]) -> None:
    data, segments, at = b"".join((*parts, b"GET /")), [], 0
    for size in sizes:
        segments.append(data[at : at + size])
        at += size
    segments = [segment for segment in (*segments, data[at:]) if segment]
    heads = [part.removeprefix(b"\r\n") for part in parts]
    assert cut_into(segments) == cut_into([data]) == (heads, b"GET /", None)


class Counted(bytearray):
    """Counts the bytes that are searched."""

    searched = 0

    def find(self, what: Any, start: Any = 0, end: Any = None) -> int:
        type(self).searched += len(self) - start
        return super().find(what, start)


def test_what_was_looked_at_is_not_looked_at_again() -> None:
    reader = HeadReader(HeadLimits(), MemoryAccount(0))
    reader.held = Counted(b"G")
    for _ in range(20_000):
        reader.add(b"x")
        assert reader.next() is None
    assert Counted.searched < 20_000 * 6


def test_what_is_held_counts_until_it_is_served_or_taken() -> None:
    account = MemoryAccount(0)
    reader = HeadReader(LIMITS, account)
    assert reader.hold(A)
    assert reader.hold(B + A)
    held = [account.held[MemoryHolding.HEADS]]
    while reader.held:
        reader.next()
        held.append(account.held[MemoryHolding.HEADS])
    assert held == [2 * len(A) + len(B), len(B) + len(A), len(A), 0]
    reader.hold(A)
    reader.take()
    assert account.held[MemoryHolding.HEADS] == 0
