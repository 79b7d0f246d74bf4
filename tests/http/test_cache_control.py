"""Cache-Control (RFC 9111 §1.2.2, §4.2.1, §5.2)."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from edgecache.http.cache_control import NO_DIRECTIVES, SECONDS_MAX, parse_directives

unhurried = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        pytest.param(b"max-age=3600", 3600, id="5.2.2.1"),
        pytest.param(b"max-age=0", 0, id="5.2.2.1-zero"),
        pytest.param(b"MaX-aGe=3600", 3600, id="5.2-case"),
        pytest.param(b'max-age="3600"', 3600, id="5.2-quoted"),
        pytest.param(b'max-age="36\\00"', 3600, id="5.2-quoted-pair"),
        pytest.param(b"foobar, max-age=3600", 3600, id="5.2.3-unknown-directive"),
        pytest.param(b"a=b,,max-age=3600,", 3600, id="9110-5.6.1.2-empty-members"),
        pytest.param(b"max-age=003600", 3600, id="1.2.2-leading-zeros"),
        pytest.param(b"max-age=2147483648", SECONDS_MAX, id="1.2.2-max"),
        pytest.param(b"max-age=2147483649", SECONDS_MAX, id="1.2.2-above-max"),
        pytest.param(b"max-age=99999999999", SECONDS_MAX, id="1.2.2-overflow"),
        pytest.param(b"max-age=" + b"9" * 5000, SECONDS_MAX, id="1.2.2-monstrous"),
        pytest.param(b"no-store", None, id="absent"),
        pytest.param(b"", None, id="empty"),
        pytest.param(b"max-age=60, max-age=1", 60, id="4.2.1-first-of-two"),
        pytest.param(b"max-age=1, max-age=60", 1, id="4.2.1-first-of-two-reversed"),
        pytest.param(b"max-age=x, max-age=60", 0, id="4.2.1-first-of-two-malformed"),
        pytest.param(b"max-age=3600.0", 0, id="4.2.1-decimal"),
        pytest.param(b"max-age=3600.5", 0, id="4.2.1-decimal-five"),
        pytest.param(b"max-age=-1", 0, id="4.2.1-negative"),
        pytest.param(b"max-age=+1", 0, id="4.2.1-plus"),
        pytest.param(b"max-age=0x10", 0, id="4.2.1-hexadecimal"),
        pytest.param(b"max-age=1_000", 0, id="4.2.1-underscore"),
        pytest.param(b"max-age=a3600", 0, id="4.2.1-leading-alpha"),
        pytest.param(b"max-age=3600a", 0, id="4.2.1-trailing-alpha"),
        pytest.param(b"max-age='3600'", 0, id="4.2.1-single-quotes"),
        pytest.param(b'max-age="3600', 0, id="4.2.1-quote-never-closed"),
        pytest.param(b'max-age=" 3600"', 0, id="4.2.1-space-in-quotes"),
        pytest.param(b"max-age", 0, id="4.2.1-no-argument"),
        pytest.param(b"max-age=", 0, id="4.2.1-empty-argument"),
        pytest.param(b"max-age =3600", 0, id="5.2-space-before-equals"),
        pytest.param(b"max-age= 3600", 0, id="5.2-space-after-equals"),
        pytest.param(b"max-age 3600", 0, id="5.2-no-equals"),
        pytest.param(b"max-age=3600; public", 0, id="5.2-semicolon-after"),
        pytest.param(b"public; max-age=3600", None, id="5.2-semicolon-before"),
        pytest.param("max-age=٣".encode(), 0, id="1.2.2-not-ascii"),
        pytest.param(b'extension="max-age=3600", max-age=1', 1, id="5.2-quoted-before"),
        pytest.param(b'max-age=1, extension="max-age=3600"', 1, id="5.2-quoted-after"),
        pytest.param(b'a="b,max-age=9,c"', None, id="5.2-only-in-quotes"),
        pytest.param(b'a="\\",max-age=9,\\""', None, id="5.2-between-escaped-quotes"),
    ],
)
def test_seconds(value: bytes, seconds: int | None) -> None:
    assert parse_directives([value]).seconds(b"max-age") == seconds
    assert parse_directives([value]).has(b"max-age") == (seconds is not None)


def test_lines_are_one_list() -> None:
    directives = parse_directives([b"max-age=60", b"no-store, max-age=1"])
    assert directives.seconds(b"max-age") == 60
    assert directives.has(b"no-store")
    assert b"no-store" in directives
    assert b"private" not in directives


@pytest.mark.parametrize(
    "value",
    [
        b"no-store",
        b"No-StOrE",
        b"no-store=1",
        b'no-store="x"',
        b"no-store ;private",
        b"no-store =",
        b"max-age=60, no-store",
    ],
)
def test_a_restriction_holds_however_it_is_written(value: bytes) -> None:
    assert parse_directives([value]).has(b"no-store")


@pytest.mark.parametrize(
    ("value", "argument"),
    [
        (b"max-stale=60", b"60"),
        (b'max-stale="60"', b"60"),
        (b"max-stale", None),
        (b"max-stale=", b""),
        (b"max-stale = 60", b""),
        (b"other", None),
    ],
)
def test_an_argument_is_absent_or_malformed_but_not_both(
    value: bytes, argument: bytes | None
) -> None:
    assert parse_directives([value]).argument(b"max-stale") == argument


@pytest.mark.parametrize(
    ("value", "names"),
    [
        pytest.param(b"max-age=1", None, id="5.2.2.4-absent"),
        pytest.param(b"no-cache", set(), id="5.2.2.4-whole-message"),
        pytest.param(b'no-cache="a"', {b"a"}, id="5.2.2.4-one"),
        pytest.param(b'no-cache="A, Set-Cookie,"', {b"a", b"set-cookie"}, id="5.2.2.4-several"),
        pytest.param(b"no-cache=set-cookie", {b"set-cookie"}, id="5.2.2.4-token-form"),
        pytest.param(b'no-cache="a", no-cache="b"', {b"a", b"b"}, id="4.2.1-lists-add-up"),
        pytest.param(b'no-cache="a", no-cache', set(), id="4.2.1-most-restrictive"),
        pytest.param(b'no-cache, no-cache="a"', set(), id="4.2.1-most-restrictive-first"),
        pytest.param(b'no-cache=""', set(), id="5.2.2.4-nothing-listed"),
        pytest.param(b'no-cache="a b"', set(), id="5.2.2.4-not-a-name"),
        pytest.param(b'no-cache="a', set(), id="5.2.2.4-quote-never-closed"),
        pytest.param(b'no-cache= "a"', set(), id="5.2.2.4-space-after-equals"),
    ],
)
def test_field_names(value: bytes, names: set[bytes] | None) -> None:
    assert parse_directives([value]).field_names(b"no-cache") == names


def test_nothing_says_nothing() -> None:
    assert parse_directives([]) == NO_DIRECTIVES
    assert parse_directives([b"="]) == NO_DIRECTIVES


DIRECTIVE = st.text(alphabet='max-ge=0123 ,;"\\', max_size=40).map(str.encode)


@unhurried
@given(st.lists(st.one_of(st.binary(max_size=64), DIRECTIVE), max_size=3))
def test_no_bytes_break_the_reader(values: list[bytes]) -> None:
    directives = parse_directives(values)
    for name in directives.arguments:
        seconds = directives.seconds(name)
        assert seconds is not None
        assert 0 <= seconds <= SECONDS_MAX
        assert directives.field_names(name) is not None
        directives.argument(name)
