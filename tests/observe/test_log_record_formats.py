"""Formats of the access log: what is cut out of records' lines for files and as JSON."""

from __future__ import annotations

import json

from hypothesis import given
from hypothesis import strategies as st

from edgecache.observe.log_record import (
    DEFAULT_JSON_FIELDS,
    JSON_FIELDS,
    JsonLines,
    RecordExtras,
    format_record,
    standard_lines,
)
from tests.observe.test_log_record import NOON, record

EXTRAS = RecordExtras("E1", "/img/*", "absent", "web", 200, 0.25, 1.5, b"a=1", b"0af7")


def line(extras: RecordExtras | None = EXTRAS, agent: bytes = b"curl/8") -> bytes:
    return format_record((*record(agent)[:-1], extras), lambda _: b"2024-01-01\t12:00:00")


def of_address(address: str) -> tuple[str, str]:
    return ("DE", "3320") if address == "192.0.2.1" else ("", "")


def test_a_standard_line_is_the_same_whoever_wants_more() -> None:
    plain = line(None)
    assert standard_lines([plain, plain]) == plain * 2
    assert standard_lines([line(), plain]) == plain * 2
    assert plain.count(b"\n") == 1


def test_a_json_line_has_every_field_as_a_string() -> None:
    told = json.loads(JsonLines(JSON_FIELDS, "edge LHR50-1", of_address)([line()]))
    assert list(told) == list(JSON_FIELDS)
    assert {type(value) for value in told.values()} == {str}
    expected = {
        "date": "2024-01-01", "time": "12:00:00", "sc-status": "200", "cs(Cookie)": "a=1",
        "timestamp(ms)": f"{NOON * 1000:.0f}", "origin-fbl": "0.250", "origin-lbl": "1.500",
        "c-country": "DE", "asn": "3320", "node": "edge%20LHR50-1", "trace-id": "0af7",
        "cache-behavior-path-pattern": "/img/*", "reason": "absent", "distribution-id": "E1",
        "connection-id": "-",
    }  # fmt: skip
    assert expected.items() <= told.items()


def test_fields_come_in_the_order_in_which_they_are_named() -> None:
    assert JsonLines(("sc-status", "c-ip"), "n")([line()]) == (
        b'{"sc-status":"200","c-ip":"192.0.2.1"}\n'
    )
    assert JsonLines(("asn",), "n")([line()]) == b'{"asn":"-"}\n'


def test_cookies_are_in_no_line_unless_they_are_named() -> None:
    assert "cs(Cookie)" not in DEFAULT_JSON_FIELDS
    assert b"a=1" not in JsonLines(DEFAULT_JSON_FIELDS, "n")([line()])


def test_a_record_from_before_has_no_extras() -> None:
    told = json.loads(JsonLines(JSON_FIELDS, "n", of_address)([line(None)]))
    assert (told["origin-fbl"], told["c-country"], told["sc-status"]) == ("-", "DE", "200")


@given(st.binary(min_size=1, max_size=200))
def test_whatever_a_viewer_sends_is_one_json_object(agent: bytes) -> None:
    lines = JsonLines(DEFAULT_JSON_FIELDS, "n")([line(agent=agent)])
    assert lines.count(b"\n") == 1
    assert len(json.loads(lines)) == len(DEFAULT_JSON_FIELDS)
