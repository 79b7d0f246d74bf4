"""The grammar fields share (RFC 9110 §5.6, §7.6.1)."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from edgecache.http.message import (
    HOP_BY_HOP,
    PROTECTED,
    connection_options,
    cookie_pairs,
    end_to_end,
    is_token,
    list_members,
    query_pairs,
    title_case,
    unquoted,
)

unhurried = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])

ANY_BYTES = st.binary(max_size=64)
LISTY = st.text(alphabet='",\\ \tab=', max_size=40).map(str.encode)


@pytest.mark.parametrize(
    ("value", "members"),
    [
        pytest.param(b"a, b", [b"a", b"b"], id="5.6.1.1-list"),
        pytest.param(b"a\t ,\tb", [b"a", b"b"], id="5.6.1.1-white-space"),
        pytest.param(b"", [], id="5.6.1.2-empty"),
        pytest.param(b",", [], id="5.6.1.2-only-a-comma"),
        pytest.param(b"foo ,bar,", [b"foo", b"bar"], id="5.6.1.2-comma-at-the-end"),
        pytest.param(b"foo , ,bar,charlie", [b"foo", b"bar", b"charlie"], id="5.6.1.2-gap"),
        pytest.param(b'a="b,c", d', [b'a="b,c"', b"d"], id="5.6.4-comma-in-quotes"),
        pytest.param(b'a="b\\",c", d', [b'a="b\\",c"', b"d"], id="5.6.4-escaped-quote"),
        pytest.param(b'a="b\\\\", d', [b'a="b\\\\"', b"d"], id="5.6.4-escaped-backslash"),
        pytest.param(b'"a"b, c', [b'"a"b', b"c"], id="5.6.4-text-after-quotes"),
        pytest.param(b'a="b, c', [b'a="b, c'], id="quote-never-closed"),
        pytest.param(b'a="b, c\\', [b'a="b, c\\'], id="backslash-at-the-end"),
        pytest.param(b"a\\,b", [b"a\\", b"b"], id="no-escape-outside-quotes"),
    ],
)
def test_list_members(value: bytes, members: list[bytes]) -> None:
    assert list_members(value) == members


def split_one_byte_at_a_time(value: bytes) -> list[bytes]:
    parts, quoted, escaped = [b""], False, False
    for octet in (value[i : i + 1] for i in range(len(value))):
        if octet == b"," and not quoted:
            parts.append(b"")
            continue
        parts[-1] += octet
        if escaped:
            escaped = False
        elif quoted and octet == b"\\":
            escaped = True
        elif octet == b'"':
            quoted = not quoted
    return [part.strip(b" \t") for part in parts if part.strip(b" \t")]


@unhurried
@given(st.one_of(LISTY, ANY_BYTES))
def test_a_list_is_never_split_inside_quotes(value: bytes) -> None:
    assert list_members(value) == split_one_byte_at_a_time(value)


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (b'"abc"', b"abc"),
        (b'""', b""),
        (b'"a\\"b\\\\c\\d"', b'a"b\\cd'),
        (b"abc", b"abc"),
        (b'"', b'"'),
        (b'"abc', b'"abc'),
        (b'"a"b"', b'"a"b"'),
        (b'"abc\\"', b'"abc\\"'),
    ],
)
def test_unquoted(value: bytes, said: bytes) -> None:
    assert unquoted(value) == said


@unhurried
@given(ANY_BYTES)
def test_what_is_quoted_is_read_back(text: bytes) -> None:
    quoted = b'"' + text.replace(b"\\", b"\\\\").replace(b'"', b'\\"') + b'"'
    assert unquoted(quoted) == text
    assert list_members(b"a=" + quoted + b",b") == [b"a=" + quoted, b"b"]


def test_a_token_is_made_of_token_characters() -> None:
    alphanumeric = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
    allowed = set(("!#$%&'*+-.^_`|~" + alphanumeric).encode())
    assert {octet for octet in range(256) if is_token(bytes((octet,)))} == allowed
    assert is_token(bytes(sorted(allowed)))
    assert not is_token(b"")
    assert not is_token(b"a b")


def test_connection_options_are_lower_case_and_of_every_line() -> None:
    fields = ((b"connection", b"Close, X-A"), (b"a", b"b"), (b"connection", b"x-b,,"))
    assert connection_options(fields) == {b"close", b"x-a", b"x-b"}


def test_fields_of_one_connection_are_dropped() -> None:
    fields = tuple((name, b"x") for name in sorted(HOP_BY_HOP))
    assert end_to_end((*fields, (b"a", b"1"))) == ((b"a", b"1"),)


def test_fields_that_connection_names_are_dropped() -> None:
    fields = ((b"connection", b"A, b"), (b"a", b"1"), (b"b", b"2"), (b"c", b"3"))
    assert end_to_end(fields) == ((b"c", b"3"),)


@pytest.mark.parametrize("name", sorted(PROTECTED))
def test_connection_cannot_strip_a_field_for_everybody(name: bytes) -> None:
    assert end_to_end(((b"connection", name.upper()), (name, b"1"))) == ((name, b"1"),)


@pytest.mark.parametrize(
    ("value", "pairs"),
    [
        (b"", []),
        (b"a=1; b=2", [(b"a", b"1"), (b"b", b"2")]),
        (b"a=1;b=2;", [(b"a", b"1"), (b"b", b"2")]),
        (b"a=b=c; d", [(b"a", b"b=c"), (b"d", None)]),
        (b'a="x"; =y; a=', [(b"a", b'"x"'), (b"", b"y"), (b"a", b"")]),
    ],
)
def test_cookie_pairs(value: bytes, pairs: list[tuple[bytes, bytes | None]]) -> None:
    assert cookie_pairs(value) == pairs


@pytest.mark.parametrize(
    ("query", "pairs"),
    [
        (b"", []),
        (b"a=1&b=2&a=3", [(b"a", b"1"), (b"b", b"2"), (b"a", b"3")]),
        (b"a&b=", [(b"a", None), (b"b", b"")]),
        (b"a=1;b=2&c=%26+", [(b"a", b"1;b=2"), (b"c", b"%26+")]),
        (b"a=1&&=", [(b"a", b"1"), (b"", None), (b"", b"")]),
    ],
)
def test_query_pairs(query: bytes, pairs: list[tuple[bytes, bytes | None]]) -> None:
    assert query_pairs(query) == pairs


@unhurried
@given(st.text(alphabet="a=&;%", max_size=20).map(str.encode))
def test_query_pairs_give_the_query_back(query: bytes) -> None:
    parts = [name if value is None else name + b"=" + value for name, value in query_pairs(query)]
    assert b"&".join(parts) == query


@pytest.mark.parametrize(
    "name",
    [
        b"Content-Type",
        b"ETag",
        b"WWW-Authenticate",
        b"TE",
        b"DNT",
        b"X-Amz-Cf-Id",
        b"X-XSS-Protection",
        b"Sec-CH-UA-Platform",
        b"Sec-WebSocket-Key",
        b"CDN-Cache-Control",
        b"CloudFront-Viewer-Country",
        b"CloudFront-Is-SmartTV-Viewer",
        b"X--A",
    ],
)
def test_title_case(name: bytes) -> None:
    assert title_case(name.lower()) == name


@unhurried
@given(ANY_BYTES)
def test_no_bytes_break_a_reader(value: bytes) -> None:
    assert title_case(value).lower() == value.lower()
    unquoted(value)
    cookie_pairs(value)
    query_pairs(value)
    end_to_end(((b"connection", value),))
