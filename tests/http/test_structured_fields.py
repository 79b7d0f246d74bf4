"""Structured fields (RFC 9651) and targeted Cache-Control (RFC 9213 §2.1)."""

from __future__ import annotations

import binascii
from decimal import Decimal

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from edgecache.http.cache_control import SECONDS_MAX
from edgecache.http.structured_fields import (
    BareItem,
    DisplayString,
    InnerList,
    StructuredDate,
    StructuredItem,
    StructuredToken,
    parse_dictionary,
    parse_targeted,
)

unhurried = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])


@pytest.mark.parametrize(
    ("value", "item"),
    [
        pytest.param(b"42", 42, id="3.3.1-integer"),
        pytest.param(b"-0042", -42, id="3.3.1-negative"),
        pytest.param(b"999999999999999", 999_999_999_999_999, id="3.3.1-largest"),
        pytest.param(b"4.5", Decimal("4.5"), id="3.3.2-decimal"),
        pytest.param(b"-123456789012.125", Decimal("-123456789012.125"), id="3.3.2-longest"),
        pytest.param(b'"hello \\"\\\\world"', 'hello "\\world', id="3.3.3-string"),
        pytest.param(b'""', "", id="3.3.3-empty-string"),
        pytest.param(b"foo123/456", StructuredToken("foo123/456"), id="3.3.4-token"),
        pytest.param(b"*a:b", StructuredToken("*a:b"), id="3.3.4-token-star"),
        pytest.param(b":aGVsbG8=:", b"hello", id="3.3.5-bytes"),
        pytest.param(b":aGVsbG8:", b"hello", id="4.2.7-bytes-without-padding"),
        pytest.param(b"::", b"", id="3.3.5-no-bytes"),
        pytest.param(b"?1", True, id="3.3.6-true"),
        pytest.param(b"?0", False, id="3.3.6-false"),
        pytest.param(b"@1659578233", StructuredDate(1_659_578_233), id="3.3.7-date"),
        pytest.param(b"@-1", StructuredDate(-1), id="3.3.7-date-before-the-epoch"),
        pytest.param(b'%"f%c3%bc&#~"', DisplayString("fü&#~"), id="3.3.8-display-string"),
    ],
)
def test_a_bare_item(value: bytes, item: BareItem) -> None:
    assert parse_dictionary([b"a=" + value]) == {"a": StructuredItem(item, {})}
    assert parse_dictionary([b"a;b=" + value]) == {"a": StructuredItem(True, {"b": item})}
    assert parse_dictionary([b"a=(" + value + b" 1)"]) == {
        "a": InnerList((StructuredItem(item, {}), StructuredItem(1, {})), {})
    }


@pytest.mark.parametrize(
    "value",
    [
        b"",
        b" 1",
        b"1000000000000000",
        b"-",
        b"--1",
        b"+1",
        b"1.",
        b".5",
        b"1.2345",
        b"1234567890123.1",
        b"1.2.3",
        b"'a'",
        b'"a',
        b'"a\\b"',
        b'"\xc3\xbc"',
        b'"\t"',
        b"&&&&&",
        b":aGVsbG8=",
        b":a:",
        b":a b:",
        b":aG=VsbG8:",
        b"?2",
        b"?",
        b"?10",
        b"@1.5",
        b"@a",
        b'%"%C3%BC"',
        b'%"%c3"',
        b'%"%c"',
        b"%a",
        b'%"a',
        b"(",
        b"(1",
        b"(1,2)",
        b'(1"a")',
        b"((1))",
        b"1;",
        b"1;A=1",
        b"1;a=",
        b"1;a=(1)",
        b"1 ;a",
        b"1 2",
    ],
)
def test_an_invalid_item_makes_the_field_invalid(value: bytes) -> None:
    assert parse_dictionary([b"ok, a=" + value]) is None
    assert parse_targeted([b"no-store, max-age=60, a=" + value]) is None


def keys(*lines: bytes) -> list[str] | None:
    members = parse_dictionary(lines)
    return None if members is None else list(members)


