"""Control's state as its configuration names it: SQLite in state_dir, or PostgreSQL.

Law: while a database does not answer, nothing is accepted and no lease is granted; it is asked
again every second, and what changes about it is told once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from threading import Timer

from edgecache.config.model import Config
from edgecache.control.state.database import (
    StateClosedError,
    StateDatabase,
    StateError,
)
from edgecache.control.state.database_thread import StateRun
from edgecache.control.state.installation_owner import owner_digest
from edgecache.control.state.postgresql import BEAT_S, PostgresDatabase
from edgecache.control.state.sqlite import SqliteDatabase
from edgecache.node.secret_watch import secret_value
from edgecache.runtime.environment import pause
from edgecache.runtime.stderr_log import warn

Say = Callable[[str], None]

OPENING_S = 5.0  # after which it is told that it is not open yet
WAITS = (
    "control.database: not open yet; a commit may wait for a synchronous standby that is not there"
    " (synchronous_standby_names)"
)


def open_state(
    config: Config,
    env: Mapping[str, str],
    steady: Callable[[], float],
    secrets: Iterable[str],
    *,
    alone: bool = False,
) -> StateDatabase:
    """The state of a configuration's control, open; with `alone` no other control may use it.

    `secrets` are those of the installation's processes, by which its database is known. StateError;
    StateBusyError: it may be well again.
    """
    named = "" if config.control is None else config.control.database
    if not named:
        return SqliteDatabase(Path(config.state_dir))
    dsn, owners = connection_string(named, env), sorted(map(owner_digest, secrets))
    with told_late(warn, WAITS):
        state = PostgresDatabase(dsn, steady, owners, alone=alone)
    for line in state.weaknesses():
        warn(line)
    return state


@contextmanager
def told_late(say: Say, line: str, after_s: float = OPENING_S) -> Iterator[None]:
    """Say `line` if what is inside takes longer than `after_s`."""
    timer = Timer(after_s, say, (line,))
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


def connection_string(reference: str, env: Mapping[str, str]) -> str:
    """What `env:NAME` or `file:PATH` holds. StateError, which says nothing of its content."""
    try:
        return secret_value(reference, env).decode()
    except (OSError, ValueError) as error:
        why = (error.strerror or str(error)).lower() if isinstance(error, OSError) else str(error)
        raise StateError(f"control.database: {reference}: {why}") from None


class StateBeat:
    """Commits to a database every second, so that leases may be granted; tells what is wrong.

    What else belongs into that commit is written by the database's `on_beat`.
    """

    def __init__(self, state: PostgresDatabase, run: StateRun, say: Say) -> None:
        self._state, self._run, self._say = state, run, say
        self._silent = False

    async def work(self) -> None:
        """For good."""
        while True:
            await self.once()
            await pause(BEAT_S)

    async def once(self) -> None:
        """One commit, and a line where it is the first to fail, or the first that does not."""
        try:
            await self._run(self._state.beat)
        except StateClosedError:
            return
        except StateError as error:  # also what time alone does not mend: a right taken away
            if not self._silent:
                self._say(f"{error}; nothing is accepted, and no lease granted, until it is well")
            self._silent = True
            return
        if self._silent:
            self._say(f"{self._state.name}: well again")
        self._silent = False
