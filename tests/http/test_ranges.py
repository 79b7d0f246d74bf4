"""Byte ranges (RFC 9110 §14)."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from edgecache.http.ranges import (
    POSITION_MAX,
    SEVERAL_BYTES_MAX,
    ContentRange,
    Interval,
    RangeSpec,
    Span,
    Suffix,
    acceptable,
    content_range,
    parse_content_range,
    parse_range,
    resolve,
    unsatisfied,
)

unhurried = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])


@pytest.mark.parametrize(
    ("value", "specs"),
    [
        pytest.param(b"bytes=0-499", (Interval(0, 499),), id="14.1.2-first-500"),
        pytest.param(b"bytes=500-999", (Interval(500, 999),), id="14.1.2-second-500"),
        pytest.param(b"bytes=-500", (Suffix(500),), id="14.1.2-last-500"),
        pytest.param(b"bytes=9500-", (Interval(9500, None),), id="14.1.2-open"),
        pytest.param(b"bytes=0-0,-1", (Interval(0, 0), Suffix(1)), id="14.1.2-first-and-last"),
        pytest.param(
            b"bytes= 0-999, 4500-5499, -1000",
            (Interval(0, 999), Interval(4500, 5499), Suffix(1000)),
            id="14.1.2-several",
        ),
        pytest.param(b"bytes=0-1,,2-3,", (Interval(0, 1), Interval(2, 3)), id="5.6.1.2-gap"),
        pytest.param(b"BYTES=0-1", (Interval(0, 1),), id="14.1-unit-case"),
        pytest.param(b"bytes=-0", (Suffix(0),), id="14.1.1-suffix-of-nothing"),
        pytest.param(b"bytes=007-08", (Interval(7, 8),), id="leading-zeros"),
        pytest.param(b"bytes=0-" + b"9" * 5000, (Interval(0, POSITION_MAX),), id="monstrous"),
        pytest.param(b"items=0-1", None, id="14.2-other-unit"),
        pytest.param(b"bytes=5-4", None, id="14.1.1-last-before-first"),
        pytest.param(b"bytes=0-1,5-4", None, id="14.2-one-invalid"),
        pytest.param(b"bytes=0-1" + b"," * 1_023, (Interval(0, 1),), id="1024-members"),
        pytest.param(b"bytes=0-1" + b"," * 1_024, None, id="more-than-anybody-means"),
        pytest.param(b"bytes=", None, id="no-range"),
        pytest.param(b"bytes=,", None, id="no-range-but-a-comma"),
        pytest.param(b"bytes", None, id="no-equals"),
        pytest.param(b"bytes =0-1", None, id="space-before-equals"),
        pytest.param(b"bytes=0 -1", None, id="space-in-range"),
        pytest.param(b"bytes=-", None, id="only-a-dash"),
        pytest.param(b"bytes=1", None, id="no-dash"),
        pytest.param(b"bytes=--1", None, id="two-dashes"),
        pytest.param(b"bytes=+1-2", None, id="plus"),
        pytest.param(b"bytes=1_0-20", None, id="underscore"),
        pytest.param(b"bytes=0x1-2", None, id="hexadecimal"),
        pytest.param("bytes=٠-١".encode(), None, id="not-ascii"),
        pytest.param(b"bytes=cow", None, id="cow"),
        pytest.param(b"bytes=0-1\n", None, id="newline"),
        pytest.param(b"", None, id="empty"),
    ],
)
def test_parse_range(value: bytes, specs: tuple[RangeSpec, ...] | None) -> None:
    assert parse_range(value) == specs


@pytest.mark.parametrize(
    ("value", "total", "spans"),
    [
        (b"bytes=0-499", 10_000, (Span(0, 499),)),
        (b"bytes=-500", 10_000, (Span(9500, 9999),)),
        (b"bytes=9500-", 10_000, (Span(9500, 9999),)),
        (b"bytes=0-0,-1", 10_000, (Span(0, 0), Span(9999, 9999))),
        (b"bytes=0-99", 10, (Span(0, 9),)),
        (b"bytes=-99", 10, (Span(0, 9),)),
        (b"bytes=10-", 10, ()),
        (b"bytes=9-", 10, (Span(9, 9),)),
        (b"bytes=-0", 10, ()),
        (b"bytes=20-30,1-2", 10, (Span(1, 2),)),
        (b"bytes=5-6,1-2", 10, (Span(5, 6), Span(1, 2))),
        (b"bytes=0-", 0, ()),
        (b"bytes=-1", 0, ()),
    ],
)
def test_resolve(value: bytes, total: int, spans: tuple[Span, ...]) -> None:
    assert resolve(parse_range(value) or (), total) == spans


NUMBERS = st.integers(min_value=0, max_value=30)
SPECS = st.one_of(
    st.builds(Suffix, NUMBERS),
    st.builds(Interval, NUMBERS, st.none()),
    st.tuples(NUMBERS, NUMBERS).map(lambda ends: Interval(min(ends), max(ends))),
)


def bytes_asked(spec: RangeSpec, total: int) -> list[int]:
    everything = list(range(total))
    if isinstance(spec, Suffix):
        return everything[-spec.length :] if spec.length else []
    return [i for i in everything if i >= spec.first and (spec.last is None or i <= spec.last)]


@unhurried
@given(st.lists(SPECS, max_size=5), NUMBERS)
def test_a_span_holds_exactly_the_bytes_asked_for(specs: list[RangeSpec], total: int) -> None:
    asked = [positions for spec in specs if (positions := bytes_asked(spec, total))]
    spans = resolve(specs, total)
    assert [list(range(span.first, span.last + 1)) for span in spans] == asked
    assert [span.length for span in spans] == [len(positions) for positions in asked]


@pytest.mark.parametrize(
    ("spans", "expected"),
    [
        ([], True),
        ([Span(0, 1)], True),
        ([Span(0, 1), Span(2, 3)], True),
        ([Span(0, 2), Span(2, 3)], False),
        ([Span(2, 3), Span(0, 1)], False),
        ([Span(0, 9), Span(0, 9)], False),
        ([Span(i * 2, i * 2) for i in range(16)], True),
        ([Span(i * 2, i * 2) for i in range(17)], False),
        ([Span(0, 0), Span(2, SEVERAL_BYTES_MAX)], True),
        ([Span(0, 0), Span(2, SEVERAL_BYTES_MAX + 1)], False),
    ],
)
def test_acceptable(spans: list[Span], expected: bool) -> None:
    assert acceptable(spans) is expected


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        pytest.param(b"bytes 42-1233/1234", ContentRange(42, 1233, 1234), id="14.4-complete"),
        pytest.param(b"bytes 42-1233/*", ContentRange(42, 1233, None), id="14.4-unknown-length"),
        pytest.param(b"bytes */1234", None, id="14.4-unsatisfied"),
        pytest.param(b"bytes 1-0/10", None, id="14.4-last-before-first"),
        pytest.param(b"bytes 0-10/10", None, id="14.4-last-beyond-length"),
        pytest.param(b"bytes 0-99/50", None, id="14.4-last-far-beyond-length"),
        pytest.param(b"items 0-1/2", None, id="14.4-other-unit"),
        pytest.param(b"bytes */*", None, id="stars"),
        pytest.param(b"bytes=0-1/2", None, id="equals"),
        pytest.param(b"bytes 0-1", None, id="no-length"),
        pytest.param(b"bytes 0-1/2 ", None, id="space-at-the-end"),
        pytest.param(b"bytes 0-1/" + b"9" * 19, None, id="too-long"),
        pytest.param(b"", None, id="empty"),
    ],
)
def test_parse_content_range(value: bytes, expected: ContentRange | None) -> None:
    assert parse_content_range(value) == expected


@unhurried
@given(NUMBERS, NUMBERS, NUMBERS)
def test_a_content_range_is_read_back(first: int, more: int, rest: int) -> None:
    span, total = Span(first, first + more), first + more + 1 + rest
    written = content_range(span, total)
    assert parse_content_range(written) == ContentRange(span.first, span.last, total)
    assert unsatisfied(total) == b"bytes */%d" % total


@unhurried
@given(st.one_of(st.binary(max_size=40), st.text("bytes=-/* ,0123", max_size=30).map(str.encode)))
def test_no_bytes_break_a_reader(value: bytes) -> None:
    parse_content_range(value)
    for spec in parse_range(b"bytes=" + value) or ():
        assert isinstance(spec, Interval | Suffix)
