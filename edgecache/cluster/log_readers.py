"""Readers of the live log: what control has nodes look for, and what they send of it.

Law: a reader is known to a node as long as control names it in answers to the node's reports. What
travels is bounded by the node (`observe.log_reader`), and again by control.
"""

from __future__ import annotations

from typing import Annotated

import msgspec

from edgecache.observe.log_filter import ALIASES, FILTER_COLUMNS, LogFilter, field_name
from edgecache.observe.log_reader import LogSelection
from edgecache.observe.traffic_summary import TrafficSample

READERS_MAX = 16  # of an installation at once: people, and a page or two
ROWS_MAX = 2_000  # of one reader in one message
FIELDS_MAX = 64
TIERS = ("edge", "regional")
ALL_TIERS = "all"
DEFAULT_FIELDS = (
    *("time", "node", "c-ip", "cs-method", "x-host-header", "cs-uri-stem", "cs-uri-query"),
    *("sc-status", "x-edge-result-type", "reason", "sc-bytes", "time-taken", "x-edge-request-id"),
)
PATH_FIELDS = (
    *("tier", "node", "x-edge-location", "date", "time", "time-taken", "time-to-first-byte"),
    *("sc-status", "x-edge-result-type", "x-edge-detailed-result-type"),
    *("reason", "cs-method", "cs-protocol", "x-host-header", "cs-uri-stem", "cs-uri-query"),
    *("sc-bytes", "c-ip", "distribution-id", "cache-behavior-path-pattern"),
    *("origin-id", "origin-status", "origin-fbl", "origin-lbl", "x-edge-request-id", "trace-id"),
)
"""What is told of each tier of one request."""

Value = Annotated[str, msgspec.Meta(max_length=8_192)]
Id = Annotated[str, msgspec.Meta(max_length=64)]


class LogSubscription(msgspec.Struct, frozen=True, omit_defaults=True):
    """A reader, as nodes hear of it: `tier` is one of TIERS, or ALL_TIERS.

    `request_id` looks for one request, in what a node has logged before too: it says once that it
    has looked, whatever it found.
    """

    id: str
    filter: str = ""
    fields: tuple[str, ...] = ()
    percent: float = 100.0
    tier: str = "edge"
    request_id: str = ""
    summary: bool = False

    def covers(self, role: str) -> bool:
        """Whether it is about processes of a role."""
        return self.tier in (role, ALL_TIERS)

    def selection(self) -> LogSelection:
        """What it selects. FilterError."""
        wanted = self.filter
        if self.request_id:
            wanted = f'x-edge-request-id="{self.request_id}"'
        return LogSelection(LogFilter(wanted), self.fields, self.percent, self.summary)


class ReaderBatch(msgspec.Struct, frozen=True):
    """What one process sends to a reader: rows of values in the order of its fields, escaped."""

    id: Id
    rows: Annotated[list[list[Value]], msgspec.Meta(max_length=ROWS_MAX)] = []
    lost: Annotated[int, msgspec.Meta(ge=0)] = 0
    summary: TrafficSample | None = None


class ReaderBatches(msgspec.Struct, frozen=True):
    """One message of a process, to all its readers."""

    batches: Annotated[list[ReaderBatch], msgspec.Meta(max_length=READERS_MAX)]


def field_names(wanted: list[str]) -> tuple[str, ...]:
    """The fields that names or short names mean. ValueError names one that means none."""
    if len(wanted) > FIELDS_MAX:
        raise ValueError(f"fields: more than {FIELDS_MAX}")
    found = []
    for name in wanted:
        field = field_name(name)
        if not field:
            known = ", ".join(sorted({*ALIASES, *FILTER_COLUMNS} - {"cs(Cookie)"}))
            raise ValueError(f"fields: there is no field {name[:64]!r} here (known: {known})")
        found.append(field)
    return tuple(found)
