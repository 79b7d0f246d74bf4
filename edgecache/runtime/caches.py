"""Process-wide caches: every one of them, its bytes at worst, its key, and what it saves.

Law: no result is kept for the life of a process but in these; `tests/test_tidy.py` compares the
table with the source. What they hold is measured (`http.function_cache.cached_bytes`) and taken
from the store's share of `memory_bytes` as `MemoryHolding.REMEMBERED`.

The gain is the time of one call without and with the cache, on CPython 3.11 and a core of an AMD
EPYC, for twelve fields of 60 bytes where fields are the key. Who doubts one deletes its decorator
and its row, and runs the benchmarks of hits and misses.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ProcessCache:
    """One cache: its function below `edgecache`, how many entries, and bytes of one at worst."""

    name: str
    entries: int
    entry_bytes: int
    key: str
    gain: str

    @property
    def bytes_max(self) -> int:
        """What it may keep at worst."""
        return self.entries * self.entry_bytes


CACHES = (
    # What viewers send.
    ProcessCache("http.head._plain_line", 1_024, 2_560, "a request line of 1 KiB", "5.6 -> 0.1 µs"),
    ProcessCache("http.head._plain_block", 512, 13_312, "the fields of a head", "80 -> 0.2 µs"),
    ProcessCache("http.target.authority", 1_024, 700, "a valid Host", "1.5 -> 0.2 µs"),
    ProcessCache("http.content_coding._parse", 512, 4_608, "Accept-Encoding", "21 -> 0.1 µs"),
    ProcessCache("rules.viewer.access._passed", 256, 13_312, "a request's fields", "7.6 -> 0.5 µs"),
    ProcessCache(
        "rules.caching.key._forwarded_fields", 256, 13_312, "a request's fields", "54 -> 0.4 µs"
    ),
    ProcessCache(
        "server.request_log._logged_values", 512, 13_312, "a head's fields", "7.3 -> 0.4 µs"
    ),
    ProcessCache(
        "observe.log_record._joined", 1_024, 8_704, "neighboring columns of a line", "26 -> 0.2 µs"
    ),
    # What origins and peers send, and are sent.
    ProcessCache("http.message._title_case", 1_024, 400, "a field name", "6.5 -> 0.1 µs"),
    ProcessCache("http.dates._four_digit_year", 4_096, 200, "a date as text", "14 -> 0.1 µs"),
    ProcessCache("http.dates._format", 64, 200, "a second", "12 -> 0.1 µs"),
    ProcessCache("http.cache_control._parse", 256, 14_336, "Cache-Control", "39 -> 0.1 µs"),
    ProcessCache(
        "http.structured_fields._targeted", 256, 14_336, "a targeted Cache-Control", "65 -> 0.1 µs"
    ),
    ProcessCache(
        "rules.caching.freshness._assessed",
        1_024,
        2_560,
        "few fields, route",
        "42 -> 0.2 µs",
    ),
    ProcessCache(
        "rules.caching.freshness._binding", 256, 14_336, "its Cache-Control fields", "4.8 -> 0.2 µs"
    ),
    ProcessCache(
        "upstream.origin_request._template", 256, 13_312, "forwarded fields, route", "156 -> 0.3 µs"
    ),
    ProcessCache(
        "upstream.peer.heads.shared_lines", 256, 13_312, "fields, route, mark", "41 -> 0.5 µs"
    ),
    ProcessCache(
        "upstream.peer.heads.read_peer_fields", 512, 13_312, "a peer's fields", "9.4 -> 0.3 µs"
    ),
    # What a configuration chooses.
    ProcessCache(
        "rules.caching.freshness._said_names",
        512,
        1_024,
        "targeted fields",
        "a set a miss",
    ),
    ProcessCache(
        "rules.caching.freshness._directive_names", 512, 1_024, "the same", "a set a miss"
    ),
    ProcessCache("rules.caching.key._start", 1_024, 1_024, "a route", "1.2 -> 0.1 µs"),
    ProcessCache("rules.caching.key.lower_names", 1_024, 1_024, "a policy's names", "a tuple"),
    ProcessCache(
        "rules.caching.key._name_patterns", 1_024, 1_024, "a policy's names", "compiled once"
    ),
    ProcessCache("rules.invalidation.matcher._expression", 2_000, 1_024, "a glob", "11 -> 0.1 µs"),
    ProcessCache("rules.response.cors._compiled", 1_024, 1_024, "a pattern", "13 -> 0.1 µs"),
    ProcessCache("rules.response.cors._stars", 1_024, 1_024, "part of a pattern", "compiled once"),
    ProcessCache("rules.sigv4._signing_key", 64, 1_024, "secret and day", "52 -> 0.2 µs"),
    ProcessCache("rules.sigv4a.derived_key", 64, 1_024, "an access key", "19 -> 0.1 µs"),
    ProcessCache(
        "upstream.origin_request._endpoint",
        1_024,
        1_024,
        "an origin's address",
        "0.6 -> 0.2 µs, and a hash that is made once",
    ),
    ProcessCache("functions.context._environment", 1, 65_536, "nothing", "a file, read once"),
    ProcessCache("node.geoip.lookup", 16_384, 640, "an address", "a look-up in one or two files"),
)

UNCOUNTED = (
    # Of processes that store nothing: as many entries as the program has types and models.
    ProcessCache("config.aws.passthrough._fields", 100, 8_192, "a type", "annotations read once"),
    ProcessCache("control.cloudfront.model.api", 1, 15_000_000, "nothing", "0.1 s"),
    ProcessCache("control.route53.model.route53", 1, 5_000_000, "nothing", "0.05 s"),
)
