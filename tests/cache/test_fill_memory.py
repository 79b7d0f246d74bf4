"""What a fill holds, and that it goes by counting references: nothing waits for the collector."""

from __future__ import annotations

import gc
import weakref

import pytest

from edgecache.cache.fill import Fill
from edgecache.http.ranges import Span
from edgecache.store.memory_account import MemoryAccount, MemoryHolding
from edgecache.upstream.faults import UpstreamError
from edgecache.upstream.interface import WholeBody
from tests.cache.test_fill import Stage
from tests.rules.pieces import answer
from tests.world.clock import START


class Held:
    """What a fill's end is told through; it leads back to the fill, as a flight does."""

    fill: Fill | None = None

    def __call__(self, _whole: bytes | None) -> None: ...


def test_it_goes_with_the_last_who_reads_it_and_waits_for_no_collector() -> None:
    gc.collect()
    gc.disable()
    try:
        held = Held()
        held.fill = fill = Fill(answer(200), WholeBody(b"body"), 100, held, MemoryAccount(100))
        gone = weakref.ref(held)
        assert fill.take_ready()
        del held, fill
        assert gone() is None
    finally:
        gc.enable()


class Piece(bytes):
    """Bytes of a body, whose going is counted."""

    alive = 0

    def __new__(cls, data: bytes) -> Piece:
        Piece.alive += 1
        return super().__new__(cls, data)

    def __del__(self) -> None:
        Piece.alive -= 1


def arrive(stage: Stage, count: int) -> None:
    """So many pieces of a thousand bytes."""
    stage.arrives(*[Piece(b"x" * 1_000) for _ in range(count)])


@pytest.mark.parametrize("length", [None, 10 << 20])
@pytest.mark.parametrize("keep", [500, 1 << 22])
@pytest.mark.parametrize("read", [0, 2])
def test_a_download_that_is_broken_off_leaves_nothing_and_waits_for_no_collector(
    length: int | None, keep: int, read: int
) -> None:
    """Who held a fill may hold it for long: a task, an error, a connection, a flight."""
    stage = Stage(length, keep)
    gc.disable()
    try:
        stage.start()
        reader = stage.fill.reader(None)
        arrive(stage, 4)
        for _ in range(read):
            assert reader.read_nowait()
            stage.settle()
        reader.close()
        stage.settle()
        fill, stage.fill = stage.fill, None  # type: ignore[assignment]
        assert not Piece.alive, "pieces stay while the fill is held"
        gone = weakref.ref(fill)
        del fill, reader
        stage.tasks.clear()
        assert gone() is None, "a cycle holds the fill"
    finally:
        gc.enable()
    stage.close()


def test_what_broke_off_at_the_origin_goes_with_its_last_reader() -> None:
    stage = Stage(10_000).start()
    gc.disable()
    try:
        one, other = stage.fill.reader(None), stage.fill.reader(None)
        arrive(stage, 2)
        stage.body.break_off()
        stage.settle()
        for reader in (one, other):
            assert [len(reader.read_nowait() or b"") for _ in range(2)] == [1_000, 1_000]
            with pytest.raises(UpstreamError):
                reader.read_nowait()
        assert not Piece.alive
        one.close()
        other.close()
        gone, stage.fill = weakref.ref(stage.fill), None  # type: ignore[assignment]
        stage.tasks.clear()
        del one, other, reader
        assert gone() is None, "an error that was raised leads back to it"
    finally:
        gc.enable()
    stage.close()


def test_of_a_whole_there_is_one_copy() -> None:
    stage = Stage(4_000).start()
    early, late = stage.fill.reader(None), stage.fill.reader(Span(500, 3_499))
    arrive(stage, 4)
    assert early.read_nowait() == b"x" * 1_000
    stage.arrives(b"")
    assert not Piece.alive
    assert b"".join(iter(early.read_nowait, b"")) == b"x" * 3_000  # type: ignore[arg-type]
    assert b"".join(iter(late.read_nowait, b"")) == b"x" * 3_000  # type: ignore[arg-type]
    stage.close()


