"""Entries and pages of control's log. Law: an entry that has a number never changes."""

from __future__ import annotations

from enum import StrEnum
from typing import Any, TypeVar

import msgspec

from edgecache.rules.invalidation.items import ItemKind
from edgecache.store.invalidation import Invalidation

T = TypeVar("T")


class LogEntryKind(StrEnum):
    """Kinds of entry. Nodes pass over those they do not know."""

    CONFIG = "config"  # body: a whole configuration; its number is the generation
    INVALIDATION = "invalidation"  # body: see read_entry


class LogEntry(msgspec.Struct, frozen=True):
    """One entry: its number, when it was made (epoch seconds), its kind, and its body.

    The body is a JSON object, or at nodes the text of one: see `read_body`.
    """

    seq: int
    at: float
    kind: str
    body: Any


class LogPage(msgspec.Struct, frozen=True):
    """A part of the log `epoch`, whose newest number is `last_seq`.

    Who has applied it has applied all up to `upto`. Invalidations up to `floor` are not told.
    """

    entries: list[LogEntry]
    last_seq: int
    upto: int
    epoch: str
    floor: int


class _TextEntry(LogEntry, frozen=True):
    body: msgspec.Raw


class _TextPage(LogPage, frozen=True):
    entries: list[_TextEntry]  # type: ignore[assignment]


def read_page(content: bytes) -> LogPage:
    """A page as control sends it, its bodies left as text. msgspec.DecodeError.

    A configuration of 500 distributions is a megabyte: who makes objects of it in between holds up
    its viewers ten times as long.
    """
    return msgspec.json.decode(content, type=_TextPage)


def read_body(entry: LogEntry, kind: type[T]) -> T:
    """The body of an entry as an object of `kind`. msgspec.DecodeError."""
    if isinstance(entry.body, msgspec.Raw):
        return msgspec.json.decode(entry.body, type=kind)
    return msgspec.convert(entry.body, kind)


def read_entry(entry: LogEntry) -> Invalidation:
    """The invalidation of an entry, for a node to apply."""
    body = read_body(entry, _Body)
    return Invalidation(entry.seq, entry.at, body.distribution, body.items, body.soft)


class _Body(msgspec.Struct, frozen=True):
    id: str
    distribution: str
    items: tuple[tuple[ItemKind, str], ...]
    soft: bool = False
