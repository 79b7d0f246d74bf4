"""Every kind of response, read by a linter that knows the RFCs: no error in it is ours.

`httplint` grades notes good, information, warning and bad. What is bad is an error, unless ALLOWED
says why it stays.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import pytest
from httplint import HttpRequestLinter, HttpResponseLinter
from httplint.note import Note, levels

from edgecache.upstream.faults import Fault
from tests.world.play import Play
from tests.world.viewer import Got

# The kind of response and the name of a note: why it may stay.
ALLOWED = {
    ("multipart", "PARTIAL_WITHOUT_RANGE"): "RFC 9110 §15.3.7.2: its parts have Content-Range, "
    "and its head must not"
}
PAGE = "<!DOCTYPE html><title>a</title>"
ORIGIN = {
    "content_type": "text/html; charset=utf-8",
    "etag": '"1"',
    "last_modified": "Tue, 12 Jan 2027 00:00:00 GMT",
}


@dataclass
class Seen:
    """A response, and the request it answers."""

    kind: str
    method: str
    target: str
    asked: dict[str, str]
    got: Got
    now: float  # epoch seconds


class Looking:
    """A viewer of `play` that keeps what it gets."""

    def __init__(self, play: Play) -> None:
        self.play = play
        self.seen: list[Seen] = []

    def asks(
        self, kind: str, target: str = "/a", method: str = "GET", body: str = "", **fields: str
    ) -> None:
        self.play.viewer().asks(target, method, body, **fields)
        self._asked = (kind, method, target, fields)

    def gets(self, status: int) -> None:
        got = self.play.viewer().gets(status)
        kind, method, target, fields = self._asked
        self.seen.append(Seen(kind, method, target, fields, got, self.play.clock.now))


def every_kind(play: Play) -> list[Seen]:
    """One response of each kind."""
    looking = Looking(play)
    _from_the_store(play, looking)
    _from_the_origin(play, looking)
    _of_our_own(play, looking)
    return looking.seen


def _from_the_store(play: Play, looking: Looking) -> None:
    looking.asks("miss")
    play.origin.answers(200, PAGE, cache="max-age=60", **ORIGIN)
    looking.gets(200)
    play.advance(3)
    for kind, method, status, fields in (
        ("hit", "GET", 200, {}),
        ("hit of HEAD", "HEAD", 200, {}),
        ("304", "GET", 304, {"if_none_match": '"1"'}),
        ("206", "GET", 206, {"range": "bytes=1-5"}),
        ("multipart", "GET", 206, {"range": "bytes=1-2,5-6"}),
        ("416", "GET", 416, {"range": "bytes=99-"}),
    ):
        looking.asks(kind, "/a", method, **fields)
        looking.gets(status)
    play.advance(58)
    looking.asks("validated")
    play.origin.answers(304, cache="max-age=60", etag='"1"')
    looking.gets(200)


def _from_the_origin(play: Play, looking: Looking) -> None:
    looking.asks("404", "/none")
    play.origin.answers(404, PAGE, cache="max-age=60", content_type="text/html; charset=utf-8")
    looking.gets(404)
    looking.asks("redirect", "/old")
    play.origin.answers(301, "", cache="max-age=60", location="/a")
    looking.gets(301)
    looking.asks("POST", "/form", "POST", "x=1", content_type="application/x-www-form-urlencoded")
    play.origin.answers(200, PAGE, **ORIGIN)
    looking.gets(200)
    looking.asks("204", "/form", "DELETE")
    play.origin.answers(204, "")
    looking.gets(204)
    looking.asks("HEAD", "/head", "HEAD")
    play.origin.answers(200, "", content_length="31", **ORIGIN)
    looking.gets(200)
    looking.asks("chunked", "/live")
    play.origin.answers(200, None, cache="no-store", content_type="text/plain; charset=utf-8")
    play.origin.sends("one")
    play.origin.sends("two")
    play.origin.ends()
    looking.gets(200)
    looking.asks("103", "/hinted")
    play.origin.interim(103, link="</a.css>; rel=preload")
    looking.gets(103)
    play.origin.answers(200, PAGE, cache="max-age=60", **ORIGIN)
    looking.gets(200)


def _of_our_own(play: Play, looking: Looking) -> None:
    looking.asks("502 page", "/gone")
    play.origin.fails()
    looking.gets(502)
    looking.asks("504 page", "/late")
    play.origin.fails(Fault.RESPONSE_TIMEOUT)
    looking.gets(504)
    looking.asks("405 page", "/a", "TRACE")
    looking.gets(405)


def notes_on(seen: Seen) -> list[Note]:
    """What the linter says of a response."""
    request = HttpRequestLinter(start_time=seen.now)
    uri = f"http://site.test{seen.target}".encode()
    request.process_request_topline(seen.method.encode(), uri, b"1.1")
    asked = [(n.replace("_", "-").encode(), v.encode()) for n, v in seen.asked.items()]
    request.process_headers([(b"Host", b"site.test"), *asked])
    request.finish_content(True)
    response = HttpResponseLinter(
        start_time=seen.now, _related=request, no_content=seen.method == "HEAD"
    )
    head = seen.got.head
    response.process_response_topline(b"1.1", b"%d" % head.status, head.reason)
    response.process_headers(list(head.fields))
    if seen.got.body:
        response.feed_content(seen.got.body)
    response.finish_content(True)
    return list(response.notes)


@pytest.mark.parametrize("semantics", ["rfc9111", "cloudfront"])
def test_no_response_has_an_error_of_ours(stage: Callable[..., Play], semantics: str) -> None:
    play = stage(semantics=semantics)
    kinds = every_kind(play)
    assert len({seen.kind for seen in kinds}) == 18
    found = [
        f"{seen.kind}: {type(note).__name__} on {note.subject}: {note.summary}"
        for seen in kinds
        for note in notes_on(seen)
        if note.level is levels.BAD and (seen.kind, type(note).__name__) not in ALLOWED
    ]
    assert not found, "\n".join(found)
