"""Events of Lambda functions, and every way that what comes back is judged."""

from __future__ import annotations

import base64
from typing import Any

import pytest

from edgecache.config.lambda_functions import LambdaEvent
from edgecache.functions.header_rules import ValidationProblem
from edgecache.functions.lambda_event import (
    BODY_BYTES_MAX,
    READ_ONLY,
    IncludedBody,
    changed_body,
    changed_request,
    changed_response,
    generated_response,
    merged_fields,
    shown_headers,
    shown_request,
    shown_response,
)
from edgecache.http.message import Fields, Request

FIELDS: Fields = (
    (b"host", b"h"),
    (b"accept", b"a"),
    (b"cookie", b"b=c"),
    (b"accept", b"z"),
    (b"via", b"1.1 x"),
    (b"connection", b"keep-alive"),
    (b"x-latin", b"\xe9"),
)
REQUEST = Request(b"GET", b"/p", b"q=1", FIELDS, client=("192.0.2.1", 1))
RESPONSE: Fields = ((b"content-length", b"3"), (b"via", b"1.1 x"), (b"etag", b'"1"'))
KB = 1_024


def request(**changes: Any) -> dict[str, Any]:
    return {**shown_request(REQUEST, FIELDS), **changes}


def with_headers(**headers: Any) -> dict[str, Any]:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return request(headers={**shown_headers(FIELDS), **named})


def test_headers_by_name_with_their_keys() -> None:
    assert shown_headers(FIELDS) == {
        "host": [{"key": "Host", "value": "h"}],
        "accept": [{"key": "Accept", "value": "a"}, {"key": "Accept", "value": "z"}],
        "cookie": [{"key": "Cookie", "value": "b=c"}],
        "via": [{"key": "Via", "value": "1.1 x"}],
        "x-latin": [{"key": "X-Latin", "value": "\u00e9"}],
    }


def changed(returned: Any, event: LambdaEvent = "origin-request") -> tuple[Request, Fields]:
    got, wanted = changed_request(REQUEST, request(), returned, event)
    return got, merged_fields(FIELDS, FIELDS, wanted)


def test_what_is_not_changed_is_the_same() -> None:
    got, fields = changed(request())
    assert got == REQUEST
    assert fields is FIELDS


@pytest.mark.parametrize(
    ("returned", "path", "query"),
    [
        (request(uri="/x"), b"/x", b"q=1"),
        (request(uri="/\u00e9"), b"/%C3%A9", b"q=1"),
        (request(querystring=""), b"/p", None),
        (request(querystring="a=b&c"), b"/p", b"a=b&c"),
    ],
)
def test_path_and_query(returned: Any, path: bytes, query: bytes | None) -> None:
    got, _ = changed(returned)
    assert (got.path, got.query) == (path, query)


@pytest.mark.parametrize(
    ("headers", "fields"),
    [
        ({"x_new": [{"value": " 1 "}]}, (*FIELDS, (b"x-new", b"1"))),
        ({"X_New": [{"key": "x-NEW", "value": "1"}]}, (*FIELDS, (b"x-new", b"1"))),
        ({"accept": [{"value": "1"}]}, (FIELDS[0], (b"accept", b"1"), FIELDS[2], *FIELDS[4:])),
        ({"accept": []}, (FIELDS[0], FIELDS[2], *FIELDS[4:])),
        ({"cookie": [{"value": "d"}]}, (*FIELDS[:2], (b"cookie", b"d"), *FIELDS[3:])),
        ({"x_latin": [{"value": "\u00e9!"}]}, (*FIELDS[:6], (b"x-latin", "\u00e9!".encode()))),
    ],
)
def test_a_changed_header_stands_where_it_was(headers: dict[str, Any], fields: Fields) -> None:
    assert changed(with_headers(**headers))[1] == fields


@pytest.mark.parametrize(
    "returned",
    [
        None,
        [],
        request(method="POST"),
        request(clientIp="x"),
        request(uri="x"),
        request(uri=None),
        request(uri="/a?b"),
        request(uri="/a b"),
        request(uri="/" + "x" * 8_192),
        request(querystring="a#b"),
        request(querystring=None),
        request(querystring={"a": {"value": "b"}}),
        request(headers=None),
        request(headers=[]),
        with_headers(accept="a"),
        with_headers(accept=[{"key": "other", "value": "a"}]),
        with_headers(accept=[{"value": 1}]),
        with_headers(accept=["a"]),
        with_headers(accept=[{"value": "a\r\nb: c"}]),
        with_headers(**{"a b": [{"value": "a"}]}),
        with_headers(connection=[{"value": "close"}]),
        with_headers(x_amz_cf_id=[{"value": "a"}]),
        with_headers(edgecache_peer=[{"value": "a"}]),
        with_headers(x=[{"value": "x" * 32_768}]),
    ],
)
def test_a_request_that_may_not_come_back(returned: Any) -> None:
    with pytest.raises(ValidationProblem):
        changed(returned)


EVENTS: list[LambdaEvent] = ["viewer-request", "origin-request"]


@pytest.mark.parametrize(
    ("event", "name"), [(event, name) for event in EVENTS for name in sorted(READ_ONLY[event])]
)
def test_read_only_headers_stay_as_they_are(event: LambdaEvent, name: bytes) -> None:
    before = {"headers": {name.decode(): [{"value": "a"}]}}
    shown = request(**before)
    for items in ([], [{"value": "b"}], [{"value": "a"}, {"value": "b"}]):
        returned = request(headers={name.decode(): items})
        with pytest.raises(ValidationProblem):
            changed_request(REQUEST, shown, returned, event)
        with pytest.raises(ValidationProblem):
            changed_request(REQUEST, request(headers={}), shown, event)
    changed_request(REQUEST, shown, shown, event)


