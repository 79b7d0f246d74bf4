"""Changes over the REST API: who wrote what and when, the newest first; what one changed.

Law: no secret of a configuration is told of a change: see `control/state/changes.py`.
"""

from __future__ import annotations

from typing import Any

import msgspec

from edgecache.control.cloudfront.context import page_size
from edgecache.control.cloudfront.errors import ApiError
from edgecache.control.rest.call import RestCall
from edgecache.control.state.changes import Change, NoDifferenceError

SEQ_CHARS_MAX = 18  # of a number that both databases have room for


class ChangeReport(msgspec.Struct, frozen=True):
    """One number of the log. `at` in seconds of the epoch.

    `kind`: `config` changed what nodes serve by, `invalidation` is one, `write` is what nodes need
    not know. `author` is the name of an access key or token, or `socket` (on control's machine),
    `file` (a reload) or `control`.
    """

    number: int
    at: float
    author: str
    kind: str
    summary: str


class ChangeReports(msgspec.Struct, frozen=True):
    """A page, the newest first; `next` is the `marker` of the next one, empty at the end."""

    changes: list[ChangeReport]
    next: str = ""


class ValueDifference(msgspec.Struct, frozen=True):
    """One value that changed, as JSON; null where it is not set, or as by default."""

    path: str
    before: str | None
    after: str | None


class ChangeDifferences(msgspec.Struct, frozen=True):
    """A change, and how its configuration differs from the one before.

    `problem` says why that cannot be told; `cut`: more differs than is told.
    """

    change: ChangeReport
    differences: list[ValueDifference]
    problem: str = ""
    cut: bool = False


class PublishedConfiguration(msgspec.Struct, frozen=True):
    """The configuration as nodes are told it: the file's, and what the API made."""

    configuration: dict[str, Any]


def get_configuration(call: RestCall) -> PublishedConfiguration:
    """GET /configuration: all that is served, for callers who may do everything."""
    return PublishedConfiguration(msgspec.to_builtins(call.context.catalog.published))


def list_changes(call: RestCall) -> ChangeReports:
    """GET /changes?marker=&max_items=&author=."""
    marker = call.query.get("marker") or "0"
    most = page_size(call.query.get("max_items"))
    author = call.query.get("author") or ""
    found = call.services.catalog.changes.page(_number(marker), author, most + 1)
    listed = [_report(one) for one in found[:most]]
    return ChangeReports(listed, str(listed[-1].number) if len(found) > most else "")


def get_change(call: RestCall) -> ChangeDifferences:
    """GET /changes/NUMBER."""
    changes = call.services.catalog.changes
    number = _number(call.path["number"])
    change = changes.get(number)
    if change is None:
        raise ApiError("NoSuchResource", f"change {number} is not kept, or never was")
    try:
        found, whole = changes.differences(change)
    except NoDifferenceError as error:
        return ChangeDifferences(_report(change), [], str(error))
    values = [ValueDifference(one.path, one.before, one.after) for one in found]
    return ChangeDifferences(_report(change), values, cut=not whole)


def _report(one: Change) -> ChangeReport:
    return ChangeReport(one.seq, one.at, one.author, one.kind, one.summary)


def _number(text: str) -> int:
    if not (text.isascii() and text.isdecimal()) or len(text) > SEQ_CHARS_MAX:
        raise ApiError("InvalidArgument", f"{text[:40]!r} is not the number of a change")
    return int(text)
