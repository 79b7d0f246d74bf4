"""The heap is settled where the C library has what that takes."""

from __future__ import annotations

import ctypes
import platform

import pytest

from edgecache.runtime.memory_tuning import (
    TRIM_AGAIN,
    TRIM_BYTES,
    TRIM_UNKNOWN_BYTES,
    MallocTrimmer,
    resident_bytes,
    trim_heap,
    tune_malloc,
)


def test_it_is_settled_with_glibc() -> None:
    assert tune_malloc() is (platform.libc_ver()[0] == "glibc")


def test_without_glibc_nothing_is_done(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ctypes, "CDLL", lambda name: object())
    assert not tune_malloc()


def test_it_is_trimmed_with_glibc_and_only_there(monkeypatch: pytest.MonkeyPatch) -> None:
    trim_heap()
    monkeypatch.setattr(ctypes, "CDLL", lambda name: object())
    assert not trim_heap()


def test_it_is_trimmed_once_much_of_what_was_held_is_gone() -> None:
    trimmed: list[None] = []
    trimming = MallocTrimmer(lambda: trimmed.append(None))
    held = [0, 10, 40, 30, 26, 24, 24, 9, 8, 7, 60, 0, 0]
    told = [trimming.tick(size * TRIM_BYTES // 16) for size in held]
    assert [size for size, yes in zip(held, told, strict=True) if yes] == [24, 8, 0]
    assert len(trimmed) == 3


def test_it_is_trimmed_after_a_burst_between_two_ticks() -> None:
    """Nothing was held at either; what the burst has left in the heap nobody accounts for."""
    trimming = MallocTrimmer(lambda: None)
    base = 80 * TRIM_BYTES
    assert not trimming.tick(0, base)
    assert not trimming.tick(0, base + TRIM_BYTES)
    assert trimming.tick(0, base + TRIM_UNKNOWN_BYTES)
    assert not trimming.tick(0, base)


def test_what_a_trim_does_not_give_back_is_tried_for_less_and_less_often() -> None:
    trimming = MallocTrimmer(lambda: None)
    trimming.tick(0, 0)
    told = [trimming.tick(0, TRIM_UNKNOWN_BYTES) for _ in range(10 * TRIM_AGAIN)]
    assert [at for at, yes in enumerate(told) if yes] == [
        0,
        TRIM_AGAIN,
        3 * TRIM_AGAIN,
        7 * TRIM_AGAIN,
    ]
    assert not trimming.tick(0, 0)
    assert trimming.tick(0, TRIM_UNKNOWN_BYTES)  # another burst


def test_what_is_resident_is_told() -> None:
    assert resident_bytes() > 10_000_000
