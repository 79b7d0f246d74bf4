"""One reader of a process's records as they come: chosen by a filter, sampled, a bounded number.

Law: a reader costs who serves nothing but the time it takes to look, and keeps nobody waiting: what
it does not take in time, and what is more than LINES_PER_S, is lost to it and counted. All of it is
done on the thread that writes the log.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from typing import NamedTuple

from edgecache.observe.log_filter import FILTER_COLUMNS, NONE, LogFilter, Values
from edgecache.observe.log_record import (
    COLUMNS,
    FIELDS,
    OfAddress,
    escaped,
    of_no_address,
    record_values,
)
from edgecache.observe.traffic_summary import (
    OfAgent,
    TrafficSample,
    TrafficSummary,
    of_no_agent,
)

LINES_MAX = 2_000  # that wait to be taken: two seconds of LINES_PER_S
BYTES_MAX = 1024 * 1024  # of their values
LINES_PER_S = 1_000  # more than anybody reads; what they cost to make is bounded by it
VALUE_BYTES = 64  # of an empty one: a bytes object and its place
ID_CHARS = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
_STANDARD = FIELDS.count(" ")  # columns behind it are of the second line
_ADDRESS, _ID = COLUMNS["c-ip"], COLUMNS["x-edge-request-id"]


class RecordSource(NamedTuple):
    """The process that records are of: what their lines do not say."""

    node: str
    tier: str
    of_address: OfAddress = of_no_address
    of_agent: OfAgent = of_no_agent


class LogSelection(NamedTuple):
    """What a reader wants: which records, how many of a hundred, and which of their fields.

    A summary is of all records that the filter wants, and of no fields.
    """

    filter: LogFilter
    fields: Sequence[str] = ()  # by FILTER_COLUMNS
    percent: float = 100.0
    summary: bool = False

    @property
    def columns(self) -> frozenset[int]:
        """Places of the values that it looks at or gives."""
        named = {FILTER_COLUMNS[name] for name in self.fields}
        return self.filter.columns | named


class TakenLines(NamedTuple):
    """What a reader has taken: rows of values, escaped, and how many were lost before them."""

    rows: list[list[str]]
    lost: int
    summary: TrafficSample | None = None


class LogReader:
    """A reader of a process's records. `clock` gives seconds."""

    def __init__(
        self, wanted: LogSelection, source: RecordSource, clock: Callable[[], float]
    ) -> None:
        self.wanted = wanted
        self._source = source
        self._clock = clock
        self._rows: list[list[str]] = []
        self._bytes = 0
        self._lost = 0
        self._second, self._in_second = 0, 0  # which second that was, and its lines
        self._summary = TrafficSummary() if wanted.summary else None
        self._places = [FILTER_COLUMNS[name] for name in wanted.fields]
        self._filtered = RecordValues(source, wanted.filter.columns)
        self._values = RecordValues(source, wanted.columns)
        share = id_prefixes(wanted.percent)
        self._sampled = None if len(share) == len(ID_CHARS) ** 2 else share

    def offer(self, lines: Sequence[bytes]) -> None:
        """Look at records, each with its lines."""
        chosen = lines if not self.wanted.filter.expression else self._chosen(lines)
        if self._sampled is not None:
            chosen = [line for line in chosen if _id_of(line)[:2] in self._sampled]
        if not chosen:
            return
        if self._summary is not None:
            rows = [self._values.all_of(line) for line in chosen]
            self._summary.add(rows, self._source.of_address, self._source.of_agent)
            return
        room = self._room(len(chosen))
        self._lost += len(chosen) - room
        for line in chosen[:room]:
            self._keep(self._cut(line))

    def take(self) -> TakenLines:
        """What has come since the last time."""
        taken = TakenLines(self._rows, self._lost, self._taken_summary())
        self._rows, self._bytes, self._lost = [], 0, 0
        return taken

    @property
    def size_bytes(self) -> int:
        """About what waits to be taken. On any thread."""
        return self._bytes + (0 if self._summary is None else self._summary.size_bytes)

    def _taken_summary(self) -> TrafficSample | None:
        return None if self._summary is None else self._summary.take()

    def _chosen(self, lines: Sequence[bytes]) -> list[bytes]:
        matches, values = self.wanted.filter.matches, self._filtered.of
        return [line for line in lines if matches(values(line))]

    def _cut(self, line: bytes) -> list[str]:
        values = self._values.all_of(line)
        return [values[place].decode("latin-1") for place in self._places]

    def _room(self, wanted: int) -> int:
        """How many of so many lines this second has room for."""
        second = int(self._clock())
        if second != self._second:
            self._second, self._in_second = second, 0
        room = min(wanted, LINES_PER_S - self._in_second)
        self._in_second += room
        return room

    def _keep(self, row: list[str]) -> None:
        size = sum(map(len, row)) + VALUE_BYTES * len(row)
        if len(self._rows) >= LINES_MAX or self._bytes + size > BYTES_MAX:
            self._lost += 1
            return
        self._rows.append(row)
        self._bytes += size


class RecordValues:
    """Gives the values of a record by FILTER_COLUMNS: `of` those up to the last of `columns`, for
    who looks at no other, `all_of` all of them.
    """

    def __init__(self, source: RecordSource, columns: Collection[int]) -> None:
        self._source = source
        self._node, self._tier = escaped(source.node), escaped(source.tier)
        last = max(columns, default=0)
        self._cut_at = 0 if last >= _STANDARD else last + 1
        self._looks_up = bool({COLUMNS["c-country"], COLUMNS["asn"]} & {*columns})

    def of(self, line: bytes) -> Values:
        """Values of a record, as far as they are looked at."""
        return line.split(b"\t", self._cut_at) if self._cut_at else self.all_of(line)

    def all_of(self, line: bytes) -> Values:
        """All values of a record; country and network where they are looked at."""
        values = record_values(line)
        country, number = NONE, NONE
        if self._looks_up:
            found = self._source.of_address(values[_ADDRESS].decode("latin-1"))
            country, number = map(escaped, found)
        values += (country, number, self._node, self._tier)
        return values


def id_prefixes(percent: float) -> frozenset[bytes]:
    """The first two characters that so many of a hundred request ids have.

    Ids are random, and the same at each tier: a request that is sampled is seen at all of them.
    """
    count = len(ID_CHARS)
    whole = round(percent / 100 * count * count)
    return frozenset(bytes((ID_CHARS[n // count], ID_CHARS[n % count])) for n in range(whole))


def _id_of(line: bytes) -> bytes:
    return line.split(b"\t", _ID + 1)[_ID]
