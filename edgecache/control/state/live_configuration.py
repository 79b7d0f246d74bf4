"""The newest configuration as nodes are told it: whole, or as the changes that lead to it.

Law: who says what former generation it holds is told the changes that follow that, while they are
kept; everybody else is told the whole, and never a former one. The whole is made of its parts when
it is asked for.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from edgecache.cluster.configuration_change import ConfigurationText, TextChange
from edgecache.cluster.log_entries import LogEntry, LogEntryKind, read_body

CHANGES_MAX = 100  # kept for nodes; more than come while one is asking
CHANGES_BYTES_MAX = 1024 * 1024  # of them; one alone may be larger


class LiveConfiguration:
    """The configuration of one log. Used on the loop."""

    def __init__(self) -> None:
        self.generation = 0  # the number of the newest; 0 before the first
        self._at = 0.0
        self._text = ConfigurationText(b"{}")
        self._whole: tuple[LogEntry, int] | None = None
        self._changes: list[tuple[LogEntry, int]] = []
        self._base = 0  # the generation that the first of them follows
        self._bytes = 0

    def append(self, entry: LogEntry, size: int) -> None:
        """The next configuration, or the next change of it, of so many bytes as JSON."""
        if entry.kind == LogEntryKind.CONFIG:
            self._text = ConfigurationText(_text_of(entry))
            self._changes, self._bytes, self._base = [], 0, entry.seq
        else:
            change = read_body(entry, TextChange)
            assert change.base == self.generation, "a change follows the configuration before it"
            self._text.apply(change)
            self._changes.append((entry, size))
            self._bytes += size
            self._drop_former()
        self.generation, self._at, self._whole = entry.seq, entry.at, None

    def _drop_former(self) -> None:
        first, left = 0, self._bytes
        last = len(self._changes) - 1
        while first < last and (
            len(self._changes) - first > CHANGES_MAX or left > CHANGES_BYTES_MAX
        ):
            left -= self._changes[first][1]
            self._base = self._changes[first][0].seq
            first += 1
        self._changes, self._bytes = self._changes[first:], left

    def after(self, seq: int, held: int) -> Sequence[tuple[LogEntry, int]]:
        """What who has all up to number `seq` is to be told, in order, each with its bytes.

        `held` is the generation that changes are understood to follow; 0: none.
        """
        if seq >= self.generation:
            return ()
        if held and held in (self._base, *(entry.seq for entry, _ in self._changes)):
            return [pair for pair in self._changes if pair[0].seq > held]
        return (self.whole(),)

    def whole(self) -> tuple[LogEntry, int]:
        """All of it as an entry, and its bytes."""
        if self._whole is None:
            text = self._text.text
            entry = LogEntry(self.generation, self._at, LogEntryKind.CONFIG, msgspec.Raw(text))
            self._whole = entry, len(text)
        return self._whole


def _text_of(entry: LogEntry) -> bytes:
    if isinstance(entry.body, msgspec.Raw):
        return bytes(entry.body)
    return msgspec.json.encode(entry.body)
