"""Conditional requests (RFC 9110 §8.8.3, §13; RFC 9111 §4.3.2)."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from edgecache.http.conditional import (
    ANY,
    AnyETag,
    ETag,
    PreconditionResult,
    evaluate,
    evaluate_at_origin,
    if_range_matches,
    modified_at,
    parse_etag,
    parse_etag_list,
    strong_match,
    weak_match,
)
from edgecache.http.message import Fields

unhurried = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])

NOW = 784_200_000.0
EARLY = b"Sun, 06 Nov 1994 08:49:36 GMT"
THEN = b"Sun, 06 Nov 1994 08:49:37 GMT"
LATE = b"Sun, 06 Nov 1994 08:49:38 GMT"
THEN_RFC850 = b"Sunday, 06-Nov-94 08:49:37 GMT"

PROCEED, NOT_MODIFIED, FAILED = PreconditionResult


@pytest.mark.parametrize(
    ("value", "tag"),
    [
        (b'"xyzzy"', ETag(b"xyzzy")),
        (b'W/"xyzzy"', ETag(b"xyzzy", weak=True)),
        (b'""', ETag(b"")),
        (b'"a\\"', ETag(b"a\\")),
        (b'"\xfc,\'"', ETag(b"\xfc,'")),
        (b"xyzzy", None),
        (b'w/"xyzzy"', None),
        (b'W\\"xyzzy"', None),
        (b'W"xyzzy"', None),
        (b'W/ "xyzzy"', None),
        (b'"a b"', None),
        (b'"a"b"', None),
        (b'"a', None),
        (b'"\x7f"', None),
        (b"'a'", None),
        (b"", None),
    ],
)
def test_parse_etag(value: bytes, tag: ETag | None) -> None:
    assert parse_etag(value) == tag


@pytest.mark.parametrize(
    ("value", "tags"),
    [
        (b'"a"', (ETag(b"a"),)),
        (b'"a", W/"b","c"', (ETag(b"a"), ETag(b"b", weak=True), ETag(b"c"))),
        (b' , "a",, "b" ,', (ETag(b"a"), ETag(b"b"))),
        (b'"a,b", "c\\"', (ETag(b"a,b"), ETag(b"c\\"))),
        (b"*", ANY),
        (b"\t* ", ANY),
        (b"", ()),
        (b'*, "a"', None),
        (b'"*"', (ETag(b"*"),)),
        (b'"a" "b"', None),
        (b'"a", b', None),
        (b'"a", "b', None),
        (b"a", None),
    ],
)
def test_parse_etag_list(value: bytes, tags: tuple[ETag, ...] | AnyETag | None) -> None:
    assert parse_etag_list(value) == tags


@pytest.mark.parametrize(
    ("one", "other", "strong", "weak"),
    [
        (b'W/"1"', b'W/"1"', False, True),
        (b'W/"1"', b'W/"2"', False, False),
        (b'W/"1"', b'"1"', False, True),
        (b'"1"', b'"1"', True, True),
        (b'"1"', b'"2"', False, False),
        (b'"a"', b'"A"', False, False),
    ],
)
def test_comparison(one: bytes, other: bytes, strong: bool, weak: bool) -> None:
    first, second = parse_etag(one), parse_etag(other)
    assert first
    assert second
    assert strong_match(first, second) is strong_match(second, first) is strong
    assert weak_match(first, second) is weak_match(second, first) is weak


def asking(*fields: tuple[bytes, bytes]) -> Fields:
    return fields


INM, IMS, IM, IUS = b"if-none-match", b"if-modified-since", b"if-match", b"if-unmodified-since"


@pytest.mark.parametrize(
    ("request_fields", "outcome"),
    [
        pytest.param(asking(), PROCEED, id="none"),
        pytest.param(asking((INM, b'"a"')), NOT_MODIFIED, id="13.1.2-same"),
        pytest.param(asking((INM, b'W/"a"')), NOT_MODIFIED, id="13.1.2-weak-comparison"),
        pytest.param(asking((INM, b'"b", "a"')), NOT_MODIFIED, id="13.1.2-list"),
        pytest.param(asking((INM, b'"b"'), (INM, b'"a"')), NOT_MODIFIED, id="13.1.2-two-lines"),
        pytest.param(asking((INM, b"*")), NOT_MODIFIED, id="13.1.2-any"),
        pytest.param(asking((INM, b'"b"')), PROCEED, id="13.1.2-other"),
        pytest.param(asking((INM, b"")), PROCEED, id="13.1.2-empty"),
        pytest.param(asking((INM, b"a")), PROCEED, id="13.1.2-unquoted"),
        pytest.param(asking((INM, b'"a", x')), PROCEED, id="13.1.2-malformed"),
        pytest.param(asking((INM, b'"b"'), (IMS, LATE)), PROCEED, id="13.1.3-not-beside-inm"),
        pytest.param(asking((INM, b"junk"), (IMS, LATE)), PROCEED, id="13.1.3-not-beside-any-inm"),
        pytest.param(asking((INM, b'"a"'), (IMS, EARLY)), NOT_MODIFIED, id="13.2.2-inm-first"),
        pytest.param(asking((IMS, THEN)), NOT_MODIFIED, id="13.1.3-same"),
        pytest.param(asking((IMS, THEN_RFC850)), NOT_MODIFIED, id="13.1.3-rfc850"),
        pytest.param(asking((IMS, LATE)), NOT_MODIFIED, id="13.1.3-later"),
        pytest.param(asking((IMS, EARLY)), PROCEED, id="13.1.3-earlier"),
        pytest.param(asking((IMS, b"yesterday")), PROCEED, id="13.1.3-no-date"),
        pytest.param(asking((IMS, THEN), (IMS, THEN)), PROCEED, id="13.1.3-two-members"),
        pytest.param(asking((IM, b'"b"')), PROCEED, id="13.1.1-if-match-is-for-the-origin"),
        pytest.param(asking((IUS, EARLY)), PROCEED, id="13.1.4-so-is-if-unmodified-since"),
    ],
)
@pytest.mark.parametrize("method", [b"GET", b"HEAD"])
def test_a_cache(request_fields: Fields, outcome: PreconditionResult, method: bytes) -> None:
    assert evaluate(request_fields, method, b'"a"', THEN, NOW) is outcome


@pytest.mark.parametrize("value", [b"*", b'"a"'])
def test_a_cache_leaves_other_methods_alone(value: bytes) -> None:
    assert evaluate(asking((INM, value)), b"PUT", b'"a"', THEN, NOW) is PROCEED


@pytest.mark.parametrize("etag", [None, b"a", b'w/"a"', b""])
def test_nothing_matches_a_response_without_a_tag(etag: bytes | None) -> None:
    assert evaluate(asking((INM, b'"a"')), b"GET", etag, THEN, NOW) is PROCEED
    assert evaluate(asking((INM, etag or b"a")), b"GET", etag, THEN, NOW) is PROCEED
    assert evaluate(asking((INM, b"*")), b"GET", etag, THEN, NOW) is NOT_MODIFIED


@pytest.mark.parametrize("last_modified", [None, b"yesterday"])
def test_nothing_is_unmodified_without_a_date(last_modified: bytes | None) -> None:
    assert evaluate(asking((IMS, LATE)), b"GET", None, last_modified, NOW) is PROCEED


@pytest.mark.parametrize(
    ("stored", "date"),
    [
        pytest.param(((b"date", LATE), (b"last-modified", THEN)), THEN, id="4.3.2-last-modified"),
        pytest.param(((b"date", LATE),), LATE, id="4.3.2-date"),
        pytest.param((), EARLY, id="4.3.2-when-it-came"),
    ],
)
def test_modified_at(stored: Fields, date: bytes) -> None:
    assert modified_at(stored, 784_111_776.9) == date


@pytest.mark.parametrize(
    ("method", "request_fields", "outcome"),
    [
        pytest.param(b"PUT", asking(), PROCEED, id="none"),
        pytest.param(b"PUT", asking((IM, b'"a"')), PROCEED, id="step-1-met"),
        pytest.param(b"PUT", asking((IM, b"*")), PROCEED, id="step-1-any"),
        pytest.param(b"PUT", asking((IM, b'"b"')), FAILED, id="step-1-not-met"),
        pytest.param(b"PUT", asking((IM, b'W/"a"')), FAILED, id="step-1-strong-comparison"),
        pytest.param(b"PUT", asking((IM, b"a")), FAILED, id="step-1-malformed"),
        pytest.param(b"GET", asking((IM, b'"b"')), FAILED, id="step-1-get"),
        pytest.param(b"PUT", asking((IM, b'"a"'), (IUS, EARLY)), PROCEED, id="step-1-before-2"),
        pytest.param(b"PUT", asking((IUS, THEN)), PROCEED, id="step-2-met"),
        pytest.param(b"PUT", asking((IUS, EARLY)), FAILED, id="step-2-not-met"),
        pytest.param(b"PUT", asking((IUS, b"junk")), PROCEED, id="step-2-no-date"),
        pytest.param(b"PUT", asking((INM, b"*")), FAILED, id="step-3-any"),
        pytest.param(b"PUT", asking((INM, b'W/"a"')), FAILED, id="step-3-same"),
        pytest.param(b"PUT", asking((INM, b'"b"')), PROCEED, id="step-3-other"),
        pytest.param(b"GET", asking((INM, b'"a"')), NOT_MODIFIED, id="step-3-get"),
        pytest.param(b"GET", asking((IM, b'"a"'), (INM, b'"a"')), NOT_MODIFIED, id="step-1-and-3"),
        pytest.param(b"GET", asking((INM, b'"b"'), (IMS, LATE)), PROCEED, id="step-3-before-4"),
        pytest.param(b"HEAD", asking((IMS, THEN)), NOT_MODIFIED, id="step-4-head"),
        pytest.param(b"PUT", asking((IMS, THEN)), PROCEED, id="step-4-only-get-and-head"),
    ],
)
def test_an_origin(method: bytes, request_fields: Fields, outcome: PreconditionResult) -> None:
    assert evaluate_at_origin(request_fields, method, b'"a"', THEN, NOW) is outcome


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        pytest.param(b'"a"', True, id="13.1.5-tag"),
        pytest.param(b'"b"', False, id="13.1.5-other-tag"),
        pytest.param(b'W/"a"', False, id="13.1.5-weak-tag"),
        pytest.param(b'"a", "b"', False, id="13.1.5-list"),
        pytest.param(b"*", False, id="13.1.5-any"),
        pytest.param(b"a", False, id="13.1.5-unquoted"),
        pytest.param(THEN, True, id="13.1.5-date"),
        pytest.param(LATE, False, id="13.1.5-later-date"),
        pytest.param(EARLY, False, id="13.1.5-earlier-date"),
        pytest.param(THEN_RFC850, False, id="13.1.5-not-exact"),
        pytest.param(b"", False, id="empty"),
    ],
)
def test_if_range(value: bytes, expected: bool) -> None:
    assert if_range_matches(value, b'"a"', THEN, LATE) is expected


@pytest.mark.parametrize("date", [None, b"junk", EARLY, THEN])
def test_if_range_with_a_weak_date(date: bytes | None) -> None:
    assert not if_range_matches(THEN, None, THEN, date)


def test_if_range_against_nothing_or_junk() -> None:
    assert not if_range_matches(b'W/"a"', b'W/"a"', None, LATE)
    assert not if_range_matches(b'"a"', None, None, LATE)
    assert not if_range_matches(b"junk", None, b"junk", LATE)
    assert not if_range_matches(THEN, None, None, LATE)


TAGGY = st.text('W/"a, *\\', max_size=20).map(lambda text: text.encode())


@unhurried
@given(st.one_of(st.binary(max_size=40), TAGGY), st.one_of(st.none(), TAGGY))
def test_no_bytes_break_a_reader(value: bytes, etag: bytes | None) -> None:
    for name in (INM, IMS, IM, IUS):
        assert evaluate(((name, value),), b"GET", etag, value, NOW) in PreconditionResult
        assert evaluate_at_origin(((name, value),), b"PUT", etag, value, NOW) in PreconditionResult
    if_range_matches(value, etag, value, LATE)


@unhurried
@given(st.lists(st.tuples(st.text('a,\\"!', max_size=4), st.booleans()), max_size=4))
def test_a_list_of_tags_is_read_back(tags: list[tuple[str, bool]]) -> None:
    wanted = tuple(ETag(text.replace('"', "").encode(), weak) for text, weak in tags)
    written = b", ".join(b'%b"%b"' % (b"W/" if tag.weak else b"", tag.opaque) for tag in wanted)
    assert parse_etag_list(written) == wanted
