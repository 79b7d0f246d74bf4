"""State of control as a database: what is asked of it, its transactions, and its failures.

Law: what was committed survives a crash and a loss of power. One implementation for one machine
(`sqlite.py`), one for more (`postgresql.py`). Statements are of the SQL both know; `?` stands for a
value.
"""

from __future__ import annotations

import contextlib
import math
import os
from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from typing import Any, NamedTuple, Protocol


class StateError(Exception):
    """The state cannot be used: the message names the file and says why."""


class StateBusyError(StateError):
    """The state cannot be used now: another process holds it, or the disk fails or is full."""


class StateClosedError(StateBusyError):
    """This process ends, and takes no more work for its state."""


BY_CONTROL = "control"  # who writes when nobody asked for it
BY_FILE = "file"
BY_SOCKET = "socket"  # the user control runs as, or root, on its own machine
AUTHORS_RESERVED = frozenset({BY_CONTROL, BY_FILE, BY_SOCKET})  # no access key is named so
SUMMARY_CHARS_MAX = 240
MARK_BYTES = 8
LISTED_AS = {"config-change": "config"}  # kinds of entries that are told apart by nodes alone
CHANGES_MAX = 10_000  # the newest; as many as invalidations of one distribution are listed
CHANGES_OWN_MAX = 1_000  # numbers: of control's own invalidations (the staleness probe's)
CHANGES_PRUNED_EVERY = 100  # numbers: so many more may be kept for a while


class Authorship(NamedTuple):
    """Who wrote an entry of the log, and what it was, in a few words.

    `author` is the name of an access key or of a token, or one of `AUTHORS_RESERVED`; `summary` is
    the operation and what it was about. No secret stands in it.
    """

    author: str = BY_CONTROL
    summary: str = ""


UNASKED = Authorship()


class EntryNumber(NamedTuple):
    """The number of an entry, and its mark: random, so that another history has another."""

    seq: int
    mark: str


class Rows(Protocol):
    """What a statement gave: its rows, once, and how many it changed."""

    @property
    def rowcount(self) -> int: ...

    def fetchone(self) -> Any: ...

    def fetchall(self) -> list[Any]: ...

    def __iter__(self) -> Iterator[Any]: ...


class StateDatabase(ABC):
    """The open database of one control process. Used from one thread at a time.

    Others may write to it, too, each in its turn: what they have committed is read before anything
    is written, and told to who has asked for it by `on_change`. `random` gives so many bytes.
    """

    name: str  # what lines call it: a path, or a host and a database
    failures: tuple[type[Exception], ...]  # what its statements may raise
    committed_at: float = math.inf  # all before it, by a steady clock, is not lost any more
    slow: str = "the disk is slow"  # why a write that has begun may take long
    trusted_s: float = 0.0  # for so long after `committed_at` nodes are told that they are current

    def __init__(self, random: Callable[[int], bytes] = os.urandom) -> None:
        self._on_commit: list[Callable[[], None]] = []
        self._random = random
        self._on_change: list[tuple[frozenset[str], Callable[[], None]]] = []

    @abstractmethod
    def execute(self, statement: str, values: Sequence[object] = ()) -> Rows:
        """Run one statement. One of `failures`: it did nothing."""

    def execute_many(self, statement: str, rows: Iterable[Sequence[object]]) -> None:
        """Run a statement for each of `rows`."""
        for row in rows:
            self.execute(statement, row)

    def add_entry(self, at: float, kind: str, body: str, by: Authorship = UNASKED) -> EntryNumber:
        """Inside `writing`: append to the log; its number is above all that were ever committed.

        Who wrote it is kept beside it, with bytes drawn at random: see `changes`.
        """
        seq = self._add_to_log(at, kind, body)
        mark = self._random(MARK_BYTES).hex()
        row = (seq, mark, at, by.author, LISTED_AS.get(kind, kind), _printable(by.summary))
        self.execute("INSERT INTO changes VALUES (?, ?, ?, ?, ?, ?)", row)
        if seq % CHANGES_PRUNED_EVERY == 0:
            self._prune_changes(seq)
        return EntryNumber(seq, mark)

    def _prune_changes(self, seq: int) -> None:
        self.execute(
            "DELETE FROM changes WHERE author = ? AND kind = 'invalidation' AND seq <= ?",
            (BY_CONTROL, seq - CHANGES_OWN_MAX),
        )
        self.execute(
            "DELETE FROM changes WHERE seq <="
            " (SELECT seq FROM changes ORDER BY seq DESC LIMIT 1 OFFSET ?)",
            (CHANGES_MAX,),
        )

    @abstractmethod
    def _add_to_log(self, at: float, kind: str, body: str) -> int: ...

    @property
    @abstractmethod
    def last_seq(self) -> int:
        """The number of the newest entry that was ever appended; 0 when there is none."""

    @abstractmethod
    def begin_after(self, seq: int) -> None:
        """Inside `writing`: the next entry's number is the one after `seq`."""

    @abstractmethod
    def failure(self, error: Exception) -> StateError:
        """One of `failures`, or of a row that cannot be read, in one line that has the way out."""

    @property
    @abstractmethod
    def in_transaction(self) -> bool:
        """Whether one was begun and has not ended."""

    @abstractmethod
    def close(self) -> None:
        """End the connection; what was not committed is gone."""

    # What other controls do.

    @property
    def others(self) -> int:
        """How many other controls are connected to it."""
        return 0

    def follow(self) -> bool:
        """Tell of what others have committed since; whether there was something.

        One of `failures`, StateBusyError.
        """
        return False

    def on_change(self, tables: Collection[str], look: Callable[[], None]) -> None:
        """Call `look` when others have changed one of `tables`, before anything else is written.

        It is called on the state's thread, as often as that; it reads, and writes nothing.
        """
        self._on_change.append((frozenset(tables), look))

    def _changed(self, tables: Collection[str]) -> None:
        for names, look in self._on_change:
            if not names.isdisjoint(tables):
                look()

    def holds(self, task: str) -> bool:
        """Whether `task`, which must be done by one control at a time, is this one's to do now.

        It is from when nobody else has it, until this control ends or loses its connection.
        """
        return True

    # Transactions.

    def on_commit(self, told: Callable[[], None]) -> None:
        """Inside `writing`: call `told` when the transaction is on disk; never if it fails."""
        self._on_commit.append(told)

    @contextlib.contextmanager
    def writing(self) -> Iterator[None]:
        """All that is written inside is on disk when this ends, or none of it when it raises.

        Inside another one it is a part of that.
        """
        if self.in_transaction:
            yield
            return
        try:
            self._begin()
            self._on_commit.clear()
            yield
            self._commit()
        except BaseException:
            # A COMMIT that failed may leave its transaction open, and the next would be part of it.
            if self.in_transaction:
                self._roll_back()
            raise
        for told in self._on_commit:
            told()

    @abstractmethod
    def _begin(self) -> None: ...

    @abstractmethod
    def _commit(self) -> None: ...

    @abstractmethod
    def _roll_back(self) -> None: ...


def _printable(text: str) -> str:
    """A line that a terminal shows as it is: what callers name stands in it."""
    line = "".join(one if one.isprintable() else "?" for one in text[:SUMMARY_CHARS_MAX])
    return f"{line[:-1]}…" if len(text) > SUMMARY_CHARS_MAX else line
