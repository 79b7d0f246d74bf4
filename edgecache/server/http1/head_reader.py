"""Reader of request heads: whole heads out of arriving bytes, pipelined ones too.

Law: linear in the bytes, however they are cut. What was looked at is not looked at again: a head
that comes byte by byte costs what it costs whole, and of many heads in one read each is copied
once. What can become no head is refused at once.
"""

from __future__ import annotations

import re

from edgecache.http.head import oversize
from edgecache.http.message import BadMessage, BadReason, HeadLimits
from edgecache.store.memory_account import MemoryAccount, MemoryHolding

HEAD_BYTES_FREE = 4_096  # a browser's next request may come before the last answer is done with
_BARE = re.compile(rb"(?<!\r)\n|\r(?!\n|\Z)")


class HeadReader:
    """Bytes read from a viewer and not yet served: whole requests, and the start of one."""

    __slots__ = ("_account", "_at", "_counted", "_limits", "_looked", "held")

    def __init__(self, limits: HeadLimits, account: MemoryAccount) -> None:
        self.held: bytes | bytearray = b""  # empty when all was taken
        self._limits = limits
        self._account = account
        self._counted = 0  # bytes of `held` that the account has heard of
        self._at = 0  # where in `held` the next request begins
        self._looked = 0  # up to where no end of its head is

    def add(self, data: bytes) -> None:
        """Append bytes that came."""
        held = self.held
        if not held:
            self.held = data
            return
        if isinstance(held, bytes):
            held = self.held = bytearray(held[self._at :])
        else:
            del held[: self._at]
        self._looked -= self._at
        self._at = 0
        held += data

    def hold(self, data: bytes) -> bool:
        """Append bytes for later; False when what viewers send ahead has its share of memory."""
        self.add(data)
        return self.count()

    def count(self) -> bool:
        """Count what is held until it is taken; False, and nothing is held any more, when what
        viewers send ahead has its share of memory. One head is let be, as half of one is.
        """
        if len(self) > HEAD_BYTES_FREE and not self._account.has_room(MemoryHolding.HEADS):
            self.take()
            return False
        self._account.add(MemoryHolding.HEADS, len(self) - self._counted)
        self._counted = len(self)
        return True

    def next(self) -> bytes | None:
        """The next whole head through its empty line, or None when more must come. BadMessage."""
        held, start = self.held, self._at
        if held.startswith(b"\r\n", start):
            start += 2  # RFC 9112 §2.2: one empty line is skipped
        end = held.find(b"\r\n\r\n", max(start, self._looked - 3)) + 4
        if end == 3 or end - start > self._limits.head_bytes_max:
            self._judge(start)
            self._looked = len(held)
            return None
        head = bytes(held[start:end])
        if end == len(held):
            self.take()
        else:
            self._at = self._looked = end
            if self._counted:
                self._settle()
        return head

    def take(self) -> bytes:
        """All that is here, which is no head: a body's beginning, or bytes of a tunnel."""
        taken = self.held[self._at :] if self._at else self.held
        self.held, self._at, self._looked = b"", 0, 0
        if self._counted:
            self._settle()
        return bytes(taken)

    def _settle(self) -> None:
        """What was counted and is here no more is given back at once, not at the next look."""
        gone = self._counted - len(self)
        if gone > 0:
            self._counted -= gone
            self._account.add(MemoryHolding.HEADS, -gone)

    def __len__(self) -> int:
        """Bytes held."""
        return len(self.held) - self._at

    def _judge(self, start: int) -> None:
        """Refuse what can no longer become a good head."""
        held = self.held
        if len(held) - start > self._limits.head_bytes_max:
            raise oversize(bytes(held[start : start + self._limits.head_bytes_max]), self._limits)
        again = held.startswith(b"\r\n", start)
        if again or _BARE.search(held, max(start, self._looked - 1)):
            raise BadMessage(BadReason.FIELD)
