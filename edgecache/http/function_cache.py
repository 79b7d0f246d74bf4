"""Conclusions that are remembered by the bytes they were drawn from. Law: each says what it takes.

A place is one key with its conclusion. Where strangers choose the key, the longest that may be
remembered is bounded by who asks, and the bytes here are what a place then takes at worst.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import _lru_cache_wrapper, lru_cache
from typing import Any, TypeVar

BLOCK_BYTES = 13_312  # of fields that are short (`message.is_short`), with as much concluded
DIRECTIVES_BYTES = 14_336  # 256 bytes of directives of two letters
CONFIGURED_BYTES = 1_024  # what only a configuration chooses
WORST_SHARE = 1 / 2  # that is counted: a browser's 20 fields of 1 KiB take less than half
KNOWN: list[tuple[_lru_cache_wrapper[Any], int]] = []

R = TypeVar("R")


def remembers(places: int, place_bytes: int) -> Callable[[Callable[..., R]], _lru_cache_wrapper[R]]:
    """Have conclusions of a function remembered, the latest ones; each takes so many bytes."""

    def remembering(function: Callable[..., R]) -> _lru_cache_wrapper[R]:
        cache = lru_cache(maxsize=places)(function)
        count(cache, place_bytes)
        return cache

    return remembering


def count(cache: _lru_cache_wrapper[R], place_bytes: int) -> None:
    """What a memory made elsewhere holds is counted too."""
    KNOWN.append((cache, place_bytes))


def forget() -> None:
    """Let go of everything remembered: the routes of a former configuration are among the keys."""
    for cache, _ in KNOWN:
        cache.cache_clear()


def remembered_bytes() -> int:
    """About what all that is remembered takes in this process."""
    worst = sum(cache.cache_info().currsize * place_bytes for cache, place_bytes in KNOWN)
    return int(worst * WORST_SHARE)