def test_a_dictionary() -> None:
    assert parse_dictionary([b'en="Applepie", da=:YQ==:']) == {
        "en": StructuredItem("Applepie", {}),
        "da": StructuredItem(b"a", {}),
    }
    assert parse_dictionary([b"a=?0, b, c; foo=bar"]) == {
        "a": StructuredItem(False, {}),
        "b": StructuredItem(True, {}),
        "c": StructuredItem(True, {"foo": StructuredToken("bar")}),
    }
    assert parse_dictionary([b"r=2.3, f=(joy  sad;x );y=?0, e=()"]) == {
        "r": StructuredItem(Decimal("2.3"), {}),
        "f": InnerList(
            (
                StructuredItem(StructuredToken("joy"), {}),
                StructuredItem(StructuredToken("sad"), {"x": True}),
            ),
            {"y": False},
        ),
        "e": InnerList((), {}),
    }
    assert parse_dictionary([b"a=1, b=2", b"a=3"]) == {
        "a": StructuredItem(3, {}),
        "b": StructuredItem(2, {}),
    }


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        (b"", []),
        (b"   ", []),
        (b"  a ", ["a"]),
        (b"a\t , \tb", ["a", "b"]),
        (b"*a.b_c-9", ["*a.b_c-9"]),
        (b"a,", None),
        (b",a", None),
        (b"a,,b", None),
        (b"a b", None),
        (b"A", None),
        (b"a =1", None),
        (b"a= 1", None),
        (b"\ta", None),
        (b"9a", None),
        (b"a\n", None),
    ],
)
def test_members_and_what_stands_between_them(line: bytes, expected: list[str] | None) -> None:
    assert keys(line) == expected


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        pytest.param(b"max-age=3600", 3600, id="2.1"),
        pytest.param(b"max-age=0", 0, id="2.1-zero"),
        pytest.param(b"max-age=2147483648", SECONDS_MAX, id="2.1-max"),
        pytest.param(b"max-age=99999999999", SECONDS_MAX, id="2.1-above-max"),
        pytest.param(b"foobar, max-age=3600", 3600, id="2.1-unknown-directive"),
        pytest.param(b"max-age=3600;a=b", 3600, id="2.1-parameters-are-ignored"),
        pytest.param(b"max-age=1, max-age=2", 2, id="9651-4.2.2-last-counts"),
        pytest.param(b"no-store", None, id="2.1-absent"),
        pytest.param(b'no-transform, max-age="60"', 0, id="2.1-wrong-type-beside-another"),
        pytest.param(b"no-transform, max-age=1.5", 0, id="2.1-decimal-beside-another"),
        pytest.param(b"no-transform, max-age=-1", 0, id="2.1-negative-beside-another"),
        pytest.param(b"no-transform, max-age", 0, id="2.1-true-beside-another"),
        pytest.param(b"no-transform, max-age=?0", None, id="2.1-false-beside-another"),
    ],
)
def test_targeted_seconds(value: bytes, seconds: int | None) -> None:
    directives = parse_targeted([value])
    assert directives is not None
    assert directives.seconds(b"max-age") == seconds


@pytest.mark.parametrize(
    "values",
    [
        pytest.param([], id="2.1-absent"),
        pytest.param([b""], id="2.1-empty"),
        pytest.param([b"max-age=10000, &&&&&"], id="2.1-parsing-error"),
        pytest.param([b'max-age="10000"'], id="2.1-wrong-type"),
        pytest.param([b"max-age=10000.0"], id="2.1-decimal"),
        pytest.param([b"max-age=(1)"], id="2.1-inner-list"),
        pytest.param([b"public=1"], id="2.1-argument-for-a-flag"),
        pytest.param([b"no-store=?0"], id="2.1-false"),
        pytest.param([b"MaX-aGe=3600"], id="9651-3.2-key-is-lower-case"),
        pytest.param([b"max-age =100"], id="9651-4.2.2-space-before-equals"),
        pytest.param([b"max-age= 100"], id="9651-4.2.2-space-after-equals"),
        pytest.param([b"max-age=60", b"\xfc"], id="9651-4.2-not-ascii"),
    ],
)
def test_a_targeted_field_that_is_ignored_whole(values: list[bytes]) -> None:
    assert parse_targeted(values) is None


def test_targeted_flags_and_field_names() -> None:
    directives = parse_targeted([b'no-cache="A, b", private', b"no-store=?1, public=1"])
    assert directives is not None
    assert directives.field_names(b"no-cache") == frozenset((b"a", b"b"))
    assert directives.field_names(b"private") == frozenset()
    assert directives.has(b"no-store")
    assert not directives.has(b"public")


def test_a_restriction_of_the_wrong_type_restricts() -> None:
    directives = parse_targeted([b"max-age=60, no-cache=a, no-store=1"])
    assert directives is not None
    assert directives.field_names(b"no-cache") == frozenset()
    assert directives.has(b"no-store")


def test_a_field_too_long_to_be_remembered_is_read_all_the_same() -> None:
    directives = parse_targeted([b"max-age=60, a=" + b"x" * 2000])
    assert directives is not None
    assert directives.seconds(b"max-age") == 60


STRINGS = st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=10)


@unhurried
@given(
    st.dictionaries(
        st.from_regex(r"[a-z*][a-z0-9_\-.*]{0,5}", fullmatch=True),
        st.one_of(st.integers(-(10**15) + 1, 10**15 - 1), st.booleans(), st.binary(), STRINGS),
        max_size=4,
    )
)
def test_what_is_written_is_read_back(values: dict[str, int | bool | bytes | str]) -> None:
    line = ", ".join(f"{key}={written(value)}" for key, value in values.items())
    expected = {key: StructuredItem(value, {}) for key, value in values.items()}
    assert parse_dictionary([line.encode()]) == expected


def written(value: int | bool | bytes | str) -> str:
    if isinstance(value, bool):
        return f"?{int(value)}"
    if isinstance(value, bytes):
        return f":{binascii.b2a_base64(value, newline=False).decode()}:"
    if isinstance(value, str):
        return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'
    return str(value)


STRUCTURED = st.text('ab=,;()"\\?10.:@% -', max_size=24).map(lambda text: text.encode())


@unhurried
@given(st.lists(st.one_of(STRUCTURED, st.binary(max_size=24)), max_size=3))
def test_any_bytes_are_a_dictionary_or_none(values: list[bytes]) -> None:
    assert isinstance(parse_dictionary(values), dict | None)
    parse_targeted(values)
