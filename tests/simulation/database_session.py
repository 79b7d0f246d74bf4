"""Sessions at a database server: what one connection is doing."""

from __future__ import annotations

import sqlite3
from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from tests.simulation.links import Pipe
from tests.simulation.statements import Outcome, Status, milliseconds

if TYPE_CHECKING:
    from tests.simulation.database import DatabaseServer

Statement = tuple[str, tuple[Any, ...]]


@dataclass(slots=True, eq=False)
class Transaction:
    """What one has written, and whom it wakes."""

    writes: list[Statement] = field(default_factory=list)
    wakes: list[tuple[str, str]] = field(default_factory=list)  # (channel, payload)


class Session:
    """One connection at its server. `tell` and `wake` reach the client, `reset` breaks it."""

    def __init__(self, server: DatabaseServer, back: Pipe, client: Any) -> None:
        self.server = server
        self.status = Status.IDLE
        self.listens: set[str] = set()
        self.settings: dict[str, str] = {}
        self.doing = Transaction()
        self.repeats = False  # all its reads are of one moment
        self.snapshot: sqlite3.Connection | None = None  # of that moment
        self.ended = False
        self._back = back
        self._client = client
        self._number = 0  # of the message under way
        self._rest: deque[str] = deque()  # of its statements
        self._told: list[Outcome] = []
        self._heard = 0  # how often the client was heard: an idle transaction's timer compares

    def tell(self, outcome: Outcome) -> None:
        """Answer the statement under way; of a message with several, all together."""
        if self.ended:
            return
        outcome.status = self.status
        self._told.append(outcome)
        if self._rest and not outcome.error:
            self.server.perform(self, self._rest.popleft(), ())
            return
        told, self._told = self._told, []
        self._back.send(self._client.answered, self._number, told)

    def wake(self, channel: str, payload: str) -> None:
        """NOTIFY, as a client that listens hears of it."""
        self._back.send(self._client.woken, channel, payload)

    def hear(self, number: int, statement: str, values: tuple[Any, ...]) -> None:
        """A statement of the client's."""
        self._number = number
        self._heard += 1
        first, *rest = [one.strip() for one in statement.split(";")] if not values else [statement]
        self._rest = deque(one for one in rest if one)
        if not self.ended:
            self.server.perform(self, first, values)

    def watch_idle(self) -> None:
        """Inside a transaction, and nothing to do: end it when nothing comes for so long."""
        idle = self.status is Status.IDLE
        name = "idle_session_timeout" if idle else "idle_in_transaction_session_timeout"
        limit_s = milliseconds(self.settings.get(name)) / 1000
        if limit_s:
            process, machine = self.server.process, self.server.process.machine
            machine.at(machine.now + limit_s, process, self._is_idle, self._heard)

    def _is_idle(self, heard: int) -> None:
        if heard == self._heard and not self.server.is_busy(self):
            self.reset()

    def reset(self) -> None:
        """The server ends it."""
        if not self.ended:
            self._back.send(self._client.broken)
            self.gone()

    def gone(self) -> None:
        """The client is gone. What waits for the standby goes on waiting."""
        if self.ended:
            return
        self.ended = True
        self.server.sessions.pop(self, None)
        if not self.server.is_waiting(self):
            self.server.forget(self)
