"""A fill that breaks off. Law: no reader's frames hang on what another reader is told."""

from __future__ import annotations

import traceback

import pytest

from edgecache.cache.fill import Fill
from edgecache.cache.slices.fetch import ObjectChanged
from edgecache.store.memory_account import MemoryAccount
from edgecache.upstream.faults import Fault, UpstreamError
from tests.rules.pieces import answer
from tests.world.clock import FakeClock, FakeLoop
from tests.world.origin import HeldBody


def test_each_reader_of_a_broken_fill_is_told_by_an_error_of_its_own() -> None:
    body = HeldBody(100)
    fill = Fill(answer(200), body, 1 << 20, lambda _whole: None, MemoryAccount(100))
    readers = [fill.reader(None) for _ in range(3)]
    body.break_off()
    loop = FakeLoop(FakeClock())
    loop.run_until_complete(fill.pump())
    loop.close()
    told = []
    for reader in readers:
        with pytest.raises(UpstreamError) as caught:
            reader.read_nowait()
        told.append(caught.value)
    assert len({id(error) for error in told}) == 3
    depths = {len(traceback.extract_tb(error.__traceback__)) for error in told}
    assert len(depths) == 1, "the frames of former readers are kept"
    assert fill.error is not None
    assert fill.error.__traceback__ is None
    assert {(error.fault, error.where) for error in told} == {(Fault.TRUNCATED, "origin")}


def test_a_failure_told_again_is_of_its_own_kind() -> None:
    again = ObjectChanged().again()
    assert type(again) is ObjectChanged
    assert (again.fault, str(again)) == (Fault.CHANGED, f"origin: {Fault.CHANGED}")


def test_a_fault_of_our_own_leaves_nobody_waiting() -> None:
    def fails(_whole: bytes | None) -> None:
        raise AssertionError("of the store, say")

    body = HeldBody(None)
    fill = Fill(answer(200), body, 1, fails, MemoryAccount(100))
    reader = fill.reader(None)
    body.put(b"more than is kept")
    loop = FakeLoop(FakeClock())
    with pytest.raises(AssertionError):
        loop.run_until_complete(fill.pump())
    loop.close()
    assert reader.read_nowait()
    with pytest.raises(UpstreamError):
        reader.read_nowait()
