"""The memo. Law: it holds no rules; it only repeats what `decide` concluded from the same bytes.

Filled with the exact bytes of heads the strict reader has accepted, and used only while the
answer's lease stands. Without it everything is the same, but slower.
"""

from __future__ import annotations

from dataclasses import dataclass

from edgecache.rules.routing import RouteTable
from edgecache.server.answering import Answer
from edgecache.server.telling import Asked
from edgecache.store.marks import Marks

HEADS_MAX = 8_192  # heads are chosen by strangers; nginx's keys_zone=10m holds ten times as many
HEAD_BYTES_MAX = 4_096  # a browser's head with cookies; longer ones are read anew each time


@dataclass(frozen=True, slots=True)
class Remembered:
    """What a head asked, as the log says it, and the answer concluded for it."""

    asked: Asked
    answer: Answer


class Memo:
    """Answers by the head that asked for them, the oldest forgotten first."""

    def __init__(self, heads_max: int = HEADS_MAX) -> None:
        self._heads_max = heads_max
        self._by_head: dict[bytes, Remembered] = {}

    def recall(self, head: bytes, table: RouteTable, marks: Marks, now: float) -> Remembered | None:
        """What was concluded for these bytes, if its lease stands."""
        remembered = self._by_head.get(head)
        if remembered is None:
            return None
        answer = remembered.answer
        entry = answer.entry
        if (
            entry.alive
            and answer.table is table
            and now < answer.until
            and now < marks.lease_until
            and (entry.mark == marks.last or marks.stands(entry))
            and entry.stale_from is None
        ):
            return remembered
        del self._by_head[head]
        return None

    def learn(self, head: bytes, asked: Asked, answer: Answer) -> None:
        """Remember an answer that may be repeated."""
        if len(head) > HEAD_BYTES_MAX or self._heads_max == 0:
            return
        if len(self._by_head) >= self._heads_max and head not in self._by_head:
            del self._by_head[next(iter(self._by_head))]
        self._by_head[head] = Remembered(asked, answer)

    def __len__(self) -> int:
        return len(self._by_head)
