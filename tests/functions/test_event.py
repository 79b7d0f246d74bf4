"""Events in and out, to the letter of the Developer Guide's event structure."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from edgecache.functions.event import (
    FunctionResponse,
    applied_request,
    applied_response,
    is_response,
    request_object,
    response_object,
)
from edgecache.functions.header_rules import ValidationProblem
from edgecache.http.message import Fields, Request

GUIDE = Request(
    b"GET",
    b"/media/index.mpd",
    b"ID=42&Exp=1619740800&TTL=1440&NoValue=&querymv=val1&querymv=val2,val3",
    (
        (b"host", b"video.example.com"),
        (b"user-agent", b"Mozilla/5.0"),
        (b"accept", b"application/json"),
        (b"accept", b"application/xml"),
        (b"accept", b"text/html"),
        (b"accept-encoding", b"gzip, deflate, br"),
        (b"connection", b"keep-alive"),
        (b"x-forwarded-proto", b"https"),
        (b"cookie", b"Cookie1=value1; cookie_consent=true; cookiemv=value3; cookiemv=value4"),
    ),
)
SHOWN: dict[str, Any] = {
    "method": "GET",
    "uri": "/media/index.mpd",
    "querystring": {
        "ID": {"value": "42"},
        "Exp": {"value": "1619740800"},
        "TTL": {"value": "1440"},
        "NoValue": {"value": ""},
        "querymv": {"value": "val1", "multiValue": [{"value": "val1"}, {"value": "val2,val3"}]},
    },
    "headers": {
        "host": {"value": "video.example.com"},
        "user-agent": {"value": "Mozilla/5.0"},
        "accept": {
            "value": "application/json",
            "multiValue": [
                {"value": "application/json"},
                {"value": "application/xml"},
                {"value": "text/html"},
            ],
        },
        "accept-encoding": {"value": "gzip, deflate, br"},
    },
    "cookies": {
        "Cookie1": {"value": "value1"},
        "cookie_consent": {"value": "true"},
        "cookiemv": {"value": "value3", "multiValue": [{"value": "value3"}, {"value": "value4"}]},
    },
}


def test_the_guides_request_is_shown_as_the_guide_shows_it() -> None:
    assert request_object(GUIDE) == SHOWN


def given(**changes: Any) -> dict[str, Any]:
    """The guide's request, some paths in it changed; None: taken away."""
    found = copy.deepcopy(SHOWN)
    for path, value in changes.items():
        *parts, last = path.split("__")
        place: Any = found
        for part in parts:
            place = place[part]
        if value is None:
            del place[last]
        else:
            place[last] = value
    return found


def test_what_is_not_changed_is_the_very_request() -> None:
    assert applied_request(GUIDE, SHOWN, given()) is GUIDE


def test_bytes_that_are_no_utf8_go_on_as_they_came() -> None:
    request = Request(b"GET", b"/caf\xe9", b"q=\xff", ((b"host", b"h"), (b"x-a", b"\xe9")))
    shown = request_object(request)
    assert (shown["uri"], shown["headers"]["x-a"]) == ("/caf\u00e9", {"value": "\u00e9"})
    assert shown["querystring"] == {"q": {"value": "\u00ff"}}
    assert applied_request(request, shown, copy.deepcopy(shown)) is request
    changed = copy.deepcopy(shown)
    changed["headers"]["x-b"] = {"value": "1"}
    after = applied_request(request, shown, changed)
    assert (after.path, after.query) == (b"/caf\xe9", b"q=\xff")
    assert after.fields == (*request.fields, (b"x-b", b"1"))
    changed["uri"] = "/caf\u00e9/x"
    assert applied_request(request, shown, changed).path == b"/caf%C3%A9/x"


QUERIES: list[tuple[Any, bytes | None]] = [
    ("ID=42&x", b"ID=42&x"),
    ("", None),
    ({}, None),
    ({"a": {"value": "1"}, "b": {"value": ""}}, b"a=1&b="),
    ({"a": {"value": "1", "multiValue": [{"value": "2"}, {"value": "3"}]}}, b"a=2&a=3"),
    (
        {"querymv": {**SHOWN["querystring"]["querymv"], "value": "x"}},
        b"querymv=x&querymv=val2,val3",
    ),
    ({"querymv": {"value": "x"}}, b"querymv=x"),
    (
        {"querymv": {"value": "x", "multiValue": [{"value": "y"}]}},
        b"querymv=y",
    ),
]  # fmt: skip


@pytest.mark.parametrize(("query", "raw"), QUERIES)
def test_a_query_string_is_made_of_what_was_changed(query: Any, raw: bytes | None) -> None:
    assert applied_request(GUIDE, SHOWN, given(querystring=query)).query == raw


