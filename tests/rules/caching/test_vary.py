"""Variants: Vary (RFC 9111 §4.1, RFC 9110 §12.5.5)."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgecache.rules.caching.vary import Selected, answers, overlap, selected_by, vary_names
from tests.rules.pieces import lines


@pytest.mark.parametrize(
    ("given_lines", "names"),
    [
        ((), ""),
        (("vary:",), ""),
        (("vary: Accept",), "accept"),
        (("vary: b, A , b",), "a b"),
        (("vary: b", "vary: a"), "a b"),
        (("vary: *",), "*"),
        (("vary: *, a",), "* a"),
    ],
)
def test_vary_names(given_lines: tuple[str, ...], names: str) -> None:
    assert vary_names(lines(*given_lines)) == tuple(name.encode() for name in names.split())


LANGUAGE = "accept-language"
AGENT = "user-agent: "


@pytest.mark.parametrize(
    ("vary", "stored", "asked", "answered"),
    [
        ("", ("a: 1",), ("a: 2",), True),
        ("a", ("a: 1",), ("a: 1",), True),
        ("a", ("a: 1",), ("A: 1", "b: 2"), True),
        ("a", ("a: 1",), ("a: 2",), False),
        ("a", ("a: 1",), (), False),
        ("a", (), ("a: 1",), False),
        ("a", (), (), True),
        ("a", ("a:",), (), False),
        ("a, b", ("a: 1", "b: 2"), ("b: 2", "a: 1"), True),
        ("a, b", ("a: 1", "b: 2"), ("a: 1", "b: 3"), False),
        ("*", (), (), False),
        ("a, *", ("a: 1",), ("a: 1",), False),
        ("a", ("a: 1, 2",), ("a: 1,2",), True),
        ("a", ("a: 1, 2",), ("a: 1", "a: 2"), True),
        ("a", ("a: 1, 2",), ("a: 2, 1",), False),
        ("a", ("a: x",), ("a: X",), False),
        ("accept-encoding", ("accept-encoding: gzip, br",), ("accept-encoding: BR , GZIP",), True),
        ("accept-encoding", ("accept-encoding: gzip",), ("accept-encoding: gzip;q=0",), False),
        ("accept-encoding", ("accept-encoding: gzip",), ("accept-encoding: gzip, a",), True),
        ("accept-encoding", ("accept-encoding: identity",), (), False),
        ("accept-language", (f"{LANGUAGE}: de;q=0.5, en",), (f"{LANGUAGE}: en, DE; q=0.5",), True),
        ("accept-language", ("accept-language: de",), ("accept-language: en",), False),
        pytest.param("cookie", ("cookie: a=1,,b",), ("cookie: a=1,b",), False),
        pytest.param("user-agent", (f"{AGENT}x, y",), (f"{AGENT}x,y",), False),
    ],
)  # fmt: skip
def test_answers(
    vary: str, stored: tuple[str, ...], asked: tuple[str, ...], answered: bool
) -> None:
    selected = selected_by(lines(*stored), lines(f"vary: {vary}"))
    assert answers(selected, lines(*asked)) is answered


@pytest.mark.parametrize(
    ("stored", "given_language", "asked", "answered"),
    [  # the language a response is in answers whoever prefers that one to all others
        ("de, en;q=0.5", "de", "de", True),
        ("de, en;q=0.5", "de", "de, fr;q=0.1", True),
        ("de, en;q=0.5", "en", "de", False),
        ("de, en;q=0.5", "de", "de, fr", False),
        ("de, en;q=0.5", "de", "de;q=0", False),
        ("de, en;q=0.5", "de", "*", False),
        ("de, en;q=0.5", "de", None, False),
        ("de, en;q=0.5", "de", "en, de;q=0.9", False),
        ("de, en;q=0.5", "DE", "De", True),
        ("de, en;q=0.5", "de, en", "de", False),
    ],
)
def test_the_language_given(
    stored: str, given_language: str, asked: str | None, answered: bool
) -> None:
    response = lines("vary: accept-language", f"content-language: {given_language}")
    selected = selected_by(lines(f"accept-language: {stored}"), response)
    request = () if asked is None else (f"accept-language: {asked}",)
    assert answers(selected, lines(*request)) is answered


def test_the_language_given_counts_beside_what_else_it_varies_by() -> None:
    response = lines("vary: accept-language, a", "content-language: de")
    selected = selected_by(lines("accept-language: de, en;q=0.5", "a: 1"), response)
    assert answers(selected, lines("accept-language: de", "a: 1"))
    assert not answers(selected, lines("accept-language: de", "a: 2"))


def test_a_response_that_varies_by_too_much_answers_nobody() -> None:
    vary = ", ".join(f"x-{number}" for number in range(65))
    assert not answers(selected_by((), lines(f"vary: {vary}")), ())


FIELDS = st.lists(
    st.tuples(st.sampled_from(["a", "b", "c"]), st.sampled_from(["", "1", "1,2", "2"])), max_size=4
)


@given(FIELDS, FIELDS, st.sets(st.sampled_from(["a", "b"])))
def test_a_request_is_answered_by_what_answered_its_like(
    one: list[tuple[str, str]], other: list[tuple[str, str]], vary: set[str]
) -> None:
    stored, asked = (lines(*(f"{name}: {value}" for name, value in each)) for each in (one, other))
    selected = selected_by(stored, lines(f"vary: {', '.join(vary)}"))
    assert answers(selected, stored)
    assert answers(selected, asked) is (
        selected_by(asked, lines(f"vary: {','.join(vary)}")) == selected
    )


@pytest.mark.parametrize(
    ("one", "other", "both"),
    [
        ((), ((b"a", b"1"),), True),
        (((b"a", b"1"),), ((b"a", b"1"),), True),
        (((b"a", b"1"),), ((b"a", b"2"),), False),
        (((b"a", b"1"),), ((b"a", None),), False),
        (((b"a", b"1"),), ((b"b", b"1"),), True),
        (((b"a", b"1"), (b"b", b"1")), ((b"a", b"1"), (b"b", b"2")), False),
        (
            ((b"accept-language", b"de,en"), (b" content-language", b"de")),
            ((b"accept-language", b"de,fr"), (b" content-language", b"de")),
            True,
        ),
        (
            ((b"accept-language", b"de"), (b" content-language", b"de")),
            ((b"accept-language", b"en"), (b" content-language", b"en")),
            False,
        ),
    ],
)
def test_whether_some_request_selects_both(one: Selected, other: Selected, both: bool) -> None:
    assert overlap(one, other) is overlap(other, one) is both
