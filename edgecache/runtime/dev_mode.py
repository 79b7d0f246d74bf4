"""Dev mode of a process: a clock that can be moved, and ids that come again.

Law: what makes dev mode is memory that the supervisor made and handed on; no file and no variable
of a user's does. How far the clock stands ahead is one word of it, read with each look at a clock:
all processes move at one instant. It moves back by a reset alone. What bounds waiting for others
(the loop's timeouts, handshakes, credentials between our processes) goes by real time.
"""

from __future__ import annotations

import mmap
import os
import tempfile
from collections.abc import Callable
from random import Random
from typing import NamedTuple

import msgspec

from edgecache.runtime.environment import random_bytes, steady_clock, wall_clock

DEV_ENV = "EDGECACHE_DEV_MODE"  # what a process is told of the memory: see _Handed
_OFFSET, _PREPARED = range(2)  # places of the words
_BYTES = 64  # a line of the cache

Clock = Callable[[], float]


class _Handed(msgspec.Struct, frozen=True):
    """What the supervisor tells a process: the memory's descriptor, and what ids are drawn from."""

    fd: int
    seed: int | None = None


class Clocks(NamedTuple):
    """Clocks of a process (epoch seconds): `steady` does not step, `wall` is as the machine's."""

    steady: Clock
    wall: Clock


def _nothing() -> None: ...


class DevMode:
    """The memory of one installation in dev mode, as one of its processes has it."""

    __slots__ = ("_seen_s", "_words", "fd", "on_set_back", "seed")

    def __init__(self, fd: int, seed: int | None = None) -> None:
        self.fd = fd
        self.seed = seed
        self.on_set_back: Callable[[], None] = _nothing
        self._seen_s = 0.0  # how far ahead the clock was at the last look
        self._words = memoryview(mmap.mmap(fd, _BYTES)).cast("d")

    def moved_s(self) -> float:
        """How far the clock stands ahead of the machine's, in seconds."""
        return float(self._words[_OFFSET])

    def move(self, ahead_s: float) -> None:
        """Have every process's clock stand so far ahead, at once. Control's to do."""
        self._words[_OFFSET] = ahead_s

    @property
    def is_prepared(self) -> bool:
        """Whether everything that was to be done at the start has been done."""
        return bool(self._words[_PREPARED])

    def prepared(self) -> None:
        """All has been done. The supervisor's to say."""
        self._words[_PREPARED] = 1.0

    def clocks(self) -> Clocks:
        """Clocks that follow the offset.

        Whoever looks at one that was set back has `on_set_back` called before he knows the time:
        nothing is concluded from what was to last until a time that is ahead now.
        """
        steady = steady_clock()
        return Clocks(lambda: steady() + self._followed(), lambda: wall_clock() + self._followed())

    def _followed(self) -> float:
        ahead_s = float(self._words[_OFFSET])
        if ahead_s != self._seen_s:
            is_back, self._seen_s = ahead_s < self._seen_s, ahead_s
            if is_back:
                self.on_set_back()
        return ahead_s

    def environment(self) -> dict[str, str]:
        """What a process that inherits `fd` is told by its environment."""
        return {DEV_ENV: msgspec.json.encode(_Handed(self.fd, self.seed)).decode()}


def make_dev_mode(seed: int | None = None) -> DevMode:
    """A new memory, of a supervisor. OSError when there is no memory or descriptor left."""
    with tempfile.TemporaryFile() as file:  # it has no name, and ends with the last process
        file.truncate(_BYTES)
        return DevMode(os.dup(file.fileno()), seed)


def inherited_dev_mode() -> DevMode | None:
    """That which the supervisor handed to this process; None: it is in none. To be called once.

    A process that was to have one and cannot map it does not start: the others would move without
    it. OSError, ValueError.
    """
    text = os.environ.pop(DEV_ENV, "")
    if not text:
        return None
    handed = msgspec.json.decode(text, type=_Handed)
    os.set_inheritable(handed.fd, False)
    return DevMode(handed.fd, handed.seed)


def clocks_of(dev: DevMode | None) -> Clocks:
    """The clocks of a process: those of the machine where it is in no dev mode."""
    return Clocks(steady_clock(), wall_clock) if dev is None else dev.clocks()


class SeededBytes:
    """Random bytes that come again in the same order after `restart`; without a seed they do not.

    Made for ids of resources in tests. No secret is drawn from it.
    """

    def __init__(self, seed: int | None) -> None:
        self._seed = seed
        self.restart()

    def restart(self) -> None:
        """Begin anew."""
        self._random = None if self._seed is None else Random(self._seed)

    def __call__(self, count: int) -> bytes:
        return random_bytes(count) if self._random is None else self._random.randbytes(count)
