"""Entries and pages of control's log. Law: an entry that has a number never changes."""

from __future__ import annotations

from enum import StrEnum
from typing import Any

import msgspec

from edgecache.rules.invalidation.items import ItemKind
from edgecache.store.invalidation import Invalidation


class LogEntryKind(StrEnum):
    """Kinds of entry. Nodes pass over those they do not know."""

    CONFIG = "config"  # body: a whole configuration; its number is the generation
    INVALIDATION = "invalidation"  # body: see read_entry


class LogEntry(msgspec.Struct, frozen=True):
    """One entry: its number, when it was made (epoch seconds), its kind, and its body."""

    seq: int
    at: float
    kind: str
    body: dict[str, Any]


class LogPage(msgspec.Struct, frozen=True):
    """A part of the log `epoch`, whose newest number is `last_seq`.

    Who has applied it has applied all up to `upto`. Invalidations up to `floor` are not told.
    """

    entries: list[LogEntry]
    last_seq: int
    upto: int
    epoch: str
    floor: int


def read_entry(entry: LogEntry) -> Invalidation:
    """The invalidation of an entry, for a node to apply."""
    body = msgspec.convert(entry.body, _Body)
    return Invalidation(entry.seq, entry.at, body.distribution, body.items, body.soft)


class _Body(msgspec.Struct, frozen=True):
    id: str
    distribution: str
    items: tuple[tuple[ItemKind, str], ...]
    soft: bool = False
