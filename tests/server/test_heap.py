"""The heap is settled where the C library has what that takes."""

from __future__ import annotations

import ctypes
import platform

import pytest

from edgecache.server.heap import settle_heap


def test_it_is_settled_with_glibc() -> None:
    assert settle_heap() is (platform.libc_ver()[0] == "glibc")


def test_without_glibc_nothing_is_done(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ctypes, "CDLL", lambda name: object())
    assert not settle_heap()
