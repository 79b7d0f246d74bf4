"""Changes listed: who wrote each number of the log, when and what; how configurations differ.

Law: a difference shows no secret. What stands under `MASKED` is told to be set or changed, never
what it is.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Any

import msgspec

from edgecache.cluster.log_entries import LogEntryKind
from edgecache.control.state.database import StateDatabase
from edgecache.control.state.log import configuration_text

DIFFERENCES_MAX = 1_000  # of one pair; who changes more reads the configuration itself
VALUE_CHARS_MAX = 200
MASKED = frozenset({"custom_headers", "request_headers", "kept", "code"})
"""Members that may hold credentials, of an origin, in a store or a function's source; those that
`_SECRET` matches may, too."""
MASKED_MAPS = frozenset({"items"})
"""Members that may where they are maps (a store's), and not where they are lists (of names)."""
_SECRET = re.compile(
    r"password|passphrase|(hash|secret|token|secret_key|secret_access_key)(es|s)?$"
)
_MASK = "(not shown)"
_NAMES = ("id", "name", "path_pattern", "path", "pattern", "bucket")
_COLUMNS = "seq, at, author, kind, summary"


class NoDifferenceError(Exception):
    """There is nothing to compare: the message says why."""


@dataclass(frozen=True, slots=True)
class Change:
    """One number of the log. `at` in epoch seconds; `kind` as in `LogEntryKind`."""

    seq: int
    at: float
    author: str
    kind: str
    summary: str


@dataclass(frozen=True, slots=True)
class Difference:
    """One value of two configurations, as JSON; None where it is not set, or the default."""

    path: str
    before: str | None
    after: str | None


class Changes:
    """The changes of an installation, as `StateDatabase.add_entry` keeps them. Used from the
    state's thread."""

    def __init__(self, state: StateDatabase) -> None:
        self._state = state

    def page(self, before: int, author: str, most: int) -> list[Change]:
        """The newest first, of numbers below `before` (0: of all), of one author or ("") of all."""
        values: list[object] = []
        bound = "1 = 1"
        if before:
            bound, values = f"{bound} AND seq < ?", [before]
        if author:
            bound, values = f"{bound} AND author = ?", [*values, author]
        statement = f"SELECT {_COLUMNS} FROM changes WHERE {bound} ORDER BY seq DESC LIMIT ?"
        return [Change(*row) for row in self._state.execute(statement, (*values, most)).fetchall()]

    def get(self, seq: int) -> Change | None:
        """That of a number, if it is kept."""
        statement = f"SELECT {_COLUMNS} FROM changes WHERE seq = ?"
        row = self._state.execute(statement, (seq,)).fetchone()
        return None if row is None else Change(*row)

    def differences(self, change: Change) -> tuple[list[Difference], bool]:
        """How its configuration differs from the one before; whether that is all.

        NoDifferenceError: it published none, or one of the two is not kept any more.
        """
        if change.kind != LogEntryKind.CONFIG:
            raise NoDifferenceError(f"number {change.seq} changed nothing that nodes are told of")
        after = self._configuration("seq = ?", change.seq)
        if after is None:
            raise NoDifferenceError(f"configuration {change.seq} is not kept any more")
        before = self._configuration("seq < ? ORDER BY seq DESC LIMIT 1", change.seq)
        if before is None:
            raise NoDifferenceError(f"no configuration before {change.seq} is kept any more")
        found = list(islice(differences(before, after), DIFFERENCES_MAX + 1))
        return found[:DIFFERENCES_MAX], len(found) <= DIFFERENCES_MAX

    def _configuration(self, which: str, seq: int) -> Any:
        """The configuration of an entry, as JSON is read; None: it is not kept."""
        of = "kind IN ('config', 'config-change')"
        row = self._state.execute(f"SELECT seq FROM log WHERE {of} AND {which}", (seq,)).fetchone()
        whole = "SELECT max(seq) FROM log WHERE kind = 'config' AND seq <= ?"
        statement = (
            f"SELECT body FROM log WHERE {of} AND seq >= ({whole}) AND seq <= ? ORDER BY seq"
        )
        rows = [] if row is None else self._state.execute(statement, (row[0], row[0])).fetchall()
        return msgspec.json.decode(configuration_text(b for (b,) in rows)) if rows else None


def differences(
    before: Any, after: Any, path: str = "", *, masked: bool = False
) -> Iterator[Difference]:
    """Every value in which two configurations differ, as published JSON, in the file's order.

    Parts of lists that have names are compared by them, `distributions[E1]`; others by their place,
    and lists of plain values as a whole.
    """
    if before == after:
        return
    pair = _members(before, after)
    if pair is None:
        yield Difference(path, _shown(before, masked=masked), _shown(after, masked=masked))
        return
    old, new = pair
    for name in {**old, **new}:
        place = f"{path}{name}" if name.startswith("[") or not path else f"{path}.{name}"
        hidden = masked or _is_secret(name, old.get(name), new.get(name))
        yield from differences(old.get(name), new.get(name), place, masked=hidden)
    common = [[name for name in one if name in old and name in new] for one in (old, new)]
    if isinstance(before, list) and common[0] != common[1]:
        yield Difference(f"{path} (order)", _shown([*old]), _shown([*new]))


def _members(before: Any, after: Any) -> tuple[dict[str, Any], dict[str, Any]] | None:
    """The parts of two objects, or of two lists of objects, by name; None: there are none."""
    values = [one for one in (before, after) if one is not None]
    if all(isinstance(one, dict) for one in values) and any(values):
        return before or {}, after or {}
    if not all(isinstance(one, list) for one in values):
        return None
    lists = (before or [], after or [])
    parts = [part for one in lists for part in one]
    if not parts or not all(isinstance(part, dict) for part in parts):
        return None
    for name in _NAMES:
        old, new = ({f"[{part.get(name, '')}]": part for part in one} for one in lists)
        if all(name in part for part in parts) and [*map(len, (old, new))] == [*map(len, lists)]:
            return old, new
    old, new = ({f"[{at}]": part for at, part in enumerate(one)} for one in lists)
    return old, new


def _is_secret(name: str, *values: Any) -> bool:
    if name in MASKED_MAPS and any(isinstance(value, dict) for value in values):
        return True
    return name in MASKED or _SECRET.search(name.lower()) is not None


def _shown(value: Any, *, masked: bool = False) -> str | None:
    if value is None:
        return None
    text = msgspec.json.encode(_masked(value)).decode() if not masked else _MASK
    return text if len(text) <= VALUE_CHARS_MAX else f"{text[: VALUE_CHARS_MAX - 1]}…"


def _masked(value: Any) -> Any:
    if isinstance(value, dict):
        return {k: _MASK if _is_secret(k, v) else _masked(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [_masked(one) for one in value]
    return value
