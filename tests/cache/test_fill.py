"""Fills: several readers of one arriving body, against a model; only a whole body is stored."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
)

from edgecache.cache.bodies import PrefixedBody, SlicedBody
from edgecache.cache.fill import REST_BYTES_WORTH_FINISHING, Fill, FillBody
from edgecache.http.ranges import Span
from edgecache.store.memory_account import MemoryAccount
from edgecache.upstream.faults import Fault, UpstreamError
from edgecache.upstream.interface import Body, WholeBody
from tests.rules.pieces import answer
from tests.world.clock import FakeClock, FakeLoop
from tests.world.origin import HeldBody

PIECES_MAX = 6
TURNS = 6  # of the loop: enough for a task to wake, read, and wait again


class Stage:
    """A fill in its own loop, and what it told at its end."""

    def __init__(self, length: int | None, keep: int = 1 << 20, ahead_bytes: int = 0) -> None:
        self.clock = FakeClock()
        self.loop = FakeLoop(self.clock)
        self.body = HeldBody(length)
        self.told: list[bytes | None] = []
        self.account = MemoryAccount(1 << 30, ahead_bytes)
        self.fill = Fill(answer(200), self.body, keep, self.told.append, self.account)
        self.tasks: list[asyncio.Task[None]] = []

    def spawn(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        self.tasks.append(self.loop.create_task(work))
        return self.tasks[-1]

    def start(self) -> Stage:
        self.fill.start(self.spawn)
        return self.settle()

    def arrives(self, *pieces: bytes) -> Stage:
        for piece in pieces:
            self.body.put(piece)
        return self.settle()

    def settle(self) -> Stage:
        self.loop.settle(TURNS)
        return self

    def close(self) -> None:
        self.settle()
        left = [task for task in self.tasks if not task.done()]
        for task in left:
            task.cancel()
        self.settle()
        for reader in () if self.fill is None else tuple(self.fill._readers):
            reader.close()
        self.settle()
        self.loop.close()
        assert not left, "a fill is left running"
        self.account.check()


class Reader:
    """One reader, and what it should get."""

    def __init__(self, body: FillBody, expected: bytes) -> None:
        self.body = body
        self.expected = expected
        self.got = b""
        self.ended = False
        self.broken = False

    def read(self) -> bool:
        """Take one piece; False when there was none."""
        try:
            data = self.body.read_nowait()
        except UpstreamError:
            self.broken = True
            return False
        self.got += data or b""
        self.ended = self.ended or data == b""
        return bool(data)


class Interleavings(RuleBasedStateMachine):
    """Any order of arriving, joining, reading and leaving."""

    @initialize(
        pieces=st.lists(st.binary(min_size=1, max_size=4), max_size=PIECES_MAX),
        ready=st.integers(0, 2),
        keep=st.sampled_from([0, 3, 8, 100]),
        tells_length=st.booleans(),
        data=st.data(),
    )
    def begin(
        self, pieces: list[bytes], ready: int, keep: int, tells_length: bool, data: st.DataObject
    ) -> None:
        self.whole, self.keep = b"".join(pieces), keep
        self.stage = Stage(len(self.whole) if tells_length else None, keep)
        self.coming = [*pieces, b""]
        self.readers: list[Reader] = []
        self.broke = False
        for _ in range(min(ready, len(self.coming))):
            self.stage.body.put(self.coming.pop(0))
        self.stage.fill.take_ready()
        self._join(data)
        if not self.stage.fill.ended:
            self.stage.start()

    def _join(self, data: st.DataObject) -> None:
        span = None
        if self.whole and data.draw(st.booleans()):
            first = data.draw(st.integers(0, len(self.whole) - 1))
            span = Span(first, data.draw(st.integers(first, len(self.whole) - 1)))
        expected = self.whole if span is None else self.whole[span.first : span.last + 1]
        self.readers.append(Reader(self.stage.fill.reader(span), expected))

    @precondition(lambda self: self.stage.fill.joinable)
    @rule(data=st.data())
    def join(self, data: st.DataObject) -> None:
        self._join(data)

    @precondition(lambda self: self.coming and not self.broke)
    @rule()
    def arrive(self) -> None:
        self.stage.arrives(self.coming.pop(0))

    @precondition(lambda self: self.coming and not self.broke)
    @rule()
    def break_off(self) -> None:
        self.broke = True
        self.stage.body.break_off()
        self.stage.settle()

    @rule(which=st.integers(0, 9), times=st.integers(1, 5))
    def read(self, which: int, times: int) -> None:
        if not self.readers:
            return
        reader = self.readers[which % len(self.readers)]
        for _ in range(times):
            reader.read()
        self.stage.settle()

    @precondition(lambda self: self.readers)
    @rule(which=st.integers(0, 9), twice=st.booleans())
    def leave(self, which: int, twice: bool) -> None:
        reader = self.readers.pop(which % len(self.readers))
        reader.body.close()
        if twice:
            reader.body.close()
        self.stage.settle()

    @invariant()
    def each_has_a_beginning_of_its_span(self) -> None:
        for reader in self.readers:
            assert reader.expected.startswith(reader.got)
            assert not reader.ended or reader.got == reader.expected
            assert not reader.broken or self.broke

    @invariant()
    def only_a_whole_body_is_stored_and_the_end_is_told_once(self) -> None:
        told = self.stage.told
        assert len(told) <= 1
        assert bool(told) is not self.stage.fill.joinable
        if told and told[0] is not None:
            assert told[0] == self.whole
            assert not self.coming
            assert len(self.whole) <= self.keep

    def teardown(self) -> None:
        if hasattr(self, "stage"):
            try:
                self.everyone_reads_to_the_end()
            finally:
                self.stage.close()
            self.only_a_whole_body_is_stored_and_the_end_is_told_once()
            assert self.stage.told

    def everyone_reads_to_the_end(self) -> None:
        while self.coming and not self.broke:
            self.arrive()
        for _ in range(PIECES_MAX + 2):  # one piece at a time when nothing more is kept
            for reader in list(self.readers):
                while reader.read():
                    pass
                if reader.ended or reader.broken:
                    self.readers.remove(reader)
                    reader.body.close()
                    assert self.broke or reader.got == reader.expected
            self.stage.settle()
        assert not self.readers, "readers wait for one another"


Interleavings.TestCase.settings = settings(deadline=None, max_examples=60, stateful_step_count=20)
TestInterleavings = Interleavings.TestCase


def test_what_is_here_already_is_taken_without_a_task() -> None:
    stage = Stage(3)
    for piece in (b"ab", b"c", b""):
        stage.body.put(piece)
    assert stage.fill.take_ready()
    assert stage.told == [b"abc"]
    reader = stage.fill.reader(Span(1, 1))
    assert (reader.length, reader.read_nowait(), reader.read_nowait()) == (1, b"b", b"")
    stage.close()


def test_a_reader_waits_for_what_comes_and_is_woken_by_it() -> None:
    stage = Stage(None).start()
    reader = stage.fill.reader(None)
    waiting = stage.loop.create_task(reader.read())
    stage.settle()
    assert not waiting.done()
    stage.arrives(b"a")
    assert waiting.result() == b"a"
    again = stage.loop.create_task(reader.read())
    stage.arrives(b"")
    assert again.result() == b""
    stage.close()


def test_a_reader_that_waits_is_told_when_it_breaks_off() -> None:
    stage = Stage(5).start()
    waiting = stage.loop.create_task(stage.fill.reader(None).read())
    stage.settle()
    stage.body.break_off()
    stage.settle()
    with pytest.raises(UpstreamError) as raised:
        waiting.result()
    assert raised.value.fault is Fault.TRUNCATED
    assert stage.told == [None]
    assert stage.body.closed
    stage.close()


def test_beyond_what_is_kept_arrival_waits_for_the_slowest() -> None:
    stage = Stage(None, keep=4).start()
    fast, slow = stage.fill.reader(None), stage.fill.reader(None)
    stage.arrives(b"1234", b"5678", b"9abc", b"defg", b"")
    assert stage.told == [None]
    assert [fast.read_nowait() for _ in range(3)] == [b"1234", b"5678", None]
    stage.settle()
    assert fast.read_nowait() is None
    assert [slow.read_nowait() for _ in range(2)] == [b"1234", b"5678"]
    stage.settle()
    assert fast.read_nowait() == b"9abc"
    slow.close()
    stage.settle()
    assert fast.read_nowait() == b"defg"
    stage.settle()
    assert fast.read_nowait() == b""
    stage.close()


@pytest.mark.parametrize(
    ("length", "finishes"),
    [
        (None, False),
        (REST_BYTES_WORTH_FINISHING + 1, True),
        (REST_BYTES_WORTH_FINISHING + 2, False),
    ],
)
def test_when_the_last_reader_leaves_it_stops_unless_nearly_done(
    length: int | None, finishes: bool
) -> None:
    stage = Stage(length, keep=1 << 22).start()
    one, other = stage.fill.reader(None), stage.fill.reader(None)
    stage.arrives(b"x")
    one.close()
    stage.settle()
    assert not stage.body.closed
    other.close()
    stage.settle()
    assert stage.body.closed is not finishes
    assert stage.fill.joinable is finishes
    if finishes:
        stage.arrives(b"y" * REST_BYTES_WORTH_FINISHING, b"")
    assert stage.told == [b"x" + b"y" * REST_BYTES_WORTH_FINISHING if finishes else None]
    stage.close()


def test_with_nobody_reading_it_stops_once_it_cannot_be_stored() -> None:
    stage = Stage(None, keep=2).start()
    stage.arrives(b"123")
    assert stage.told == [None]
    assert stage.body.closed
    stage.close()


def test_a_cancelled_task_closes_the_body_and_tells_the_readers() -> None:
    stage = Stage(None).start()
    reader = stage.fill.reader(None)
    stage.tasks[0].cancel()
    stage.settle()
    assert stage.told == [None]
    assert stage.body.closed
    with pytest.raises(UpstreamError):
        reader.read_nowait()
    stage.close()


def drained(body: Body) -> bytes:
    return b"".join(iter(body.read_nowait, b""))  # type: ignore[arg-type]


@pytest.mark.parametrize("first", range(6))
@pytest.mark.parametrize("last", range(6))
def test_a_sliced_and_a_prefixed_body(first: int, last: int) -> None:
    if first > last:
        return
    body = SlicedBody(PrefixedBody(b"012", WholeBody(b"345")), Span(first, last))
    assert body.length == last - first + 1
    assert drained(body) == b"012345"[first : last + 1]


def test_a_prefix_is_not_the_end() -> None:
    assert drained(PrefixedBody(b"", WholeBody(b"abc"))) == b"abc"
    assert PrefixedBody(b"ab", HeldBody(None)).length is None
    assert PrefixedBody(b"ab", HeldBody(3)).length == 5
