"""Real-time log lines: CloudFront's order, what is known, and what a line says of a record."""

from __future__ import annotations

import json

import pytest

from edgecache.observe.log_reader import RecordSource, RecordValues
from edgecache.observe.log_record import RecordExtras
from edgecache.observe.realtime_log import (
    CLOUDFRONT_FIELDS,
    REALTIME_FIELDS,
    UNKNOWN_FIELDS,
    RealtimeLines,
)
from tests.observe.test_log_reader import line
from tests.observe.test_log_record import NOON

SOURCE = RecordSource("edge-LHR50-1", "edge", lambda _address: ("DE", "3320"))
EXTRAS = RecordExtras("E1", "/img/*", "absent", "web", 200, 0.25, 1.5, b"a=1", b"0af7")


def values(made: RealtimeLines, extras: RecordExtras | None = EXTRAS) -> list[bytes]:
    return [*RecordValues(SOURCE, made.columns).all_of(line(b"/a b", extras=extras))]


def test_there_are_69_fields_of_which_we_know_most() -> None:
    assert len(CLOUDFRONT_FIELDS) == len({*CLOUDFRONT_FIELDS}) == 69
    unknown = {name for name in UNKNOWN_FIELDS if not name.startswith("cmcd-")}
    assert unknown == {
        "s-ip", "cs-accept-encoding", "cs-accept", "cs-headers", "cs-header-names",
        "cs-headers-count", "r-host", "sr-reason", "x-edge-mqcs",
    }  # fmt: skip
    assert len(UNKNOWN_FIELDS) == 9 + 18


def test_a_line_has_its_fields_in_cloudfronts_order() -> None:
    asked = ("sc-status", "c-ip", "timestamp", "cs-uri-stem")
    made = RealtimeLines(asked)
    assert made.fields == ("timestamp", "c-ip", "sc-status", "cs-uri-stem")
    assert made.line(values(made)) == b"%.3f\t192.0.2.1\t200\t/a%%20b\n" % NOON


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("timestamp", f"{NOON:.3f}"), ("c-ip", "192.0.2.1"), ("c-ip-version", "IPv4"),
        ("cs-host", "d1.cloudfront.net"), ("x-host-header", "www.example.com"),
        ("cs-user-agent", "curl/8"), ("cs-referer", "-"), ("cs-cookie", "a=1"),
        ("cs-uri-query", "q=%2520"), ("c-country", "DE"), ("asn", "3320"),
        ("origin-fbl", "0.250"), ("origin-lbl", "1.500"), ("cache-behavior-path-pattern", "/img/*"),
        ("primary-distribution-id", "-"), ("fle-status", "-"), ("connection-id", "-"),
        ("x-edge-request-id", "id=="), ("time-taken", "0.002"), ("sc-content-len", "300"),
    ],
)  # fmt: skip
def test_what_a_field_says(field: str, value: str) -> None:
    made = RealtimeLines((field,))
    assert made.line(values(made)) == f"{value}\n".encode()
    assert json.loads(made.json_line(values(made))) == {field: value}


def test_without_fields_there_are_all_but_cookies() -> None:
    made = RealtimeLines(())
    assert set(REALTIME_FIELDS) - set(made.fields) == {"cs-cookie"}
    assert not made.shows_cookies
    assert RealtimeLines(("cs-cookie",)).shows_cookies
    told = json.loads(made.json_line(values(made)))
    assert tuple(told) == made.fields
    assert made.line(values(made)).decode().rstrip("\n").split("\t") == [*told.values()]


def test_a_record_that_says_less_has_less() -> None:
    made = RealtimeLines(("timestamp", "origin-fbl", "sc-status"))
    assert made.line(values(made, None)) == b"-\t200\t-\n"


def test_hosts_of_ipv6() -> None:
    made = RealtimeLines(("c-ip-version",))
    row = values(made)
    row[4] = b"2001:db8::1"
    assert made.line(row) == b"IPv6\n"
