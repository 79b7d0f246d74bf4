"""Writes: which keys an unsafe request may have changed, so that nothing asked before is kept.

A write is numbered as its answer comes. What was asked of the origin at number n may be stored,
joined or put back while no later write has named its key (RFC 9111 §4.4). Law: where that is not
known any more, it may not. Each process knows those that passed through it.
"""

from __future__ import annotations

KEYS_MAX = 10_000  # keys are chosen by strangers; 1.5 MB, as a number stands for each


class UnsafeWrites:
    """The writes of one tier; of the oldest it is known only that there were some.

    `last` is the number of the newest one.
    """

    __slots__ = ("_floor", "_keys_max", "_numbers", "last")

    def __init__(self, keys_max: int = KEYS_MAX) -> None:
        self.last = 0
        self._floor = 0  # what was asked before it is not known of any more
        self._keys_max = keys_max
        self._numbers: dict[int, int] = {}  # by the hash of a key, the oldest first

    def note(self, key: bytes) -> None:
        """What is stored under `key` may be outdated from now on."""
        self.last += 1
        hashed = hash(key)
        self._numbers.pop(hashed, None)
        self._numbers[hashed] = self.last
        if len(self._numbers) > self._keys_max:
            self._floor = self._numbers.pop(next(iter(self._numbers)))

    def passes(self, key: bytes, since: int) -> bool:
        """Whether what was asked for `key` after write number `since` is as good as new."""
        if since == self.last:
            return True
        return since >= self._floor and self._numbers.get(hash(key), 0) <= since

    def __len__(self) -> int:
        return len(self._numbers)
