"""State of control as a database: what is asked of it, its transactions, and its failures.

Law: what was committed survives a crash and a loss of power. One implementation for one machine
(`sqlite.py`), one for more (`postgresql.py`). Statements are of the SQL both know; `?` stands for a
value.
"""

from __future__ import annotations

import contextlib
import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, Protocol


class StateError(Exception):
    """The state cannot be used: the message names the file and says why."""


class StateBusyError(StateError):
    """The state cannot be used now: another process holds it, or the disk fails or is full."""


class StateClosedError(StateBusyError):
    """This process ends, and takes no more work for its state."""


class Rows(Protocol):
    """What a statement gave: its rows, once, and how many it changed."""

    @property
    def rowcount(self) -> int: ...

    def fetchone(self) -> Any: ...

    def fetchall(self) -> list[Any]: ...

    def __iter__(self) -> Iterator[Any]: ...


class StateDatabase(ABC):
    """The open database of one control process. Used from one thread at a time."""

    name: str  # what lines call it: a path, or a host and a database
    failures: tuple[type[Exception], ...]  # what its statements may raise
    committed_at: float = math.inf  # all before it, by a steady clock, is not lost any more
    trusted_s: float = 0.0  # for so long after `committed_at` nodes are told that they are current

    def __init__(self) -> None:
        self._on_commit: list[Callable[[], None]] = []

    @abstractmethod
    def execute(self, statement: str, values: Sequence[object] = ()) -> Rows:
        """Run one statement. One of `failures`: it did nothing."""

    def execute_many(self, statement: str, rows: Iterable[Sequence[object]]) -> None:
        """Run a statement for each of `rows`."""
        for row in rows:
            self.execute(statement, row)

    @abstractmethod
    def add_entry(self, at: float, kind: str, body: str) -> int:
        """Inside `writing`: append to the log; the number, above all that were ever committed."""

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
        self._begin()
        self._on_commit.clear()
        try:
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
