"""Filter expressions: what they choose, and where they are wrong."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgecache.observe.log_filter import (
    ALIASES,
    DEPTH_MAX,
    EXPRESSION_CHARS_MAX,
    FILTER_COLUMNS,
    NUMBERS,
    TERMS_MAX,
    FilterError,
    LogFilter,
    field_name,
)
from edgecache.observe.log_record import JSON_FIELDS, escaped

WIDTH = max(FILTER_COLUMNS.values()) + 1
RECORD = {
    "sc-status": "503", "cs-method": "GET", "cs-uri-stem": "/api/v1/a b", "cs-uri-query": "q=%20",
    "x-host-header": "www.example.com", "cs(User-Agent)": "Mozilla/5.0 (X11)", "cs(Referer)": "",
    "x-edge-result-type": "Error", "time-taken": "1.250", "sc-bytes": "512", "tier": "edge",
    "c-ip": "2001:db8::1", "reason": "refused", "origin-fbl": "", "distribution-id": "E1",
}  # fmt: skip


def values(**changed: str) -> list[bytes]:
    row = [b"-"] * WIDTH
    for name, value in (RECORD | {ALIASES.get(n, n): v for n, v in changed.items()}).items():
        row[FILTER_COLUMNS[name]] = escaped(value)
    return row


@pytest.mark.parametrize(
    ("expression", "chosen"),
    [
        ("", True),
        ("  ", True),
        ("status=503", True),
        ("status=504", False),
        ("status!=503", False),
        ("status>=500", True),
        ("status>503", False),
        ("status<=503", True),
        ("status<503", False),
        ("sc-status=503", True),
        ("status = 503.0", True),
        ("taken>1", True),
        ("taken>1.25", False),
        ("bytes<1000", True),
        ("origin-fbl>0", False),  # there is none
        ("origin-fbl<0", False),
        ("origin-fbl=0", False),
        ("origin-fbl!=0", True),
        ('method="GET"', True),
        ("method=GET", True),
        ("method=get", False),
        ("method!=GET", False),
        ('referer=""', True),
        ("referer!=''", False),
        ('path="/api/v1/a b"', True),
        ('path="/api/v1/a%20b"', False),
        ('path~"/api/"', True),
        ('path~"a b"', True),
        ('path~"20"', False),  # of the escape in the log, and nothing that was sent
        ('query~"%20"', True),
        ('path~"^/api"', True),
        ('path~"^api"', False),
        ('path~"b$"', True),
        ('path~"v1$"', False),
        ('path~"^/api/*b$"', True),
        ('path~"^/api/*/a*b$"', True),
        ('path~"b*api"', False),
        ('path~"^/api/v1/a b$"', True),
        ('path~"^/api/v1/a$"', False),
        ('path~""', True),
        ('path~"^"', True),
        ('path~"$"', True),
        ('path~"^$"', False),
        ('referer~"^$"', True),
        ('path!~"/api/"', False),
        ("agent~X11", True),
        ("status in (502, 503)", True),
        ("status in (502,504)", False),
        ("status not in (502,504)", True),
        ('method in ("GET", HEAD)', True),
        ("method not in (GET)", False),
        ('status>=500 and path~"/api/"', True),
        ('status>=500 and path~"/img/"', False),
        ('status<500 or path~"/api/"', True),
        ("status=1 or status=2 and status=3 or status=503", True),
        ("(status=503 or status=2) and status=3", False),
        ("not status=503", False),
        ("not(status=503)", False),
        ("not not status=503", True),
        ("NOT status=1 AND method=GET", True),
        ("ip='2001:db8::1'", True),
        ("ip=2001:db8::1", True),
        ("tier=edge and distribution=E1", True),
        ("host=www.example.com", True),
        ("reason=refused", True),
        ("cs(User-Agent)~Mozilla", True),
        ("timestamp(ms)>0", False),
    ],
)
def test_what_an_expression_chooses(expression: str, chosen: bool) -> None:
    assert LogFilter(expression).matches(values()) is chosen


@pytest.mark.parametrize(
    ("expression", "problem", "place"),
    [
        ("staus=1", "there is no field staus here", 0),
        ("cs(Cookie)=a", "there is no field cs(Cookie) here", 0),
        ("status", "one of = != < <= > >= ~ !~ in is missing", 6),
        ("status 500", "one of = != < <= > >= ~ !~ in is missing", 7),
        ("status=", "a value is missing", 7),
        ("status=)", "a value is missing", 7),
        ("status=high", "sc-status is a number", 7),
        ("status=1e9", "sc-status is a number", 7),
        ("status~5", "sc-status is a number: it has no ~", 6),
        ("path<5", "cs-uri-stem is text: it has no <", 4),
        ("path~/a/)", '"and", "or" or the end is missing', 8),
        ("(status=1", '")" is missing', 9),
        ("status in 1", '"(" is missing', 10),
        ("status in (1 2)", '"," or ")" is missing', 13),
        ("status not 1", '"in" is missing', 11),
        ("status=1 status=2", '"and", "or" or the end is missing', 9),
        ("status=1 and", "a field is missing", 12),
        ("and status=1", "a field is missing", 0),
        ('path~"abc', "a quote has no end", 5),
        ("status=1 & status=2", '"and", "or" or the end is missing', 9),
        ("status==1", "a value is missing", 7),
        ("not", "a field is missing", 3),
        ("(" * (DEPTH_MAX + 1) + "status=1", f"more than {DEPTH_MAX} in each other", DEPTH_MAX),
        (
            "status in (" + ",".join("1" * (TERMS_MAX + 1)) + ")",
            f"more than {TERMS_MAX} values",
            11 + 2 * TERMS_MAX,
        ),
    ],
)
def test_an_error_marks_its_place(expression: str, problem: str, place: int) -> None:
    with pytest.raises(FilterError) as raised:
        LogFilter(expression)
    assert (raised.value.problem, raised.value.place) == (problem, place)
    assert str(raised.value).splitlines() == [problem, f"  {expression}", f"  {' ' * place}^"]


def test_what_is_too_long_is_not_read() -> None:
    with pytest.raises(FilterError, match=f"longer than {EXPRESSION_CHARS_MAX}"):
        LogFilter("status=1 or " * 1_000)


def test_an_error_has_nothing_that_a_terminal_obeys() -> None:
    with pytest.raises(FilterError) as raised:
        LogFilter("path~a\x1b[2J\x9b = 5")
    assert all(c.isprintable() for c in str(raised.value).replace("\n", ""))


@given(st.text(st.sampled_from("status=path~()'\"<>!, and or not in 5*^$\x00é\t"), max_size=60))
def test_any_text_is_read_or_refused(expression: str) -> None:
    try:
        found = LogFilter(expression)
    except FilterError as error:
        place = error.place
    else:
        place = 0
        assert found.matches(values()) in (True, False)
    assert 0 <= place <= len(expression)


@given(
    st.lists(st.text(st.sampled_from("ab% -/"), max_size=4), min_size=1, max_size=4),
    st.text(st.sampled_from("ab% -/"), max_size=12),
    st.booleans(),
    st.booleans(),
)
def test_a_pattern_is_what_a_glob_is(
    pieces: list[str], text: str, from_start: bool, to_end: bool
) -> None:
    """Beside the engine that goes back, on what is short enough for it."""
    import re

    expression = ".*".join(map(re.escape, pieces))
    expression = f"{'^' * from_start}{expression}{'$' * to_end}"
    quoted = f"{'^' * from_start}{'*'.join(pieces)}{'$' * to_end}"
    if text == "-":
        return  # what a record has in the place of no value
    wanted = re.search(expression.removesuffix("$") + r"\Z" * to_end, text) is not None
    assert LogFilter(f'path~"{quoted}"').matches(values(path=text)) is wanted


def test_every_field_but_cookies_may_be_named() -> None:
    assert {name for name in JSON_FIELDS if not field_name(name)} == {"cs(Cookie)"}
    assert all(field_name(name) == field for name, field in ALIASES.items())
    assert not ALIASES.keys() & FILTER_COLUMNS.keys()
    assert set(FILTER_COLUMNS) >= NUMBERS
    assert len({*FILTER_COLUMNS.values()}) == len(FILTER_COLUMNS)


def test_it_says_which_columns_it_looks_at() -> None:
    wanted = {FILTER_COLUMNS["sc-status"], FILTER_COLUMNS["reason"]}
    assert LogFilter("status=1 or not (reason=a and status=2)").columns == wanted
