"""Bytes in, answers out: whatever comes, no exception, no answer too many, one reading only.

`python -m tests.hostile.fuzz [CASES]` tries more than the test does.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.hostile.message import stage
from tests.hostile.rows_framing import CHUNKS, FRAMING, PIPELINED
from tests.hostile.rows_target import TARGETS
from tests.hostile.stage import HOST
from tests.hostile.strict import Seen

_ROWS = [row.data for row in (*FRAMING, *PIPELINED, *CHUNKS, *TARGETS) if len(row.data) < 600]
_PIECES = [
    b"\r\n", b"\n", b"\r", b" ", b"\t", b":", b";", b",", b"0", b"5", b"\0", b"\xff", b"GET ",
    b"POST ", b"/hit.css", b"/f", b" HTTP/1.1\r\n", b" HTTP/1.0\r\n", HOST, b"\r\n\r\n",
    b"Content-Length: 5\r\n", b"Transfer-Encoding: chunked\r\n", b"5\r\nhello\r\n", b"0\r\n\r\n",
    b"hello", b"Connection: close\r\n", b"Connection: keep-alive\r\n", b"Expect: 100-continue\r\n",
    b"Range: bytes=0-1\r\n", b"Upgrade: websocket\r\n", b"X: y\r\n", b"X_Y: z\r\n", b"%0d%0a",
]  # fmt: skip
_GRAMMAR = st.lists(st.sampled_from(_PIECES), max_size=25).map(b"".join)


@dataclass(frozen=True, slots=True)
class Reading:
    """What was made of the bytes."""

    statuses: list[int]
    seen: list[tuple[bytes, bytes, bytes]]
    closed: bool


@st.composite
def _mutated(draw: st.DrawFn) -> bytes:
    """One or two rows, with a few bytes changed."""
    data = bytearray(b"".join(draw(st.lists(st.sampled_from(_ROWS), min_size=1, max_size=2))))
    for _ in range(draw(st.integers(0, 4))):
        at = draw(st.integers(0, len(data) - 1))
        data[at : at + draw(st.integers(0, 3))] = draw(st.sampled_from(_PIECES))
        if not data:
            data += b"x"
    return bytes(data)


# Which answers have bodies depends on which request was HEAD: these inputs have none.
INPUTS = st.one_of(_mutated(), _GRAMMAR, st.binary(max_size=200)).filter(lambda d: b"HEAD" not in d)


def read(pieces: list[bytes], memo: bool) -> Reading:
    """What a fresh edge makes of the pieces. AssertionError when it does what it may not."""
    play = stage(memo)
    try:
        before = len(play.recorder.seen)
        client = play.client("fuzz")
        client.sends(pieces)
        data = b"".join(pieces)
        seen = play.recorder.seen[before:]
        statuses = [answer.status for answer in client.answers([])]
        assert len(statuses) <= data.count(b"\r\n\r\n") + data.count(b"\n\n") + 1
        assert not [status for status in statuses if status in (500, 502, 503, 504)], statuses
        assert len(seen) <= len(statuses)
        # Which of two faults is named may depend on how much had come; that it is one may not.
        statuses = [min(status, 400) for status in statuses]
        return Reading(statuses, [_of(one) for one in seen], client.closed)
    finally:
        play.close()


def _of(seen: Seen) -> tuple[bytes, bytes, bytes]:
    return seen.method, seen.target, seen.body


def run(cases: int) -> int:
    """Try so many; how many were tried."""
    tried = 0

    @settings(
        max_examples=cases, derandomize=True, deadline=None, database=None,
        suppress_health_check=list(HealthCheck),
    )  # fmt: skip
    @given(data=INPUTS, cut=st.integers(0, 600))
    def holds(data: bytes, cut: int) -> None:
        nonlocal tried
        tried += 1
        whole = read([data], memo=True)
        parted = read([data[:cut], data[cut:]], memo=False)
        assert parted == whole, (parted, whole)

    holds()
    return tried


if __name__ == "__main__":
    print(f"{run(int(sys.argv[1]) if len(sys.argv) > 1 else 5_000)} cases tried, none broke a law")
