"""Summary of many requests in bounded memory: what is asked most, why it misses, by whom, how long.

Law: summaries of processes and of seconds add up: what is told of all of them is what one summary
of all their records would tell, within the bounds of `heavy_hitters` and `distinct_count`. Made of
the log's records on the thread that writes them, and only while somebody reads.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence

import msgspec

from edgecache.observe.distinct_count import REGISTERS, DistinctCount
from edgecache.observe.heavy_hitters import NAME_BYTES_MAX, HeavyHitters, HitterSample
from edgecache.observe.histogram import Histogram, HistogramSample, merge_histograms
from edgecache.observe.log_filter import NONE, Values
from edgecache.observe.log_record import COLUMNS, OfAddress, escaped, of_no_address

_MILLISECONDS = (
    *(0.5, 1, 2, 3, 5, 7, 10, 15, 20, 30, 50, 70, 100, 150, 200, 300, 500, 700),
    *(1_000, 1_500, 2_000, 3_000, 5_000, 7_000, 10_000, 15_000, 20_000, 30_000, 60_000),
)
LATENCY_SECONDS = tuple(ms / 1000 for ms in _MILLISECONDS)
"""Upper bounds of durations. The log has milliseconds: the first one is for less than one."""
NAMES_TOLD = 256  # of a ranking in one sample: what a second brings
HIT, MISS, OTHER = "hit", "miss", "other"
_OUTCOMES = {b"Hit": HIT, b"RefreshHit": HIT, b"Miss": MISS}
OBJECTS, MISSES, REASONS, ORIGINS = "objects", "misses", "reasons", "origins"
VIEWERS, ERRORS, REFERRERS = "viewers", "errors", "referrers"
COUNTRIES, DEVICES, PROTOCOLS = "countries", "devices", "protocols"

_HOST, _PATH, _STATUS = COLUMNS["x-host-header"], COLUMNS["cs-uri-stem"], COLUMNS["sc-status"]
_RESULT, _REASON = COLUMNS["x-edge-result-type"], COLUMNS["reason"]
_ORIGIN, _ADDRESS = COLUMNS["origin-id"], COLUMNS["c-ip"]
_REFERRER, _TAKEN, _SENT = COLUMNS["cs(Referer)"], COLUMNS["time-taken"], COLUMNS["sc-bytes"]
_AGENT, _PROTOCOL = COLUMNS["cs(User-Agent)"], COLUMNS["cs-protocol-version"]

OfAgent = Callable[[bytes], bytes]
"""The kind of device that a User-Agent, as logged, tells of; empty: it is not looked at."""


def _object(row: Values) -> bytes:
    return row[_HOST] + row[_PATH]


def _miss(row: Values) -> bytes:
    return b"%b %b" % (row[_REASON], _object(row)) if row[_RESULT] == b"Miss" else b""


def _reason(row: Values) -> bytes:
    return b"" if row[_REASON] == NONE else row[_REASON]


def _origin(row: Values) -> bytes:
    return b"" if row[_ORIGIN] == NONE else row[_ORIGIN]


def _viewer(row: Values) -> bytes:
    return row[_ADDRESS]


def _error(row: Values) -> bytes:
    return b"%b %b" % (row[_STATUS], _object(row)) if row[_STATUS] >= b"400" else b""


def _referrer(row: Values) -> bytes:
    return b"" if row[_REFERRER] == NONE else row[_REFERRER]


def _protocol(row: Values) -> bytes:
    return row[_PROTOCOL]


def of_no_agent(_agent: bytes) -> bytes:
    """Where nobody knows devices."""
    return b""


RANKED: Mapping[str, Callable[[Values], bytes]] = {
    OBJECTS: _object, MISSES: _miss, REASONS: _reason, ORIGINS: _origin, VIEWERS: _viewer,
    ERRORS: _error, REFERRERS: _referrer, PROTOCOLS: _protocol,
}  # fmt: skip
"""The name under which each ranking counts a record; empty: it does not."""
RANKINGS = (*RANKED, COUNTRIES, DEVICES)
"""All of them: the last two are looked up, once for each viewer and agent of a batch."""


class TrafficSample(msgspec.Struct, frozen=True, kw_only=True):
    """What a summary knows, as it travels: `rankings` by RANKINGS, `latencies` by HIT,
    MISS and OTHER, `viewers` as `DistinctCount.sample`.
    """

    requests: int = 0
    bytes_out: int = 0
    outcomes: dict[str, int] = {}
    rankings: dict[str, HitterSample] = {}
    viewers: str = ""
    latencies: dict[str, HistogramSample] = {}


class TrafficSummary:
    """A summary of records, and of other summaries."""

    def __init__(self) -> None:
        self._begin()

    def _begin(self) -> None:
        self.requests = 0
        self.bytes_out = 0
        self.outcomes: Counter[str] = Counter()
        self.rankings = {name: HeavyHitters() for name in RANKINGS}
        self.viewers = DistinctCount()
        self.latencies: dict[str, HistogramSample] = {}

    def add(
        self,
        rows: Sequence[Values],
        of_address: OfAddress = of_no_address,
        of_agent: OfAgent = of_no_agent,
    ) -> None:
        """Count records by their values (FILTER_COLUMNS), escaped."""
        self.requests += len(rows)
        self.bytes_out += sum([int(row[_SENT]) for row in rows])
        for name, key in RANKED.items():
            counted = Counter([key(row)[:NAME_BYTES_MAX] for row in rows])
            del counted[b""]
            self.rankings[name].add(counted)
            if name == VIEWERS:
                self.viewers.add(counted)
                self._add_countries(counted, of_address)
        self._add_devices(Counter([row[_AGENT] for row in rows]), of_agent)
        self._add_outcomes(rows)

    def _add_countries(self, viewers: Mapping[bytes, int], of_address: OfAddress) -> None:
        countries: dict[str, int] = {}
        for address, count in viewers.items():
            country = of_address(address.decode("latin-1"))[0]
            countries[country] = countries.get(country, 0) + count
        self.rankings[COUNTRIES].add({escaped(name): count for name, count in countries.items()})

    def _add_devices(self, agents: Mapping[bytes, int], of_agent: OfAgent) -> None:
        devices: dict[bytes, int] = {}
        for agent, count in agents.items():
            kind = of_agent(agent)
            devices[kind] = devices.get(kind, 0) + count
        devices.pop(b"", None)
        self.rankings[DEVICES].add(devices)

    def _add_outcomes(self, rows: Sequence[Values]) -> None:
        taken: dict[str, Histogram] = {}
        times = Counter([(row[_RESULT], row[_TAKEN]) for row in rows])
        for (result, text), count in times.items():
            outcome = _OUTCOMES.get(result, OTHER)
            self.outcomes[outcome] += count
            histogram = taken.setdefault(outcome, Histogram(LATENCY_SECONDS))
            histogram.observe_many(float(text), count)
        for outcome, histogram in taken.items():
            self._add_latencies(outcome, histogram.snapshot())

    def merge(self, sample: TrafficSample) -> None:
        """Count what another summary has counted. ValueError when it is none."""
        if sample.viewers:
            self.viewers.merge(sample.viewers)
        self.requests += sample.requests
        self.bytes_out += sample.bytes_out
        self.outcomes.update({name: sample.outcomes.get(name, 0) for name in (HIT, MISS, OTHER)})
        for name, ranking in self.rankings.items():
            if name in sample.rankings:
                ranking.merge(sample.rankings[name])
        for outcome in (HIT, MISS, OTHER):
            if outcome in sample.latencies:
                self._add_latencies(outcome, _checked(sample.latencies[outcome]))

    def sample(self, names: int = NAMES_TOLD) -> TrafficSample:
        """What is known, with so many names of each ranking."""
        return TrafficSample(
            requests=self.requests,
            bytes_out=self.bytes_out,
            outcomes=dict(self.outcomes),
            rankings={name: one.sample(names) for name, one in self.rankings.items()},
            viewers=self.viewers.sample(),
            latencies=dict(self.latencies),
        )

    def take(self) -> TrafficSample | None:
        """What is known, which is forgotten by it; None when that is nothing."""
        if not self.requests:
            return None
        taken = self.sample()
        self._begin()
        return taken

    @property
    def size_bytes(self) -> int:
        """About what it holds."""
        return REGISTERS + sum(one.size_bytes for one in self.rankings.values())

    def _add_latencies(self, outcome: str, more: HistogramSample) -> None:
        self.latencies[outcome] = merge_histograms(self.latencies.get(outcome), more)


def quantile(histogram: HistogramSample, share: float) -> float:
    """The upper bound, in seconds, of the part in which that share of all lies; 0 of none.

    What is above all bounds is told as infinite.
    """
    wanted, seen = share * sum(histogram["counts"]), 0
    if not wanted:
        return 0.0
    for bound, count in zip(histogram["bounds"], histogram["counts"], strict=False):
        seen += count
        if seen >= wanted:
            return bound
    return float("inf")


def _checked(histogram: HistogramSample) -> HistogramSample:
    """ValueError when bounds and counts do not agree."""
    bounds, counts = histogram["bounds"], histogram["counts"]
    if len(counts) != len(bounds) + 1 or bounds != sorted(bounds):
        raise ValueError("bounds and counts do not agree")
    return histogram
