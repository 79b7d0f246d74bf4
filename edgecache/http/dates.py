"""HTTP-dates, read and written (RFC 9110 §5.6.7).

Law: an HTTP-date is read from its three forms and written in one, always in GMT. Read as RFC 9111
§4.2 asks of a cache: case makes no difference, any zone but `GMT` makes it invalid (`UTC` too,
which RFC 7234 let pass). The name of the day must be one, but need not be the right one.
"""

from __future__ import annotations

import re
from datetime import date

from edgecache.http.function_cache import cached

_DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_LONG_DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_MONTH_NUMBERS = {name.lower().encode(): number for number, name in enumerate(_MONTHS, 1)}

_DAY = rf"(?:{'|'.join(_DAYS)})"
_LONG_DAY = rf"(?:{'|'.join(_LONG_DAYS)})"
_MONTH = rf"(?P<month>{'|'.join(_MONTHS)})"
_TIME = r"(?P<hour>\d\d):(?P<minute>\d\d):(?P<second>\d\d)"


def _form(pattern: str) -> re.Pattern[bytes]:
    return re.compile(pattern.encode("ascii"), re.IGNORECASE)


_IMF_FIXDATE = _form(rf"{_DAY}, (?P<day>\d\d) {_MONTH} (?P<year>\d{{4}}) {_TIME} GMT")
_RFC850 = _form(rf"{_LONG_DAY}, (?P<day>\d\d)-{_MONTH}-(?P<year>\d\d) {_TIME} GMT")
_ASCTIME = _form(rf"{_DAY} {_MONTH} (?P<day>\d\d| \d) {_TIME} (?P<year>\d{{4}})")

_EPOCH_ORDINAL = date(1970, 1, 1).toordinal()
_DATE_BYTES_MAX = 33  # the longest of the three forms: a Wednesday of RFC 850
_LATEST = 253_402_300_799  # 9999-12-31T23:59:59Z, the last one four digits can say
_FIFTY_YEARS_S = 1_577_847_600  # RFC 9110 §5.6.7, in mean Gregorian years


def parse_date(value: bytes, now: float | None = None) -> float | None:
    """Epoch seconds of an HTTP-date, or None when it is not one (RFC 9110 §5.6.7).

    A two-digit year is the latest that lies at most 50 years after `now`; without `now`, 70 to 99
    are of the twentieth century.
    """
    if len(value) > _DATE_BYTES_MAX:
        return None
    found = _four_digit_year(value)
    if found is None and (parts := _RFC850.fullmatch(value)):
        return _two_digit_year(parts, now)
    return found


@cached(4_096, 200)
def _four_digit_year(value: bytes) -> float | None:
    parts = _IMF_FIXDATE.fullmatch(value) or _ASCTIME.fullmatch(value)
    return _seconds(parts, int(parts["year"])) if parts else None


def _two_digit_year(parts: re.Match[bytes], now: float | None) -> float | None:
    short_year = int(parts["year"])
    if now is None:
        return _seconds(parts, (1900 if short_year >= 70 else 2000) + short_year)
    this_year = date.fromordinal(_EPOCH_ORDINAL + int(_clamped(now) // 86_400)).year
    century = this_year - this_year % 100
    for year in (century + 100 + short_year, century + short_year):
        seconds = _seconds(parts, year)
        if seconds is not None and seconds <= now + _FIFTY_YEARS_S:
            return seconds
    return _seconds(parts, century - 100 + short_year)


def _seconds(parts: re.Match[bytes], year: int) -> float | None:
    hour, minute, second = int(parts["hour"]), int(parts["minute"]), int(parts["second"])
    if hour > 23 or minute > 59 or second > 60:  # 60: a leap second
        return None
    try:
        day = date(year, _MONTH_NUMBERS[parts["month"].lower()], int(parts["day"]))
    except ValueError:
        return None
    days = day.toordinal() - _EPOCH_ORDINAL
    return float(days * 86_400 + hour * 3600 + minute * 60 + second)


def format_date(seconds: float) -> bytes:
    """Epoch seconds as IMF-fixdate, rounded down (RFC 9110 §5.6.7); 1970 to 9999."""
    return _format(int(_clamped(seconds)))


def _clamped(seconds: float) -> float:
    return min(max(seconds, 0), _LATEST)


@cached(64, 200)  # most of what is written is the current second
def _format(seconds: int) -> bytes:
    days, rest = divmod(seconds, 86_400)
    day = date.fromordinal(_EPOCH_ORDINAL + days)
    hour, minute, second = rest // 3600, rest // 60 % 60, rest % 60
    text = (
        f"{_DAYS[day.weekday()]}, {day.day:02} {_MONTHS[day.month - 1]} {day.year:04}"
        f" {hour:02}:{minute:02}:{second:02} GMT"
    )
    return text.encode("ascii")
