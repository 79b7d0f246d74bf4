"""A request's body on its way upstream: fed in any pieces, read once, told when it breaks."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgecache.http.message import BadMessage, HeadLimits
from edgecache.server.request_body import RequestBody
from edgecache.store.memory_account import MemoryAccount, MemoryHolding
from edgecache.upstream.faults import Fault, UpstreamError
from edgecache.upstream.request_body import read_start
from tests.world.clock import FakeClock, FakeLoop

LIMITS = HeadLimits()


class Told:
    """What the connection was told."""

    def __init__(self, length: int | None) -> None:
        self.begun = 0
        self.drained = 0
        self.account = MemoryAccount(1 << 30)
        self.body = RequestBody(length, LIMITS, self.begin, self.drain, self.account)

    def begin(self) -> None:
        self.begun += 1

    def drain(self) -> None:
        self.drained += 1


@given(st.binary(max_size=12), st.lists(st.integers(1, 12), max_size=6), st.binary(max_size=3))
@pytest.mark.parametrize("chunked", [False, True])
def test_whatever_the_pieces_the_body_is_read_whole_and_the_rest_given_back(
    chunked: bool, data: bytes, cuts: list[int], behind: bytes
) -> None:
    wire = data
    if chunked:
        wire = b"".join(b"1\r\n%b\r\n" % data[i : i + 1] for i in range(len(data)))
        wire += b"0\r\n\r\n"
    body = Told(None if chunked else len(data)).body
    rest, got = b"", b""
    sent = wire + behind
    for start, end in zip([0, *sorted(cuts)], [*sorted(cuts), len(sent)], strict=True):
        if body.done:
            rest += sent[start:end]
        elif sent[start:end]:
            rest += body.feed(sent[start:end])
        got += body.read_nowait() or b""
    while piece := body.read_nowait():
        got += piece
    assert body.done
    assert (got, rest, body.waiting_bytes) == (data, behind, 0)
    assert body.read_nowait() == b""


def test_what_waits_is_counted_and_reading_tells_the_connection() -> None:
    told = Told(6)
    told.body.feed(b"abc")
    told.body.feed(b"def")
    assert (told.body.waiting_bytes, told.drained, told.begun) == (6, 0, 0)
    assert told.body.read_nowait() == b"abc"
    assert (told.body.waiting_bytes, told.drained, told.begun) == (3, 1, 1)
    assert told.body.read_nowait() == b"def"
    assert (told.body.waiting_bytes, told.drained, told.begun) == (0, 2, 1)


def test_the_first_read_is_told_once_even_before_anything_has_come() -> None:
    told = Told(1)
    assert told.body.read_nowait() is None
    assert told.body.read_nowait() is None
    assert told.begun == 1


def test_a_reader_waits_for_more_and_for_the_end() -> None:
    loop, body = FakeLoop(FakeClock()), Told(2).body
    for data in (b"a", b"b"):
        reading = loop.create_task(body.read())
        loop.settle(3)
        assert not reading.done()
        body.feed(data)
        loop.settle(3)
        assert reading.result() == data
    last = loop.create_task(body.read())
    loop.settle(3)
    assert last.result() == b""
    loop.close()


def test_who_waits_when_it_breaks_off_is_told() -> None:
    loop, body = FakeLoop(FakeClock()), Told(2).body
    reading = loop.create_task(body.read())
    loop.settle(3)
    body.abort()
    loop.settle(3)
    with pytest.raises(UpstreamError) as raised:
        reading.result()
    assert raised.value.fault is Fault.TRUNCATED
    loop.close()


def test_a_malformed_chunk_breaks_it_off() -> None:
    body = Told(None).body
    with pytest.raises(BadMessage):
        body.feed(b"xyz\r\n")
    with pytest.raises(UpstreamError):
        body.read_nowait()


def test_what_comes_after_it_was_closed_is_dropped() -> None:
    body = Told(6).body
    body.feed(b"abc")
    body.close()
    body.close()
    assert body.waiting_bytes == 0
    body.feed(b"def")
    assert body.done
    assert body.waiting_bytes == 0


def test_what_is_kept_before_it_goes_out_is_counted_until_it_does() -> None:
    loop = FakeLoop(FakeClock())
    told = Told(None)
    told.body.feed(b"3\r\nabc\r\n3\r\ndef\r\n")
    beginning = loop.create_task(read_start(told.body))
    loop.settle(5)
    assert (told.body.waiting_bytes, told.account.total) == (0, 6)
    told.body.feed(b"0\r\n\r\n")
    loop.settle(5)
    found = beginning.result()
    assert told.account.total == 6
    assert found.read_nowait() == b"abcdef"
    assert told.account.total == 0
    loop.close()


def test_a_body_that_is_closed_is_kept_by_nobody() -> None:
    loop = FakeLoop(FakeClock())
    told = Told(9)
    told.body.feed(b"abc")
    beginning = loop.create_task(read_start(told.body))
    loop.settle(5)
    assert told.account.total == 3
    told.body.close()
    told.account.check()
    told.body.feed(b"def")  # what still comes is dropped
    beginning.cancel()
    loop.settle(5)
    told.account.check()
    loop.close()


def test_beyond_the_share_of_uploads_what_has_not_gone_out_is_refused() -> None:
    loop = FakeLoop(FakeClock())
    told, under_way = Told(90), Told(None)
    under_way.account = under_way.body._account = told.account
    under_way.body.feed(b"3\r\nabc\r\n")
    under_way.body.hold(3)
    under_way.body.hold(-3)  # some of it has gone out
    told.body.feed(b"abc")
    told.account.add(MemoryHolding.UPLOADS, 1 << 28)
    beginning = loop.create_task(read_start(told.body))
    loop.settle(5)
    told.body.feed(b"def")
    loop.settle(5)
    with pytest.raises(UpstreamError):
        beginning.result()
    assert (told.body.broken, told.body.refusal_status) == (True, 503)
    under_way.body.feed(b"3\r\ndef\r\n")
    assert not under_way.body.broken
    assert under_way.body.holds_enough(1_000)
    loop.close()