def test_while_memory_is_short_a_body_arrives_no_faster_than_its_foremost_reader_takes_it() -> None:
    stage = Stage(None, ahead_bytes=1_500).start()
    stage.account.add(MemoryHolding.UNSENT, 300 << 20)
    one, other = stage.fill.reader(None), stage.fill.reader(None)
    arrive(stage, 10)
    assert stage.account.held[MemoryHolding.FILLS] == 2_000, "it ran ahead"
    for arrived in (3_000, 4_000, 5_000):
        assert one.read_nowait()
        stage.settle()
        assert stage.account.held[MemoryHolding.FILLS] == arrived
    assert other.read_nowait(), "the slower one reads what is there"
    assert stage.fill.joinable
    stage.account.add(MemoryHolding.UNSENT, -300 << 20)
    assert one.read_nowait()
    stage.settle()
    assert stage.account.held[MemoryHolding.FILLS] == 10_000
    one.close()
    other.close()
    stage.close()


def test_when_there_is_no_room_it_is_not_kept_and_what_was_read_goes() -> None:
    stage = Stage(None, ahead_bytes=1_500).start()
    reader = stage.fill.reader(None)
    arrive(stage, 3)
    assert [len(reader.read_nowait() or b"") for _ in range(2)] == [1_000] * 2
    stage.account.add(MemoryHolding.UNSENT, 600 << 20)
    arrive(stage, 1)
    assert stage.told == [None]
    assert stage.account.held[MemoryHolding.FILLS] == 2_000
    reader.close()
    stage.account.add(MemoryHolding.UNSENT, -600 << 20)
    stage.close()


def test_who_is_far_behind_is_let_go_once_the_others_have_waited_long_enough() -> None:
    stage = Stage(None, keep=1_000, ahead_bytes=3_000).start()
    fast, slow = stage.fill.reader(None), stage.fill.reader(None)
    arrive(stage, 50)
    got: list[bytes] = []

    async def read_on() -> None:
        while data := await fast.read():
            got.append(data)

    reading = stage.loop.create_task(read_on())
    for _ in range(30):  # ten times a second it reads a thousand bytes
        stage.settle()
        if slow.too_slow:
            break
        assert slow.read_nowait()
        stage.settle()
        stage.clock.now += 0.1
    assert slow.too_slow
    assert stage.clock.now - START > 1.0, "a moment is let pass"
    assert len(got) >= 10, "they waited for it"
    with pytest.raises(UpstreamError):
        slow.read_nowait()
    slow.close()
    stage.arrives(b"")
    stage.loop.settle()
    assert reading.done()
    assert sum(map(len, got)) == 50_000
    stage.close()


def test_who_reads_alone_is_let_go_by_nobody() -> None:
    stage = Stage(None, keep=1_000, ahead_bytes=3_000).start()
    slow = stage.fill.reader(None)
    arrive(stage, 10)
    for _ in range(10):
        stage.clock.now += 100
        stage.settle()
        assert slow.read_nowait()
    slow.close()
    stage.close()


def test_what_had_broken_off_before_it_was_looked_at_is_not_held() -> None:
    stage = Stage(4_000)
    stage.body.put(b"x" * 1_000)
    stage.body.break_off()
    with pytest.raises(UpstreamError):
        stage.fill.take_ready()
    assert stage.told == [None]
    assert stage.body.closed
    stage.close()


@pytest.mark.parametrize("ended", [True, False])
def test_what_cannot_be_kept_is_not_held_for_nobody(ended: bool) -> None:
    """Its viewer asked with a condition, say, and gets a 304."""
    stage = Stage(None)
    stage.account.add(MemoryHolding.UNSENT, 600 << 20)
    for piece in (b"x" * 1_000, b"") if ended else (b"x" * 1_000,):
        stage.body.put(piece)
    assert stage.fill.take_ready() is ended
    stage.start()
    assert stage.account.held[MemoryHolding.FILLS] == 0
    stage.arrives(b"")
    assert stage.account.held[MemoryHolding.FILLS] == 0
    stage.account.add(MemoryHolding.UNSENT, -600 << 20)
    stage.close()
