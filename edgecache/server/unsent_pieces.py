"""Unsent pieces: what waits on one of many streams for a window or its turn (HTTP/2 and HTTP/3).

Law: by reference and in the account. What is part of a large body counts as that body does, once
however many streams send it; the rest by its own bytes.
"""

from __future__ import annotations

from collections import deque

from msgspec import Struct, field

from edgecache.server.output_buffer import whole_of
from edgecache.store.memory_account import LARGE_BYTES, MemoryAccount, MemoryHolding

Piece = bytes | memoryview


class UnsentPieces(Struct, eq=False):
    """A queue of pieces, in order; `size` is their bytes."""

    account: MemoryAccount
    size: int = 0
    _pieces: deque[Piece] = field(default_factory=deque)

    def add(self, piece: Piece) -> None:
        """Put `piece` behind the others."""
        self.size += len(piece)
        self._pieces.append(piece)
        self._hold(piece, 1)

    def take(self, out: list[Piece], count: int) -> None:
        """Append the next `count` bytes to `out`; there are so many."""
        pieces, left = self._pieces, count
        while left:
            piece = pieces[0]
            self._hold(piece, -1)
            if len(piece) <= left:
                out.append(piece)
                left -= len(piece)
                pieces.popleft()
                continue
            view = memoryview(piece)
            out.append(view[:left])
            pieces[0] = view[left:]
            self._hold(pieces[0], 1)
            left = 0
        self.size -= count

    def clear(self) -> None:
        """Nothing of it is sent any more."""
        for piece in self._pieces:
            self._hold(piece, -1)
        self._pieces.clear()
        self.size = 0

    def _hold(self, piece: Piece, sign: int) -> None:
        account, whole = self.account, whole_of(piece)
        if len(whole) < LARGE_BYTES:
            account.add(MemoryHolding.UNSENT, sign * len(piece))
        elif sign > 0:
            account.lend(whole)
        else:
            account.give_back(whole)
