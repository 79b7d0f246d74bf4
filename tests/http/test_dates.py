"""Dates (RFC 9110 §5.6.7, RFC 9111 §4.2)."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from edgecache.http.dates import format_date, parse_date

unhurried = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])

EXAMPLE = 784_111_777.0  # the moment of RFC 9110 §5.6.7
DAYS = (b"Mon", b"Tue", b"Wed", b"Thu", b"Fri", b"Sat", b"Sun")
MOMENTS = st.integers(min_value=0, max_value=253_402_300_799)


def at(year: int, month: int = 1, day: int = 1) -> float:
    return datetime(year, month, day, tzinfo=UTC).timestamp()


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        pytest.param(b"Sun, 06 Nov 1994 08:49:37 GMT", EXAMPLE, id="9110-5.6.7-imf-fixdate"),
        pytest.param(b"Sunday, 06-Nov-94 08:49:37 GMT", EXAMPLE, id="9110-5.6.7-rfc850"),
        pytest.param(b"Sun Nov  6 08:49:37 1994", EXAMPLE, id="9110-5.6.7-asctime"),
        pytest.param(b"Sun Nov 06 08:49:37 1994", EXAMPLE, id="9110-5.6.7-asctime-two-digits"),
        pytest.param(b"Sat, 31 Dec 2016 23:59:60 GMT", at(2017), id="9110-5.6.7-leap-second"),
        pytest.param(b"Mon, 06 Nov 1994 08:49:37 GMT", EXAMPLE, id="wrong-day-of-week"),
        pytest.param(b"Thu, 29 Feb 2024 00:00:00 GMT", at(2024, 2, 29), id="leap-day"),
        pytest.param(b"Mon, 01 Jan 0001 00:00:00 GMT", -62_135_596_800.0, id="first-year"),
        pytest.param(b"SUN, 06 Nov 1994 08:49:37 GMT", EXAMPLE, id="9111-4.2-case-of-day"),
        pytest.param(b"Sun, 06 NOV 1994 08:49:37 GMT", EXAMPLE, id="9111-4.2-case-of-month"),
        pytest.param(b"Sun, 06 Nov 1994 08:49:37 gMT", EXAMPLE, id="9111-4.2-case-of-zone"),
    ],
)
def test_a_date_is_read(value: bytes, seconds: float) -> None:
    assert parse_date(value) == seconds


@pytest.mark.parametrize(
    "value",
    [
        b"",
        b"Sun, 06 Nov 1994 08:49:37 UTC",  # RFC 9111 §4.2
        b"Sunday, 06-Nov-94 08:49:37 UTC",
        b"0",
        b"-1",
        b"784111777",
        b"Sun, 06 Nov 1994 08:49:37 EST",
        b"Sun, 06 Nov 1994 08:49:37 +0000",
        b"Sun, 06 Nov 1994 08:49:37",
        b"Sun, 06 Nov 94 08:49:37 GMT",
        b"Sun 06 Nov 1994 08:49:37 GMT",
        b"Sun, 06  Nov  1994 08:49:37 GMT",
        b"Sun, 06-Nov-1994 08:49:37 GMT",
        b"Sun, 06 Nov 1994 08.49.37 GMT",
        b"Sun, 06 Nov 1994 8:49:37 GMT",
        b"Sun, 6 Nov 1994 08:49:37 GMT",
        b"Sun, 06 Nov 1994 08:49 GMT",
        b"Xyz, 06 Nov 1994 08:49:37 GMT",
        b"Sun, 06 Foo 1994 08:49:37 GMT",
        b"Sun, 31 Nov 1994 08:49:37 GMT",
        b"Sun, 00 Nov 1994 08:49:37 GMT",
        b"Wed, 29 Feb 2023 00:00:00 GMT",
        b"Sun, 06 Nov 0000 08:49:37 GMT",
        b"Sun, 06 Nov 1994 24:00:00 GMT",
        b"Sun, 06 Nov 1994 08:60:37 GMT",
        b"Sun, 06 Nov 1994 08:49:61 GMT",
        b"Sun, 06 Nov 1994 08:49:37 GMT ",
        b"Sun, 06 Nov 1994 08:49:37 GMT\n",
        b"Sun, 06 Nov 1994 08:49:37 GMT, Sun, 06 Nov 1994 08:49:37 GMT",
        b"Sun, 06-Nov-94 08:49:37 GMT",
        b"Sun Nov 6 08:49:37 1994",
        "Sun, 0٦ Nov 1994 08:49:37 GMT".encode(),
    ],
)
def test_what_is_not_a_date_is_not_read(value: bytes) -> None:
    assert parse_date(value) is None
    assert parse_date(value, at(2026)) is None


@pytest.mark.parametrize(
    ("short_year", "now", "year"),
    [
        (b"94", None, 1994),
        (b"70", None, 1970),
        (b"69", None, 2069),
        (b"26", at(2026), 2026),
        (b"75", at(2026), 2075),
        (b"77", at(2026), 1977),  # more than 50 years ahead: the most recent past
        (b"99", at(2026), 1999),
        (b"05", at(2099), 2105),
        (b"60", at(2099), 2060),
        (b"99", at(2000), 1999),
        (b"00", at(1999), 2000),
    ],
)
def test_a_two_digit_year(short_year: bytes, now: float | None, year: int) -> None:
    assert parse_date(b"Monday, 01-Jan-%b 00:00:00 GMT" % short_year, now) == at(year)


@unhurried
@given(MOMENTS)
def test_what_is_written_is_read_back(seconds: int) -> None:
    written = format_date(seconds)
    assert parse_date(written) == seconds
    assert parse_date(written.upper()) == seconds


@unhurried
@given(MOMENTS)
def test_what_is_written_is_what_the_calendar_says(seconds: int) -> None:
    moment = datetime.fromtimestamp(seconds, tz=UTC)
    assert format_date(seconds + 0.9) == format_date(seconds)
    assert format_date(seconds)[:3] == DAYS[moment.weekday()]
    assert format_date(seconds)[17:] == moment.strftime("%H:%M:%S GMT").encode()


@unhurried
@given(st.integers(min_value=0, max_value=4_000_000_000), st.integers(0, 4_000_000_000))
def test_a_two_digit_year_is_never_more_than_fifty_years_ahead(seconds: int, now: int) -> None:
    moment = datetime.fromtimestamp(seconds, tz=UTC)
    value = moment.strftime("Monday, %d-@-%y %H:%M:%S GMT").encode()
    read = parse_date(value.replace(b"@", format_date(seconds)[8:11]), now)
    if read is None:
        assert (moment.month, moment.day) == (2, 29)
    else:
        assert read - now <= 50 * 366 * 86_400
        assert now - read <= 51 * 366 * 86_400


def test_dates_out_of_reach_are_written_as_the_nearest() -> None:
    assert format_date(-5.0) == b"Thu, 01 Jan 1970 00:00:00 GMT"
    assert format_date(1e15) == b"Fri, 31 Dec 9999 23:59:59 GMT"


@unhurried
@given(st.binary(max_size=40))
def test_any_bytes_are_a_date_or_none(value: bytes) -> None:
    assert isinstance(parse_date(value), float | int | None)
    assert isinstance(parse_date(value, 0.0), float | int | None)
