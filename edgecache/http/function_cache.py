"""Function caches: results of pure functions kept by their arguments, each with a declared size.

Law: each says how many bytes one entry takes at worst, and all are counted: `cached_bytes` is taken
from what the store may hold. Where strangers choose the arguments, the caller bounds them: nothing
is keyed by more than 4 KiB of a message (`message.is_short`). `runtime.caches` lists them all.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import _lru_cache_wrapper, lru_cache
from typing import Any, TypeVar

BLOCK_BYTES = 13_312  # of fields that are short (`message.is_short`), with as much concluded
DIRECTIVES_BYTES = 14_336  # 256 bytes of directives of two letters
CONFIGURED_BYTES = 1_024  # what only a configuration chooses
MEASURED_SHARE = 1 / 2  # of the worst: a browser's 20 fields of 1 KiB take less than half
REGISTERED: list[tuple[_lru_cache_wrapper[Any], int]] = []
"""Every function cache of the process, and what one of its entries takes at worst, in bytes."""

R = TypeVar("R")


def cached(entries: int, entry_bytes: int) -> Callable[[Callable[..., R]], _lru_cache_wrapper[R]]:
    """Decorator: an LRU cache of so many results, each of at most so many bytes with its key."""

    def decorate(function: Callable[..., R]) -> _lru_cache_wrapper[R]:
        cache = lru_cache(maxsize=entries)(function)
        register(cache, entry_bytes)
        return cache

    return decorate


def register(cache: _lru_cache_wrapper[R], entry_bytes: int) -> None:
    """Count a cache that was made elsewhere, too; one of the same name is counted no more."""
    name = (cache.__module__, cache.__qualname__)
    former = [row for row in REGISTERED if (row[0].__module__, row[0].__qualname__) == name]
    for row in former:
        REGISTERED.remove(row)
    REGISTERED.append((cache, entry_bytes))


def clear_caches() -> None:
    """Empty every cache: the routes of a former configuration are among the keys."""
    for cache, _ in REGISTERED:
        cache.cache_clear()


def cached_bytes() -> int:
    """About what all caches hold in this process now, in bytes."""
    worst = sum(cache.cache_info().currsize * entry_bytes for cache, entry_bytes in REGISTERED)
    return int(worst * MEASURED_SHARE)
