"""Response plans: RFC 9110 §13, §14, §15.4.5, RFC 9111 §4.3.2; CloudFront Developer Guide, "How
CloudFront processes partial requests for an object (range GETs)"."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgecache.http.message import first_value
from edgecache.http.ranges import Span
from edgecache.rules.response.status_and_ranges import ResponsePlan, multipart, plan_reply
from tests.rules.pieces import NOW, answer, asks, date, lines

HEAD = answer(
    200,
    'etag: "v"',
    f"last-modified: {date(-500)}",
    f"date: {date(0)}",
    f"expires: {date(60)}",
    "cache-control: max-age=60",
    "content-location: /a",
    "vary: accept",
    "content-type: text/plain",
    "content-length: 10",
    "x-other: 1",
)


def plan(*given_lines: str, method: str = "GET", total: int | None = 10) -> ResponsePlan:
    return plan_reply(asks("/a", *given_lines, method=method), HEAD, total, NOW)


def names(found: ResponsePlan) -> set[str]:
    return {name.decode() for name, _ in found.fields}


@pytest.mark.parametrize(
    ("given_lines", "status"),
    [  # RFC 9110 §13.1.2, §13.1.3, §13.2.2
        ((), 200),
        (('if-none-match: "v"',), 304),
        (('if-none-match: W/"v"',), 304),
        (('if-none-match: "x", "v"',), 304),
        (('if-none-match: "x"', 'if-none-match: "v"'), 304),
        (("if-none-match: *",), 304),
        (('if-none-match: "x"',), 200),
        (("if-none-match: v",), 200),
        ((f"if-modified-since: {date(-500)}",), 304),
        ((f"if-modified-since: {date(-499)}",), 304),
        ((f"if-modified-since: {date(-501)}",), 200),
        (("if-modified-since: x",), 200),
        (('if-none-match: "x"', f"if-modified-since: {date(0)}"), 200),
        (('if-none-match: "v"', f"if-modified-since: {date(-501)}"), 304),
        (('if-none-match: "v"', "range: bytes=0-1"), 304),
        (('if-none-match: "x"', "range: bytes=0-1"), 206),
    ],
)
@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_conditions(method: str, given_lines: tuple[str, ...], status: int) -> None:
    expected = 200 if method == "HEAD" and status == 206 else status
    assert plan(*given_lines, method=method).status == expected


@pytest.mark.parametrize("method", ["POST", "PUT", "OPTIONS"])
def test_other_methods_are_answered_as_the_origin_did(method: str) -> None:
    assert plan('if-none-match: "v"', "range: bytes=0-1", method=method) == ResponsePlan(
        200, HEAD.fields
    )


@pytest.mark.parametrize("status", [204, 301, 404, 416, 500])
def test_conditions_count_for_a_200_and_a_206_alone(status: int) -> None:
    """RFC 9110 §13.2.1, RFC 9111 §4.3.2."""
    head = answer(status, 'etag: "v"')
    request = asks("/a", 'if-none-match: "v"', "range: bytes=0-1")
    assert plan_reply(request, head, 10, NOW) == ResponsePlan(status, head.fields)


def test_a_condition_counts_before_a_part() -> None:
    """RFC 9110 §13.2.2: If-None-Match, then Range."""
    head = answer(206, 'etag: "v"', "content-range: bytes 0-1/10")
    request = asks("/a", 'if-none-match: "v"', "range: bytes=0-1")
    assert plan_reply(request, head, 2, NOW).status == 304
    request = asks("/a", 'if-none-match: "w"', "range: bytes=0-1")
    assert plan_reply(request, head, 2, NOW) == ResponsePlan(206, head.fields)


def test_a_304_carries_what_it_must_and_no_body() -> None:
    """RFC 9110 §15.4.5: and nothing else but to guide caches."""
    found = plan('if-none-match: "v"')
    assert not found.has_body
    assert names(found) == {
        "etag", "date", "expires", "cache-control", "content-location", "vary"
    }  # fmt: skip


def test_a_304_without_a_tag_carries_last_modified() -> None:
    head = answer(200, f"last-modified: {date(-9)}", "content-type: text/plain")
    found = plan_reply(asks("/a", f"if-modified-since: {date(0)}"), head, 10, NOW)
    assert (found.status, names(found)) == (304, {"last-modified"})


def test_if_modified_since_is_compared_with_date_where_there_is_no_last_modified() -> None:
    """RFC 9111 §4.3.2."""
    head = answer(200, f"date: {date(-9)}")
    for since, status in ((-10, 200), (-9, 304)):
        request = asks("/a", f"if-modified-since: {date(since)}")
        assert plan_reply(request, head, 10, NOW).status == status


@pytest.mark.parametrize(
    ("wanted", "status", "span", "told"),
    [  # RFC 9110 §14.1.2, §14.2, §15.3.7, §15.5.17
        ("bytes=0-3", 206, Span(0, 3), "bytes 0-3/10"),
        ("bytes=3-3", 206, Span(3, 3), "bytes 3-3/10"),
        ("bytes=0-", 206, Span(0, 9), "bytes 0-9/10"),
        ("bytes=4-99", 206, Span(4, 9), "bytes 4-9/10"),
        ("bytes=-3", 206, Span(7, 9), "bytes 7-9/10"),
        ("bytes=-99", 206, Span(0, 9), "bytes 0-9/10"),
        ("bytes=99-, 0-1", 206, Span(0, 1), "bytes 0-1/10"),
        ("bytes=10-", 416, None, "bytes */10"),
        ("bytes=-0", 416, None, "bytes */10"),
        ("bytes=3-1", 200, None, None),
        ("bytes=a-b", 200, None, None),
        ("bytes", 200, None, None),
        ("items=0-1", 200, None, None),
        ("bytes=0-1, 1-2", 200, None, None),
        ("bytes=4-5, 0-1", 200, None, None),
    ],
)
def test_range(wanted: str, status: int, span: Span | None, told: str | None) -> None:
    found = plan(f"range: {wanted}")
    assert found.status == status
    content_range = first_value(found.fields, b"content-range")
    assert content_range == (None if told is None else told.encode())
    assert found.has_body is (status != 416)
    if span is not None:
        assert found.span == span
        assert names(found) > {"etag", "content-type", "cache-control", "x-other"}


def test_a_range_of_an_unknown_or_empty_whole_is_the_whole() -> None:
    assert plan("range: bytes=0-1", total=None) == ResponsePlan(200, HEAD.fields)
    assert plan("range: bytes=0-1", total=0) == ResponsePlan(200, HEAD.fields)


@pytest.mark.parametrize(
    ("condition", "status"),
    [  # RFC 9110 §13.1.5: strongly, or an exact date that is old enough
        ('"v"', 206),
        ('W/"v"', 200),
        ('"x"', 200),
        (date(-500), 206),
        (date(-499), 200),
        (date(0), 200),
        ("x", 200),
    ],
)
def test_if_range(condition: str, status: int) -> None:
    assert plan("range: bytes=0-1", f"if-range: {condition}").status == status


@pytest.mark.parametrize(
    ("wanted", "spans"),
    [
        ("bytes=0-1, 4-5", (Span(0, 1), Span(4, 5))),
        ("bytes=0-0, 2-2, -1", (Span(0, 0), Span(2, 2), Span(9, 9))),
        ("bytes=0-1, 99-", ()),
        ("bytes=0-5, 4-9", ()),
    ],
)
def test_several_ranges(wanted: str, spans: tuple[Span, ...]) -> None:
    """Ascending and apart, else the whole (§14.2 lets a server ignore others)."""
    found = plan(f"range: {wanted}")
    assert found.spans == spans
    if spans:
        assert (found.status, found.has_body) == (206, True)


@given(st.binary(min_size=10, max_size=40), st.sets(st.integers(0, 9), min_size=4, max_size=4))
def test_a_multipart_body_holds_the_bytes_of_each_span(body: bytes, ends: set[int]) -> None:
    """RFC 9110 §14.6: each part with its Content-Range and the type of the whole."""
    first, second, third, fourth = sorted(ends)
    spans = (Span(first, second), Span(third, fourth))
    made = multipart(lines("content-type: text/plain", "etag: x"), spans, body)
    content_type = first_value(made.fields, b"content-type") or b""
    assert content_type.startswith(b"multipart/byteranges; boundary=")
    assert first_value(made.fields, b"etag") == b"x"
    boundary = b"\r\n--" + content_type.partition(b"boundary=")[2]
    before, *parts, after = made.body.split(boundary)
    assert (before, after) == (b"", b"--\r\n")
    for span, part in zip(spans, parts, strict=True):
        head, _, data = part.partition(b"\r\n\r\n")
        assert data == body[span.first : span.last + 1]
        assert head.split(b"\r\n")[1:] == [
            b"Content-Type: text/plain",
            b"Content-Range: bytes %d-%d/%d" % (span.first, span.last, len(body)),
        ]


def test_a_boundary_is_of_the_parts_alone() -> None:
    """Two bytes of a large body must not cost a hash of all of it, each time they are asked for."""
    spans = (Span(0, 0), Span(9, 9))
    one, other = (multipart((), spans, body) for body in (b"a--------z", b"a++++++++z"))
    assert one.body == other.body


def test_a_single_range_is_never_multipart() -> None:
    """RFC 9110 §15.3.7.2: to a request for one range, no multipart."""
    assert plan("range: bytes=2-4").spans == ()
