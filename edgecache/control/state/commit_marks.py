"""Marks of commits: by which a control notices that a database's history is not the one it knew.

Law: a commit is the one that was seen only if the database has the same random bytes beside its
revision. A standby that was promoted without it has none there, or another's. Kept are the newest
`KEPT`; who was away for longer begins anew.

Each commit also names the tables that it changed, so that others read again what they know of
those, and nothing else.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

KEPT = 4_096  # an hour of beats of one control; half a minute at 200 invalidations a second
COMMIT_MARK_BYTES = 8
NONE_SEEN = -1

TAKE = (
    "UPDATE head SET revision = revision + 1"
    " RETURNING revision, (SELECT mark FROM commits WHERE revision = %s)"
)
"""Begin a change, after every other one: its revision, and the mark of the commit seen last."""
NEWEST = "SELECT revision, (SELECT mark FROM commits WHERE revision = %s) FROM head"
"""The newest revision, and the mark of the commit that was seen last."""
SINCE = (
    "SELECT revision, mark, tables FROM commits WHERE revision > %s AND revision <= %s"
    " ORDER BY revision"
)


class SeenCommit(NamedTuple):
    """The last commit a control knows of, its own or another's."""

    revision: int = NONE_SEEN
    mark: str = ""


class OtherCommits(NamedTuple):
    """What others have committed since: the last of it, and the tables it changed."""

    last: SeenCommit
    tables: frozenset[str]


class AnotherHistoryError(Exception):
    """The database does not have what was seen in it: the message says what it has."""


def require_seen(seen: SeenCommit, newest: int, mark: str | None) -> None:
    """AnotherHistoryError unless the database, at revision `newest`, has the commit `seen`."""
    if seen.revision == NONE_SEEN or (newest >= seen.revision and mark == seen.mark):
        return
    other = "another commit there" if mark is not None else "none there"
    raise AnotherHistoryError(
        f"it is at revision {newest}, and what was seen last is {seen.revision}: it has {other}"
    )


def other_commits(
    seen: SeenCommit, upto: int, rows: Iterable[tuple[int, str, str]]
) -> OtherCommits:
    """Those after `seen`, one for each revision up to `upto`. AnotherHistoryError: one lacks."""
    tables: set[str] = set()
    last = seen
    for revision, mark, changed in rows:
        last = SeenCommit(int(revision), mark)
        tables.update(changed.split())
    if last.revision != upto:
        raise AnotherHistoryError(f"it is at revision {upto}, whose commit has no mark")
    return OtherCommits(last, frozenset(tables))


def commit_statements(seen: SeenCommit, tables: Iterable[str], told: str) -> str:
    """What ends a change, in one message: its mark, a word to the others (`told`), the commit."""
    changed = " ".join(sorted(tables))
    notify = f"NOTIFY {CHANNEL}, '{told}';" if changed else ""
    return (
        f"INSERT INTO commits (revision, mark, tables)"
        f" VALUES ({seen.revision}, '{seen.mark}', '{changed}');"
        f"DELETE FROM commits WHERE revision <= {seen.revision - KEPT};{notify}COMMIT"
    )


CHANNEL = "edgecache"  # of NOTIFY, which only wakes: who is woken reads rows


def changed_table(statement: str) -> str:
    """The table that an INSERT, UPDATE or DELETE changes."""
    words = statement.split(maxsplit=3)
    return words[1] if words[0] == "UPDATE" else words[2]
