"""Words of memory that the workers of a location share: made by their supervisor, mapped by each.

Law: the memory has no name and no file; it ends with the last process that has it. A word (64 bits)
is read at once, as aligned ones are on all machines of today; who writes holds the lock, which the
system takes from a process that ends (POSIX record locks). A secret of 32 bytes and the instant at
which the memory was made (CLOCK_MONOTONIC, one for all processes of a machine) stand before them.
"""

from __future__ import annotations

import fcntl
import mmap
import os
import struct
import time
from typing import NamedTuple

from edgecache.runtime.environment import random_bytes

WORDS_FD_ENV = "EDGECACHE_SHARED_WORDS_FD"
SECRET_BYTES = 32
_HEADER = struct.Struct(f"={SECRET_BYTES}sd24x")  # 64 bytes: a line of the cache
_WORD_BYTES = 8


class WordsLock:
    """What one process at a time holds, for a few microseconds. Not for threads of one process."""

    __slots__ = ("_fd",)

    def __init__(self, fd: int) -> None:
        self._fd = fd

    def __enter__(self) -> None:
        fcntl.lockf(self._fd, fcntl.LOCK_EX, 1)

    def __exit__(self, *_: object) -> None:
        fcntl.lockf(self._fd, fcntl.LOCK_UN, 1)


class SharedWords(NamedTuple):
    """`words` as unsigned numbers of 64 bits; `age_s` of the memory, when it was mapped."""

    words: memoryview
    secret: bytes
    age_s: float
    lock: WordsLock


def make_shared_words(count: int) -> int | None:
    """The descriptor of new memory for so many words, all 0; None where the system has no memfd.

    OSError when there is no memory or descriptor left.
    """
    if not hasattr(os, "memfd_create"):
        return None
    fd = os.memfd_create("edgecache-words")
    os.ftruncate(fd, _HEADER.size + count * _WORD_BYTES)
    os.pwrite(fd, _HEADER.pack(random_bytes(SECRET_BYTES), time.monotonic()), 0)
    return fd


def map_shared_words(fd: int) -> SharedWords:
    """The memory of a descriptor that `make_shared_words` gave. OSError, ValueError if it is none.

    It stays mapped for the life of the process, which must not close the descriptor: with it the
    lock would be gone.
    """
    memory = mmap.mmap(fd, os.fstat(fd).st_size)
    secret, made_at = _HEADER.unpack_from(memory)
    words = memoryview(memory)[_HEADER.size :].cast("Q")
    return SharedWords(words, secret, time.monotonic() - made_at, WordsLock(fd))


def inherited_shared_words() -> SharedWords | None:
    """Those that the supervisor handed to this process; None: it has none. To be called once."""
    text = os.environ.pop(WORDS_FD_ENV, "")
    if not text.isdecimal():
        return None
    try:
        os.set_inheritable(int(text), False)
        return map_shared_words(int(text))
    except (OSError, ValueError, struct.error):
        return None  # a wrapper between the two closed it