def headers(request: Request) -> Fields:
    return tuple(field for field in request.fields if field[0] != b"cookie")


def test_a_header_stays_where_it_was_and_new_ones_come_last() -> None:
    changed = given(
        **{"headers__x-new": {"value": " a "}, "headers__user-agent": {"value": "other"}}
    )
    after = applied_request(GUIDE, SHOWN, changed)
    expected = [*headers(GUIDE), (b"x-new", b"a")]
    expected[1] = (b"user-agent", b"other")
    assert headers(after) == tuple(expected)


def test_of_a_header_with_several_values_the_first_or_all_are_changed() -> None:
    first = given(headers__accept__value="a/b")
    kept = [field for field in applied_request(GUIDE, SHOWN, first).fields if field[0] == b"accept"]
    assert [value for _, value in kept] == [b"a/b", b"application/xml", b"text/html"]
    every = given(headers__accept__value="a/b", headers__accept__multiValue=[{"value": "c/d"}])
    kept = [field for field in applied_request(GUIDE, SHOWN, every).fields if field[0] == b"accept"]
    assert kept == [(b"accept", b"c/d")]


def test_a_header_that_is_taken_away_is_gone_and_hidden_ones_stay() -> None:
    after = applied_request(GUIDE, SHOWN, given(headers__accept=None))
    names = [name for name, _ in after.fields]
    assert b"accept" not in names
    assert {b"connection", b"x-forwarded-proto", b"cookie"} <= set(names)


def test_cookies_become_one_field_once_one_is_changed() -> None:
    after = applied_request(
        GUIDE, SHOWN, given(cookies__Cookie1={"value": "x"}, cookies__n={"value": "1"})
    )
    assert dict(after.fields)[b"cookie"] == (
        b"Cookie1=x; cookie_consent=true; cookiemv=value3; cookiemv=value4; n=1"
    )
    assert b"cookie" not in dict(applied_request(GUIDE, SHOWN, given(cookies={})).fields)


REFUSED: list[tuple[Any, str]] = [
    (given(method="POST"), "read-only"),
    (given(uri="a"), "begin with /"),
    (given(uri=None), "begin with /"),
    (given(uri="/a b"), "spaces"),
    (given(uri="/a\n"), "spaces"),
    (given(uri="/a?b"), "querystring"),
    (given(uri="/" + "a" * 8_191), "8192"),
    (given(uri="/\ud800"), "no text"),
    (given(querystring="a b"), "spaces"),
    (given(querystring="a#b"), "#"),
    (given(querystring=1), "not an object"),
    (given(querystring={"a": "b"}), "not an object"),
    (given(querystring={"a": {"value": 1}}), "not a string"),
    (given(querystring={"a": {"value": "1", "multiValue": {}}}), "not an array"),
    (given(headers__host={"value": "other"}), "Host is read-only"),
    (given(headers__host=None), "Host is read-only"),
    (given(headers__via={"value": "x"}), "Via is read-only"),
    (given(**{"headers__content-length": {"value": "1"}}), "read-only"),
    (given(**{"headers__transfer-encoding": {"value": "chunked"}}), "read-only"),
    (given(**{"headers__cdn-loop": {"value": "1"}}), "read-only"),
    (given(headers__connection={"value": "close"}), "not allowed"),
    (given(**{"headers__x-amz-cf-id": {"value": "1"}}), "not allowed"),
    (given(**{"headers__x-edge-a": {"value": "1"}}), "not allowed"),
    (given(**{"headers__edgecache-peer": {"value": "1"}}), "not allowed"),
    (given(**{"headers__x-forwarded-proto": {"value": "http"}}), "not allowed"),
    (given(headers__cookie={"value": "a=b"}), "not allowed"),
    (given(**{"headers__X-Upper": {"value": "1"}}), "lower case"),
    (given(**{"headers__a b": {"value": "1"}}), "not a header's name"),
    (given(**{"headers__x-a": {"value": "1\r\nx-b: 2"}}), "control characters"),
    (given(**{"headers__x-a": {"value": "x" * 33_000}}), "32768"),
    (given(**{"headers__x-a": "1"}), "not an object"),
    (given(cookies__n={"value": "a;b"}), "cookie"),
    (given(**{"cookies__a b": {"value": "1"}}), "cookie"),
    (given(cookies__n={"value": "a\r\nb"}), "cookie"),
    (None, "neither a request nor a response"),
    ([], "neither a request nor a response"),
    ("x", "neither a request nor a response"),
]


