"""Inspection of stores: the questions control asks nodes, and their answers, as on the wire."""

from __future__ import annotations

import base64
import binascii
import re
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

import msgspec

from edgecache.observe.counters import Sample
from edgecache.rules.invalidation.items import Item, ItemKind

NAMED, STATS, OBJECTS = b"named", b"stats", b"objects"  # kinds of question
FUNCTION_LOGS = b"function-logs"
SPELLED_BYTES_MAX = 16_384  # half of what a head may have
EXAMPLES = 5  # of one node
LISTED_MAX = 1_000  # objects of one node in one answer: 300 KiB
LISTED_DEFAULT = 20
OBJECTS_LOOKED_AT = 100_000  # in a tenth of a second, in which the node does nothing else
_PREFIX = re.compile(r"/[!-~]*")


class WorkerReport(Protocol):
    """An answer of one process; it names itself."""

    @property
    def node(self) -> str: ...


class DiskNamed(msgspec.Struct, frozen=True):
    """Entries on disk that the items name, among those looked at. Most are in memory too."""

    entries: int = 0
    size_bytes: int = 0
    looked_at: int = 0
    held: int = 0


class NodeNamed(msgspec.Struct, frozen=True):
    """Entries of one process that the items name, among those that were looked at.

    `disk` None: it is still being looked at.
    """

    node: str
    role: str
    location: str
    entries: int
    size_bytes: int
    examples: tuple[str, ...]
    looked_at: int
    held: int
    disk: DiskNamed | None = DiskNamed()


@dataclass(frozen=True, slots=True)
class DryRunQuery:
    """A question to nodes: what they hold of a distribution's items."""

    distribution: str
    items: tuple[Item, ...]

    def spell(self) -> bytes:
        """The question as the value of a field. ValueError when it is too long for one."""
        text = base64.urlsafe_b64encode(msgspec.json.encode((self.distribution, self.items)))
        if len(text) > SPELLED_BYTES_MAX:
            raise ValueError("too many items for a dry run: ask for some of them")
        return NAMED + b":" + text

    @classmethod
    def read(cls, spelled: bytes) -> DryRunQuery:
        """Read a spelled question. ValueError."""
        try:
            data = base64.urlsafe_b64decode(spelled.removeprefix(NAMED + b":"))
        except binascii.Error as error:
            raise ValueError(str(error)) from error
        return cls(*msgspec.json.decode(data, type=tuple[str, tuple[tuple[ItemKind, str], ...]]))


class ObjectOrder(StrEnum):
    """Order of listed objects."""

    LARGEST = "largest"
    MOST_USED = "most-used"


@dataclass(frozen=True, slots=True)
class StoreStats:
    """The store of one process. `oldest_s`: since its oldest entry came; None: it has none."""

    node: str
    role: str
    location: str
    budget_bytes: int
    oldest_s: float | None
    sample: Sample


@dataclass(frozen=True, slots=True)
class ListedObject:
    """An entry in memory. `uses` are counted since it, or what it renewed, came."""

    distribution: str
    target: str
    host: str
    size_bytes: int
    uses: int
    age_s: float
    ttl_left_s: float | None  # None: not known; below zero: expired


@dataclass(frozen=True, slots=True)
class StoreObjects:
    """Objects of one process: the first in order, among those that were looked at."""

    node: str
    role: str
    location: str
    objects: tuple[ListedObject, ...]
    looked_at: int
    held: int


@dataclass(frozen=True, slots=True)
class InventoryQuery:
    """A question to nodes: their objects by prefix, order and number."""

    prefix: str = "/"
    order: ObjectOrder = ObjectOrder.LARGEST
    limit: int = LISTED_DEFAULT

    def spell(self) -> bytes:
        """The order and the limit, as nodes are asked for them; the prefix is the target."""
        return b"%b:%b:%d" % (OBJECTS, self.order.encode(), self.limit)

    @classmethod
    def read(cls, prefix: str, spelled: bytes) -> InventoryQuery:
        """Read a spelled question. ValueError."""
        word, order, limit = spelled.decode("ascii").split(":")
        if word.encode() != OBJECTS or not _PREFIX.fullmatch(prefix):
            raise ValueError(f"{prefix!r} is not the start of a path")
        if not 1 <= int(limit) <= LISTED_MAX:
            raise ValueError(f"{limit} is not 1 to {LISTED_MAX}")
        return cls(prefix, ObjectOrder(order), int(limit))


class LoggedRun(msgspec.Struct, frozen=True):
    """What one run of a function has logged, at `at` (epoch seconds)."""

    at: float
    function: str
    request_id: str
    distribution: str
    lines: tuple[str, ...]


class FunctionLogPage(msgspec.Struct, frozen=True):
    """What functions of one process have logged since who asks has seen it.

    `instance` is the process's alone, `last` the number of the last run in `runs` or before, `lost`
    how many had to make way before they were asked for.
    """

    node: str
    role: str
    location: str
    instance: str
    runs: tuple[LoggedRun, ...] = ()
    last: int = 0
    lost: int = 0


class FunctionLogQuery(msgspec.Struct, frozen=True):
    """A question to nodes: what their functions have logged after the runs that were seen.

    `seen`: the last number by instance; what others have is asked for from its start.
    """

    seen: dict[str, int] = {}

    def spell(self) -> bytes:
        """The question as the value of a field. ValueError when it is too long for one."""
        text = base64.urlsafe_b64encode(msgspec.json.encode(self.seen))
        if len(text) > SPELLED_BYTES_MAX:
            raise ValueError("too many processes to follow")
        return FUNCTION_LOGS + b":" + text

    @classmethod
    def read(cls, spelled: bytes) -> FunctionLogQuery:
        """Read a spelled question. ValueError."""
        try:
            text = spelled.removeprefix(FUNCTION_LOGS + b":")
            data = base64.b64decode(text, altchars=b"-_", validate=True)
        except binascii.Error as error:
            raise ValueError(str(error)) from error
        return cls(msgspec.json.decode(data or b"{}", type=dict[str, int]))
