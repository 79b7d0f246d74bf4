"""Control's state as its configuration names it: SQLite in state_dir, or PostgreSQL.

Law: while a database does not answer, nothing is accepted and no lease is granted; it is asked
again every second, and what changes about it is told once.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import Timer

from edgecache.config.model import Config
from edgecache.control.nodes.control_group import ControlGroup
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
    if not named and config.control is not None and len(config.control.addresses) > 1:
        raise StateError("control.addresses: several controls need one control.database")
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

    With each commit other controls are told what nodes of this one have acknowledged.
    """

    def __init__(
        self, state: PostgresDatabase, run: StateRun, say: Say, group: ControlGroup
    ) -> None:
        self._state, self._run, self._say, self._group = state, run, say, group
        self._silent = False

    async def work(self) -> None:
        """For good."""
        while True:
            await self.once()
            if self._silent:
                await pause(BEAT_S)
            else:
                await self._pause()

    async def _pause(self) -> None:
        """Wait for a second, or less where others have to hear earlier; look what they say."""
        group, loop = self._group, asyncio.get_running_loop()
        ends = loop.time() + BEAT_S
        while not group.is_to_beat and (left_s := ends - loop.time()) > 0:
            if group.is_to_look:
                with suppress(StateError):
                    await self._run(group.refresh)
            if not group.is_to_beat:
                await group.next_change(left_s)

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