@pytest.mark.parametrize(("returned", "problem"), REFUSED)
def test_what_may_not_come_back_is_refused(returned: Any, problem: str) -> None:
    with pytest.raises(ValidationProblem, match=problem):
        applied_request(GUIDE, SHOWN, returned)


# Responses.

FIELDS: Fields = (
    (b"date", b"Mon, 04 Apr 2021 18:57:56 GMT"),
    (b"content-type", b"application/json"),
    (b"content-length", b"701"),
    (b"set-cookie", b"ID=id1234; Expires=Wed, 05 Apr 2021 07:28:00 GMT"),
    (b"set-cookie", b"Cookie1=val1; Secure; Path=/"),
    (b"set-cookie", b"Cookie1=val2; Path=/cat"),
    (b"x-cache", b"Miss"),
)
RESPONSE = {
    "statusCode": 200,
    "statusDescription": "OK",
    "headers": {
        "date": {"value": "Mon, 04 Apr 2021 18:57:56 GMT"},
        "content-type": {"value": "application/json"},
        "content-length": {"value": "701"},
    },
    "cookies": {
        "ID": {"value": "id1234", "attributes": "Expires=Wed, 05 Apr 2021 07:28:00 GMT"},
        "Cookie1": {
            "value": "val1",
            "attributes": "Secure; Path=/",
            "multiValue": [
                {"value": "val1", "attributes": "Secure; Path=/"},
                {"value": "val2", "attributes": "Path=/cat"},
            ],
        },
    },
}


def test_the_guides_response_is_shown_as_the_guide_shows_it() -> None:
    assert response_object(200, b"OK", FIELDS) == RESPONSE


def after(**changes: Any) -> FunctionResponse:
    return applied_response(FIELDS, RESPONSE, {**copy.deepcopy(RESPONSE), **changes})


def test_a_response_that_is_not_changed_stays_but_for_its_length() -> None:
    kept = tuple(field for field in FIELDS if field[0] != b"content-length")
    assert after() == FunctionResponse(200, b"OK", kept, None)


@pytest.mark.parametrize(
    ("body", "data"),
    [
        ("text", b"text"),
        ({"encoding": "text", "data": "<p>\u00e9"}, "<p>\u00e9".encode()),
        ({"data": "x"}, b"x"),
        ({"encoding": "base64", "data": "aGk="}, b"hi"),
        ("", b""),
    ],
)
def test_a_body_is_text_or_base64(body: Any, data: bytes) -> None:
    assert after(body=body).body == data


def test_cookies_go_out_with_their_attributes() -> None:
    cookies = copy.deepcopy(RESPONSE["cookies"])
    assert isinstance(cookies, dict)
    cookies["ID"]["attributes"] = "Path=/"
    cookies["new"] = {"value": "1"}
    lines = [value for name, value in after(cookies=cookies).fields if name == b"set-cookie"]
    assert lines == [
        b"ID=id1234; Path=/", b"Cookie1=val1; Secure; Path=/", b"Cookie1=val2; Path=/cat", b"new=1",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"statusCode": "200"}, "statusCode"),
        ({"statusCode": 99}, "statusCode"),
        ({"statusCode": 101}, "statusCode"),
        ({"statusCode": 600}, "statusCode"),
        ({"statusCode": True}, "statusCode"),
        ({"statusCode": 200.5}, "statusCode"),
        ({"statusCode": None}, "statusCode"),
        ({"statusDescription": 1}, "statusDescription"),
        ({"statusDescription": "a\r\nb"}, "statusDescription"),
        ({"body": 1}, "body"),
        ({"body": {"encoding": "base64", "data": "%"}}, "encoding says"),
        ({"body": {"encoding": "utf8", "data": "x"}}, "encoding"),
        ({"body": {"data": 1}}, "body"),
        ({"headers": {"via": {"value": "x"}}}, "Via is read-only"),
        ({"headers": {"warning": {"value": "x"}}}, "Warning is read-only"),
        ({"headers": {"x-cache": {"value": "Hit"}}}, "not allowed"),
        ({"headers": {"set-cookie": {"value": "a=b"}}}, "not allowed"),
        ({"headers": {"transfer-encoding": {"value": "chunked"}}}, "not allowed"),
        ({"cookies": {"a": {"value": "1", "attributes": "x\r\n"}}}, "attributes"),
        ({"cookies": {"a": {"value": "1", "attributes": 1}}}, "attributes"),
    ],
)
def test_a_response_that_may_not_be_is_refused(changes: Any, problem: str) -> None:
    with pytest.raises(ValidationProblem, match=problem):
        after(**changes)


def test_a_response_is_told_by_its_status() -> None:
    assert is_response({"statusCode": 200})
    assert not is_response(SHOWN)
    assert not is_response("x")
