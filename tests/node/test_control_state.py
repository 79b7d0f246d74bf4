"""Which database a configuration names, and what is told while it does not answer."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from queue import Queue
from typing import TypeVar

import pytest

from edgecache.config.model import Config, Control
from edgecache.control.nodes.control_group import ControlGroup
from edgecache.control.state.database import StateBusyError, StateClosedError, StateError
from edgecache.control.state.database_thread import StateThread
from edgecache.control.state.postgresql import PostgresDatabase
from edgecache.control.state.sqlite import SqliteDatabase
from edgecache.node.control_state import StateBeat, connection_string, open_state, told_late

T = TypeVar("T")


class Silent(PostgresDatabase):
    """A database that is asked for nothing."""

    def __init__(self) -> None:
        self.name, self.failures = "postgresql://h/d", (ValueError,)

    def beat(self) -> None: ...


def test_sqlite_is_the_default(tmp_path: Path) -> None:
    config = Config(state_dir=str(tmp_path), control=Control())
    with closing(open_state(config, {}, lambda: 0.0, ())) as state:
        assert isinstance(state, SqliteDatabase)


@pytest.mark.parametrize(
    ("reference", "line"),
    [
        ("env:NOT_SET", "control.database: env:NOT_SET: "),
        ("file:/nowhere/dsn", "control.database: file:/nowhere/dsn: no such file or directory"),
    ],
)
def test_what_is_not_there_is_named(reference: str, line: str) -> None:
    config = Config(control=Control(database=reference))
    with pytest.raises(StateError) as told:
        open_state(config, {}, lambda: 0.0, ())
    assert str(told.value).startswith(line)


def test_a_connection_string_is_a_line_of_a_file_or_a_variable(tmp_path: Path) -> None:
    (tmp_path / "dsn").write_text("host=h dbname=d\n")
    assert connection_string(f"file:{tmp_path / 'dsn'}", {}) == "host=h dbname=d"
    assert connection_string("env:D", {"D": "host=h"}) == "host=h"


class Alone(ControlGroup):
    """A group that has nothing to tell."""

    def __init__(self) -> None: ...


def test_what_takes_long_is_told_while_it_lasts() -> None:
    said: Queue[str] = Queue()
    with told_late(said.put, "late", after_s=0.0):
        assert said.get(timeout=30) == "late"
    with told_late(said.put, "never", after_s=3_600):
        pass
    assert said.empty()


@pytest.mark.parametrize("kind", [StateBusyError, StateError])
def test_a_database_that_does_not_answer_is_told_once_and_so_is_that_it_does(
    kind: type[StateError],
) -> None:
    said, failures = list[str](), [None, "gone", "gone", None, None, "gone"]

    async def run(_: Callable[[], T], /) -> T:
        why = failures.pop(0)
        if why:
            raise kind(f"postgresql://h/d: {why}")
        return None  # type: ignore[return-value]

    beat = StateBeat(Silent(), run, said.append, Alone())
    for _ in range(6):
        asyncio.run(beat.once())
    silent = "postgresql://h/d: gone; nothing is accepted, and no lease granted, until it is well"
    assert said == [silent, "postgresql://h/d: well again", silent]


def test_a_process_that_ends_says_nothing_of_its_database() -> None:
    said = list[str]()
    thread = StateThread(Silent())
    thread.close()
    asyncio.run(StateBeat(Silent(), thread.run, said.append, Alone()).once())
    assert said == []
    with pytest.raises(StateClosedError):
        asyncio.run(thread.run(lambda: None))
