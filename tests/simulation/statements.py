"""What PostgreSQL knows and SQLite does not, or spells otherwise."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum
from random import Random
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tests.simulation.database import DatabaseServer
    from tests.simulation.database_session import Session


class Status(Enum):
    """Of a session: whether it is inside a transaction."""

    IDLE = 0
    OPEN = 2
    FAILED = 3


@dataclass(slots=True)
class Outcome:
    """What a server answers to a statement."""

    rows: list[tuple[Any, ...]] = field(default_factory=list)
    changed: int = -1
    message: str = ""  # of a statement that ended
    error: str = ""  # the name of psycopg's class; its text is `message`
    warning: str = ""
    status: Status = Status.IDLE


Special = Callable[["DatabaseServer", "Session", str, tuple[Any, ...]], None]
_COLLATION = ' COLLATE "C"'
_DRAWN = "substr(md5(gen_random_uuid()::text), 1, 16)"


def yes(held: bool) -> Outcome:
    return Outcome([(held,)], 1, "SELECT")


def plain_statement(statement: str, random: Random) -> tuple[str, bool]:
    """A statement as SQLite knows it, and whether it locks row `head`."""
    plain = statement.replace("%s", "?").replace(_COLLATION, "")
    if _DRAWN in plain:
        plain = plain.replace(_DRAWN, f"'{random.randbytes(8).hex()}'")
    locks = plain.startswith("UPDATE head") or plain.endswith(" FOR UPDATE")
    return plain.removesuffix(" FOR UPDATE"), locks


def _set(server: DatabaseServer, session: Session, statement: str, _: tuple[Any, ...]) -> None:
    name, _equals, value = statement.removeprefix("SET ").replace(" TO ", " = ").partition("=")
    session.settings[name.strip()] = value.strip().strip("'")
    session.tell(Outcome(message="SET"))


def _reset(server: DatabaseServer, session: Session, statement: str, _: tuple[Any, ...]) -> None:
    session.settings.pop(statement.removeprefix("RESET ").strip(), None)
    session.tell(Outcome(message="RESET"))


def _show(server: DatabaseServer, session: Session, statement: str, _: tuple[Any, ...]) -> None:
    known = {"synchronous_standby_names": "*", "synchronous_commit": "on"}
    name = statement.removeprefix("SHOW ").strip()
    session.tell(Outcome([(session.settings.get(name, known.get(name, "")),)], 1, "SHOW"))


def _nothing(server: DatabaseServer, session: Session, _: str, __: tuple[Any, ...]) -> None:
    session.tell(Outcome(message="SELECT"))


def _set_config(
    server: DatabaseServer, session: Session, statement: str, _: tuple[Any, ...]
) -> None:
    session.settings.update(re.findall(r"WHEN '(\w+)' THEN '(\w+)'", statement))
    session.tell(Outcome(message="SELECT"))


def _advisory(
    server: DatabaseServer, session: Session, statement: str, values: tuple[Any, ...]
) -> None:
    key = int(values[0]) if values else int(re.findall(r"\((-?\d+)\)", statement)[0])
    if "unlock" in statement:
        server.unlock_advisory(session, key)
    else:
        shared, waits = "_shared" in statement, "_try_" not in statement
        server.lock_advisory(session, key, waits=waits, shared=shared)


def _advised(
    server: DatabaseServer, session: Session, statement: str, values: tuple[Any, ...]
) -> None:
    key = int(values[0]) << 32 | int(values[1])
    key -= 1 << 64 if key >> 63 else 0
    session.tell(Outcome([(server.advised(session, key),)], 1, "SELECT"))


def _listen(server: DatabaseServer, session: Session, statement: str, _: tuple[Any, ...]) -> None:
    session.listens.add(statement.removeprefix("LISTEN ").strip().strip('"'))
    session.tell(Outcome(message="LISTEN"))


def _notify(
    server: DatabaseServer, session: Session, statement: str, values: tuple[Any, ...]
) -> None:
    words = [*values] or re.findall(r"'([^']*)'|NOTIFY (\w+)", statement)[0]
    channel, payload = (*(str(word) for word in words if word), "")[:2]
    session.doing.wakes.append((channel, payload))
    session.tell(Outcome([("",)], 1, "SELECT"))


def _timeline(server: DatabaseServer, session: Session, _: str, __: tuple[Any, ...]) -> None:
    session.tell(Outcome([(f"{server.timeline:08X}",)], 1, "SELECT"))


def _nextval(
    server: DatabaseServer, session: Session, statement: str, values: tuple[Any, ...]
) -> None:
    """`SELECT nextval('NAME')`, and what may be read beside it."""
    name = statement.partition("'")[2].partition("'")[0]
    beside = statement.partition("), ")[2]
    row = server.seen(session, f"SELECT {beside}", values)[0] if beside else ()
    session.tell(Outcome([(server.next_value(name), *row)], 1, "SELECT"))


def _add_entry(
    server: DatabaseServer, session: Session, statement: str, values: tuple[Any, ...]
) -> None:
    """One statement that writes to several tables, which SQLite does not know."""
    if "nextval" in statement:
        seq = server.next_value("log")
    else:
        ((seq,),) = server.write(session, "UPDATE head SET seq = seq + 1 RETURNING seq")
    server.write(session, "INSERT INTO log (seq, at, kind, body) VALUES (?, ?, ?, ?)", seq, *values)
    session.tell(Outcome([(seq,)], 1, "INSERT"))


def _hold(
    server: DatabaseServer, session: Session, statement: str, values: tuple[Any, ...]
) -> None:
    """An advisory lock, unless it is held already."""
    if values[0]:
        session.tell(yes(True))
    else:
        server.lock_advisory(session, int(values[1]), waits=False, shared=False)


_SPECIAL: tuple[tuple[str, Special], ...] = (
    ("SET ", _set),
    ("RESET ", _reset),
    ("SHOW ", _show),
    ("SELECT set_config", _set_config),
    ("SELECT count(*) FROM pg_locks", _advised),
    ("SELECT 1 FROM pg_locks", _nothing),
    ("SELECT pg_advisory", _advisory),
    ("SELECT pg_try_advisory", _advisory),
    ("LISTEN ", _listen),
    ("NOTIFY ", _notify),
    ("SELECT pg_notify", _notify),
    ("SELECT nextval", _nextval),
    ("SELECT substr(pg_walfile_name", _timeline),
    ("WITH number AS ", _add_entry),
    ("SELECT CASE WHEN %s THEN true ELSE pg_try_advisory_lock", _hold),
)


def special(statement: str) -> Special | None:
    return next((done for begin, done in _SPECIAL if statement.startswith(begin)), None)


def milliseconds(setting: str | None) -> float:
    if not setting:
        return 0.0
    number, unit = re.fullmatch(r"(\d+) ?(ms|s)?", setting).groups()  # type: ignore[union-attr]
    return float(number) * (1000 if unit == "s" else 1)
