"""Entries and pages of control's log. Law: an entry that has a number never changes.

The protocol of who tells and who asks for it, since releases differ. Law: the newer side decides,
and says no in one line that names both releases and what to upgrade; a number changes when a
message means something else to who is a number older, and never for what that may pass over.

A node says its number and its release each time it asks for the log; control says its own with
each page. What tiers and control prove themselves with has a number of its own, the first part of
each credential (`cluster/credentials.py`): who speaks another is refused as a stranger.

| number | releases |
|---|---|
| 1 | those that say none: credentials for one message, since 30 November 2026 |
| 2 | numbers are told; what is at its default is not published |
| 3 | of several controls: a page says how long its lease is, and the mark of its last number |

A node that knows changes of a configuration says which one it has (`configuration` in its question)
and is told what changed since, if that is kept; who says nothing is told the whole.

A node of a former release counts LEASE_S from before it asked, whatever a page says. One of several
controls answers it after its next beat, from when its own lease lasts as long.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, TypeVar

import msgspec

from edgecache import __version__
from edgecache.cluster.lease import LEASE_S
from edgecache.rules.invalidation.items import ItemKind
from edgecache.store.invalidation import Invalidation

T = TypeVar("T")


class LogEntryKind(StrEnum):
    """Kinds of entry. Nodes pass over those they do not know."""

    CONFIG = "config"  # body: a whole configuration; its number is the generation
    CONFIG_CHANGE = "config-change"  # body: a ConfigurationChange; its number is the generation
    INVALIDATION = "invalidation"  # body: see read_entry
    KEY_VALUES = "key-values"  # body: a KeyValueChange of a store; its number is the version
    DNS_ZONE = "dns-zone"  # body: a DnsZoneChange of a zone; its number is the version
    WRITE = "write"  # something that nodes need not know: its number alone counts. No body
    RESET = "reset"  # dev mode: everything begins anew; body: see ResetBody
    CLOCK = "clock"  # dev mode: the clock has been moved. No body


class LogEntry(msgspec.Struct, frozen=True):
    """One entry: its number, when it was made (epoch seconds), its kind, and its body.

    The body is a JSON object, or at nodes the text of one: see `read_body`.
    """

    seq: int
    at: float
    kind: str
    body: Any


class LogPage(msgspec.Struct, frozen=True, omit_defaults=True):
    """A part of the log `epoch`, whose newest number is `last_seq`.

    Who has applied it has applied all up to `upto`. Invalidations up to `floor` are not told. If
    that is all there is, the node may serve for `lease_s` seconds from before it asked. `mark`
    stands beside the number `upto` in no other history of this log; "": nobody knows it.
    """

    entries: list[LogEntry]
    last_seq: int
    upto: int
    epoch: str
    floor: int
    protocol: int = 1  # that control speaks, and its release
    release: str = ""
    lease_s: float = LEASE_S
    mark: str = ""


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


class ResetBody(msgspec.Struct, frozen=True):
    """The body of a reset. `back`: the clock is about to be set back, until the next CLOCK."""

    back: bool = False


CONTENT_PATH = "/key-value-contents/"  # and the id of a store; `?after=` the number it must have


class KeyValueChange(msgspec.Struct, frozen=True, omit_defaults=True):
    """The body of an entry: the store `store` has a new version, the number of the entry.

    From the version `before` it leads by `puts` and `deletes`; who holds another asks for all of
    the store. `whole`: it is another altogether; `gone`: there is none any more.
    """

    store: str
    before: int = 0
    puts: dict[str, str] = {}
    deletes: tuple[str, ...] = ()
    whole: bool = False
    gone: bool = False


class KeyValueContent(msgspec.Struct, frozen=True):
    """All of a key value store as of the number `version`; times in epoch seconds."""

    store: str
    version: int
    created_at: float
    modified_at: float
    items: dict[str, str]


class _Body(msgspec.Struct, frozen=True):
    id: str
    distribution: str
    items: tuple[tuple[ItemKind, str], ...]
    soft: bool = False


NESTED = 3  # from this one on `LogPage.lease_s` is obeyed
PROTOCOL = NESTED
OLDEST = 1  # that this release works with: the former one's
RELEASE_CHARS_MAX = 64


@dataclass(frozen=True, slots=True)
class Speaker:
    """A process as it says itself what it speaks; one that says nothing speaks the first."""

    protocol: int = 1
    release: str = ""

    def __str__(self) -> str:
        return f"{self.release or 'a former release'} (protocol {self.protocol})"


OURS = Speaker(PROTOCOL, __version__)


def as_query(speaker: Speaker) -> dict[str, str | int]:
    """What a node adds to its question for the log."""
    return {"protocol": speaker.protocol, "release": speaker.release}


def from_query(query: Mapping[str, str]) -> Speaker:
    """Who asks for the log."""
    number = query.get("protocol", "1")
    spoken = int(number) if number.isdecimal() and len(number) < 6 else 1
    return Speaker(spoken, query.get("release", "")[:RELEASE_CHARS_MAX])


def refusal(name: str, other: Speaker, ours: Speaker = OURS, oldest: int = OLDEST) -> str:
    """Why we do not work with the process `name`, in one line; empty when we do.

    Of one that is newer it is for itself to say so.
    """
    if other.protocol >= oldest:
        return ""
    return f"{name} runs {other}, and {ours} takes {oldest} and later: upgrade {name} first"
