"""Priorities as RFC 9218 writes them, and whose DATA goes next."""

from __future__ import annotations

import pytest

from edgecache.server.http2.priority import UNSAID, Priority, read_priority

PLAIN = Priority(3, False)
VALUES = [
    (b"u=0", Priority(0)), (b"u=7, i", Priority(7, True)), (b"i", Priority(3, True)),
    (b"i=?0,u=5", Priority(5)), (b"u=1;x=2, i=?1", Priority(1, True)), (b"u=8", PLAIN),
    (b"u=-1", PLAIN), (b"u", PLAIN), (b"u=?1", PLAIN), (b"", PLAIN), (b"U=1", PLAIN),
    (b"u=1, \x00", PLAIN), (b"u=1" + b" " * 300, PLAIN), (b"x=1, u=2", Priority(2)),
    (b"i=3", PLAIN),
]  # fmt: skip


@pytest.mark.parametrize(("value", "priority"), VALUES)
def test_values(value: bytes, priority: Priority) -> None:
    assert read_priority(value) == priority


def test_who_says_nothing_takes_turns() -> None:
    assert Priority(3, True) == UNSAID
