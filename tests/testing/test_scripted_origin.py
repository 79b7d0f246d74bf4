"""Scripted origins: what they answer and record, and what cannot be scripted."""

from __future__ import annotations

from typing import Any

import pytest

from edgecache.http.head import parse_request_head
from edgecache.http.message import HeadLimits
from edgecache.testing.origin_conversation import (
    LIMITS,
    OriginConversation,
    OriginReply,
)
from edgecache.testing.scripted_origin import (
    OriginAnswer,
    ScriptedOrigin,
    origin_answer,
    seconds,
)

HEAD = b'HTTP/1.1 200 OK\r\nETag: "1"\r\nContent-Length: 3\r\n\r\n'


def asked(
    origin: ScriptedOrigin, target: str = "/a", method: str = "GET", **fields: str
) -> OriginAnswer:
    lines = "".join(f"{name.replace('_', '-')}: {value}\r\n" for name, value in fields.items())
    head = f"{method} {target} HTTP/1.1\r\nHost: o.test\r\n{lines}\r\n".encode()
    return origin.answer_to(parse_request_head(head, HeadLimits()), b"")


def replies(origin: ScriptedOrigin, data: bytes, step: int = 0) -> list[OriginReply]:
    """What a connection is answered whose bytes come `step` at a time (0: together)."""
    conversation, step = OriginConversation(origin), step or len(data)
    pieces = [data[at : at + step] for at in range(0, len(data), step)]
    return [reply for piece in pieces for reply in conversation.feed(piece)]


def test_scripts_count_from_the_newest_and_run_out() -> None:
    origin = ScriptedOrigin("o", origin_answer(status=200))
    origin.answers("/a", status=500).answers("/a", status=503, times=2).answers(status=404, times=1)
    assert [asked(origin).status for _ in range(5)] == [404, 503, 503, 500, 500]
    assert asked(origin, "/b").status == 200


def test_a_target_with_its_query_is_that_alone() -> None:
    origin = ScriptedOrigin("o").answers("/a?x=1", status=404).answers("/b", status=410)
    statuses = [asked(origin, target).status for target in ("/a?x=1", "/a", "/b?x=1")]
    assert statuses == [404, 200, 410]
    assert (
        origin.count("/a"),
        origin.count("/a?x=1"),
        origin.count(method="HEAD"),
    ) == (2, 1, 0)
    assert (origin.requests[0].path, origin.requests[0].query) == ("/a", "x=1")
    origin.forget()
    assert origin.count() == 0


@pytest.mark.parametrize(("fields", "status"), [
    ({"if_none_match": '"1"'}, 304),
    ({"if_none_match": 'W/"1"'}, 304),
    ({"if_none_match": '"0", "1"'}, 304),
    ({"if_none_match": "*"}, 304),
    ({"if_none_match": '"2"'}, 200),
    ({"if_modified_since": "Fri, 01 Jan 2027 00:00:00 GMT"}, 304),
    ({"if_modified_since": "Sat, 02 Jan 2027 00:00:00 GMT"}, 200),
    ({"if_none_match": '"2"', "if_modified_since": "Fri, 01 Jan 2027 00:00:00 GMT"}, 200),
])  # fmt: skip
def test_a_condition_that_holds_is_answered_304(fields: dict[str, str], status: int) -> None:
    """RFC 9110 §13.2.2: If-None-Match counts alone where it is there."""
    date = "Fri, 01 Jan 2027 00:00:00 GMT"
    origin = ScriptedOrigin("o", origin_answer(etag='"1"', last_modified=date))
    assert asked(origin, **fields).status == status


@pytest.mark.parametrize("step", [0, 1, 7])
def test_requests_are_answered_in_their_order_however_they_are_cut(step: int) -> None:
    origin = ScriptedOrigin("o", origin_answer(body="abc", etag='"1"'))
    sent = b"POST /a HTTP/1.1\r\nHost: o\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n"
    sent += b"HEAD /b HTTP/1.1\r\nHost: o\r\n\r\n"
    sent += b"GET /c HTTP/1.1\r\nHost: o\r\nConnection: close\r\n\r\n"
    answers = replies(origin, sent, step)
    assert [reply.data for reply in answers] == [HEAD + b"abc", HEAD, HEAD + b"abc"]
    assert [reply.closes for reply in answers] == [False, False, True]
    assert [(one.method, one.body) for one in origin.requests] == [
        ("POST", b"hi"), ("HEAD", b""), ("GET", b""),
    ]  # fmt: skip


def test_a_cut_ends_the_connection_within_the_body() -> None:
    origin = ScriptedOrigin("o", origin_answer(body="abcdef", cut=2, delay="1.5s"))
    (reply,) = replies(origin, b"GET / HTTP/1.1\r\nHost: o\r\n\r\n")
    assert reply.data.endswith(b"Content-Length: 6\r\n\r\nab")
    assert (reply.closes, reply.delay_s) == (True, 1.5)


@pytest.mark.parametrize("sent", [
    b"GET / HTTP/1.1\r\nHost: o\r\n: x\r\n\r\n",
    b"GET /" + bytes(LIMITS.head_bytes_max + 1),
])  # fmt: skip
def test_what_is_no_request_is_refused(sent: bytes) -> None:
    origin = ScriptedOrigin("o")
    (reply,) = replies(origin, sent)
    assert reply.closes
    assert reply.data.startswith(b"HTTP/1.1 4")
    assert origin.count() == 0


REFUSED: list[tuple[dict[str, Any], list[str]]] = [
    (
        {"status": 101, "cut": -1, "delay": "soon"},
        ["status: 101", "cut: -1", "delay: 'soon'"],
    ),
    ({"status": True}, ["status: True"]),
    ({"delay": "2h"}, ["delay: '2h' is longer"]),
    ({"content_length": "3"}, ["headers[content-length]: is made of the body"]),
    ({"headers": {"X-A": "1\r\nX-B: 2"}}, ["headers[X-A]: no name and value"]),
    (
        {"headers": {"X A": "1"}, "x_b": 2},
        ["headers[X A]: no name", "headers[x-b]: 2 is no text"],
    ),
]


@pytest.mark.parametrize(("given", "lines"), REFUSED)
def test_every_problem_of_an_answer_is_told(given: dict[str, Any], lines: list[str]) -> None:
    with pytest.raises(ValueError, match=r".") as caught:
        origin_answer(**given)
    told = sorted(str(caught.value).splitlines())
    assert len(told) == len(lines)
    assert all(one.startswith(line) for one, line in zip(told, sorted(lines), strict=True))


@pytest.mark.parametrize("times", [0, -1, True])
def test_a_script_for_no_request_is_refused(times: int) -> None:
    with pytest.raises(ValueError, match="times"):
        ScriptedOrigin("o").answers("/a", times=times)


@pytest.mark.parametrize(("value", "found"), [(1, 1.0), ("1h 30m", 5_400.0), ("250ms", 0.25)])
def test_seconds(value: float | str, found: float) -> None:
    assert seconds(value, "x") == found