BODY = shown_request(REQUEST, FIELDS, IncludedBody(b"body", truncated=False))


@pytest.mark.parametrize(
    ("body", "data"),
    [
        (None, None),
        ({}, None),
        ({"action": "read-only", "data": "other"}, None),
        ({"action": "replace", "encoding": "text", "data": "\u00e9"}, "\u00e9".encode()),
        ({"action": "replace", "data": "aGk="}, b"hi"),
        ({"action": "replace"}, b""),
    ],
)
def test_a_body_that_is_replaced(body: Any, data: bytes | None) -> None:
    assert changed_body(BODY, {"body": body}, "viewer-request") == data


@pytest.mark.parametrize(
    "body",
    [
        [],
        {"action": "other"},
        {"action": "replace", "data": "a"},
        {"action": "replace", "encoding": "other", "data": "a"},
        {"action": "replace", "encoding": "text", "data": 1},
        {"action": "replace", "encoding": "text", "data": "x" * (40 * KB + 1)},
        {"action": "replace", "data": base64.b64encode(b"x" * (40 * KB + 1)).decode()},
    ],
)
def test_a_body_that_may_not_be(body: Any) -> None:
    with pytest.raises(ValidationProblem):
        changed_body(BODY, {"body": body}, "viewer-request")


def test_a_body_that_is_not_included_is_not_replaced() -> None:
    with pytest.raises(ValidationProblem, match="IncludeBody"):
        changed_body(request(), {"body": {"action": "replace", "data": ""}}, "origin-request")


def test_a_generated_response() -> None:
    headers = {"x-A": [{"value": "1"}, {"value": "2"}], "content-length": [{"value": "7"}]}
    given = generated_response(
        {"status": "403", "statusDescription": "No", "headers": headers, "body": "b"},
        "viewer-request",
    )
    assert (given.status, given.reason, given.body) == (403, b"No", b"b")
    assert given.fields == ((b"x-a", b"1"), (b"x-a", b"2"))
    assert generated_response({"status": 200}, "viewer-request").body == b""


@pytest.mark.parametrize(
    "returned",
    [
        {"status": "199"},
        {"status": "600"},
        {"status": "2e2"},
        {"status": "0200"},
        {"status": True},
        {"status": "206"},
        {"status": "304"},
        {"status": "204", "body": "x"},
        {"status": "200", "statusDescription": "a\nb"},
        {"status": "200", "body": "\ud800"},
        {"status": "200", "body": "a", "bodyEncoding": "base64"},
        {"status": "200", "body": "a", "bodyEncoding": "gzip"},
        {"status": "200", "body": {"data": "a"}},
        {"status": "200", "headers": {"via": [{"value": "a"}]}},
        {"status": "200", "headers": {"transfer-encoding": [{"value": "chunked"}]}},
        {"status": "200", "headers": {"x-cache": [{"value": "Hit"}]}},
        {"status": "200", "body": "x" * (40 * KB + 1)},
        {"status": "200", "body": "x" * 40 * KB, "headers": {"a": [{"value": "b"}]}},
    ],
)
def test_a_generated_response_that_may_not_be(returned: Any) -> None:
    with pytest.raises(ValidationProblem):
        generated_response(returned, "viewer-request")


def test_an_answer_in_an_origins_place_may_be_larger() -> None:
    body = "x" * BODY_BYTES_MAX["origin-request"]
    assert generated_response({"status": "200", "body": body}, "origin-request").body
    with pytest.raises(ValidationProblem):
        generated_response({"status": "200", "body": body + "x"}, "origin-request")


def response(status: int = 200, **changes: Any) -> dict[str, Any]:
    return {**shown_response(status, b"", RESPONSE), **changes}


def test_a_response_that_is_not_changed() -> None:
    for event in ("origin-response", "viewer-response"):
        given = changed_response(response(), response(), event)
        assert (given.status, given.reason, given.body) == (200, b"OK", None)
        assert merged_fields(RESPONSE, RESPONSE, given.fields) is RESPONSE


@pytest.mark.parametrize(
    ("status", "returned", "event"),
    [
        (200, response(404), "viewer-response"),
        (200, response(body="x"), "viewer-response"),
        (200, response(headers={}), "viewer-response"),
        (200, response(206), "origin-response"),
        (200, response(304), "origin-response"),
        (206, response(200), "origin-response"),
        (304, response(200), "origin-response"),
        (206, response(206, body="x"), "origin-response"),
        (200, response(body="x" * (KB * KB + 1)), "origin-response"),
        (200, {"headers": {}}, "origin-response"),
        (200, response(headers={**response()["headers"], "content-length": [{"value": "4"}]}),
         "origin-response"),
        (200, response(headers={**response()["headers"], "via": [{"value": "4"}]}),
         "origin-response"),
    ],
)  # fmt: skip
def test_a_response_that_may_not_come_back(status: int, returned: Any, event: LambdaEvent) -> None:
    with pytest.raises(ValidationProblem):
        changed_response(response(status), returned, event)


def test_a_part_may_be_answered_by_a_whole() -> None:
    given = changed_response(response(206), response(200, body="all"), "origin-response")
    assert (given.status, given.body) == (200, b"all")
