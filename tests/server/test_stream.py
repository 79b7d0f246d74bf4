"""The seam for versions of HTTP: a stream that writes no HTTP/1.1 gets the same responses."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest

from edgecache.cache.frontend import ViewerErrand
from edgecache.cache.outcome import Hit, Refusal
from edgecache.http.head import parse_request_head
from edgecache.http.message import Fields, HeadLimits, first_value
from edgecache.server.request_log import NOTHING_ASKED, RequestSummary
from edgecache.server.response_writer import ResponseWriter
from edgecache.server.stream import ViewerStream
from edgecache.upstream.tunnel import Tunnel
from tests.world.play import Play, Scene

# What HTTP/1.1 alone says, and what differs from request to request.
OF_THE_WIRE = frozenset({b"content-length", b"transfer-encoding", b"connection", b"x-amz-cf-id"})


@dataclass
class MemoryStream:
    """A ViewerStream that keeps what it is given, and insists on the order of its calls."""

    began: float
    client: tuple[str, int] = ("192.0.2.9", 443)
    network: str = "192.0.2.9"
    sent_bytes: int = 0
    websocket_key: bytes | None = None
    tunnel_bytes_in: int = 0
    paused: bool = False
    status: int = 0
    fields: Fields = ()
    length: int | None = None
    body: bytes = b""
    state: str = "begun"  # head, ended, aborted
    interims: list[int] = field(default_factory=list)
    closes: bool = False
    ends: bool = False
    flushed: bool = False
    window: asyncio.Event = field(default_factory=asyncio.Event)

    def send_interim(self, status: int, fields: Fields, *, reason: bytes = b"") -> None:
        assert self.state == "begun"
        self.interims.append(status)

    def send_head(
        self,
        status: int,
        fields: Fields,
        length: int | None,
        *,
        reason: bytes = b"",
        ends: bool = False,
    ) -> None:
        assert self.state == "begun"
        assert not {name for name, _ in fields} & {b"transfer-encoding", b"connection"}
        self.status, self.fields, self.length, self.ends = status, fields, length, ends
        self.state = "head"

    def send(self, data: bytes | memoryview) -> None:
        assert (self.state, self.ends, self.paused) == ("head", False, False)
        assert data
        self.body += data
        self.sent_bytes += len(data)

    def flush(self) -> None:
        assert self.state == "head"
        self.flushed = True

    def end(self, trailers: Fields = ()) -> None:
        assert self.state == "head"
        self.state = "ended"

    def abort(self) -> None:
        assert self.state != "ended"
        self.state = "aborted"

    def close_after(self) -> None:
        assert self.state == "begun"
        self.closes = True

    async def drained(self) -> None:
        await self.window.wait()

    async def run_tunnel(self, fields: Fields, tunnel: Tunnel) -> None:
        raise NotImplementedError

    def field(self, name: bytes) -> bytes | None:
        return first_value(self.fields, name)


class Other:
    """Viewers of another version of HTTP at the listener of a play."""

    def __init__(self, play: Play) -> None:
        self.play = play
        self.task: asyncio.Task[None] | None = None

    def asks(self, target: str, method: str = "GET", **fields: str) -> MemoryStream:
        """One request; what it gets, as far as it has come."""
        play, listener = self.play, self.play.listener
        lines = [f"{name.replace('_', '-')}: {value}" for name, value in fields.items()]
        head = "\r\n".join([f"{method} {target} HTTP/1.1", *lines, "", ""]).encode()
        request = parse_request_head(head, HeadLimits())
        now = play.clock()
        stream = MemoryStream(now)
        seam: ViewerStream = stream
        summary = RequestSummary.by(request, listener.site_names(request.host), len(head))
        writer = ResponseWriter(listener, seam, summary)
        decision = listener.frontend.decide(request, now)
        if isinstance(decision, Hit):
            writer.send_hit(decision, request, now)
        elif isinstance(decision, ViewerErrand):
            self.task = play.loop.create_task(writer.run(decision, None))
            play.tasks.add(self.task)
            play.loop.settle()
        else:
            writer.send_refusal(decision, now)
        return stream

    @property
    def logged(self) -> list[list[bytes]]:
        self.play.access_log.flush()
        return [line.split(b"\t") for line in bytes(self.play.log).splitlines()]


@pytest.fixture
def play() -> Iterator[Play]:
    play = Play(Scene())
    yield play
    play.close()


def whole(play: Play) -> None:
    play.origin.answers(200, "abcdef", cache="max-age=60", etag='"e"')


def unknown_length(play: Play) -> None:
    play.origin.answers(200, None, cache="max-age=60")
    play.origin.sends("abc")
    play.origin.sends("def")
    play.origin.ends()


def missing(play: Play) -> None:
    play.origin.answers(404, "no", cache="max-age=60")


def fails(play: Play) -> None:
    play.origin.fails()


def nothing(_play: Play) -> None: ...


SITE = {"host": "site.test"}
ROWS: list[tuple[str, Callable[[Play], None], bool, str, dict[str, str]]] = [
    ("whole", whole, False, "GET", SITE),
    ("hit", whole, True, "GET", SITE),
    ("of unknown length", unknown_length, False, "GET", SITE),
    ("HEAD", whole, True, "HEAD", SITE),
    ("HEAD, asked of the origin", whole, False, "HEAD", SITE),
    ("304", whole, True, "GET", {**SITE, "if_none_match": '"e"'}),
    ("a range", whole, True, "GET", {**SITE, "range": "bytes=1-3"}),
    ("a range of what is fetched", whole, False, "GET", {**SITE, "range": "bytes=1-3"}),
    ("ranges", whole, True, "GET", {**SITE, "range": "bytes=0-0,3-4"}),
    ("no such range", whole, True, "GET", {**SITE, "range": "bytes=9-"}),
    ("an error of the origin", missing, False, "GET", SITE),
    ("an origin that fails", fails, False, "GET", SITE),
    ("a refusal", nothing, False, "GET", {"host": "unknown.test"}),
    ("OPTIONS of all", nothing, False, "OPTIONS *", SITE),
]


@pytest.mark.parametrize(
    ("answers", "stored", "method", "fields"), [row[1:] for row in ROWS], ids=[r[0] for r in ROWS]
)
def test_the_response_is_the_same_as_over_http1(
    answers: Callable[[Play], None], stored: bool, method: str, fields: dict[str, str]
) -> None:
    assert over_memory(answers, stored, method, fields) == over_http1(
        answers, stored, method, fields
    )


def over_http1(
    answers: Callable[[Play], None], stored: bool, method: str, fields: dict[str, str]
) -> Any:
    play = Play(Scene())
    method, _, target = method.partition(" ")
    if stored:
        play.viewer("first").asks("/a")
        answers(play)
    play.viewer().asks(target or "/a", method, **fields)
    if not stored:
        answers(play)
    got = play.viewer().got()
    assert got is not None
    assert got.whole
    kept = [(name, value) for name, value in got.head.fields if name not in OF_THE_WIRE]
    body = got.body
    play.close()
    return got.head.status, sorted(kept), anonymous(body)


def over_memory(
    answers: Callable[[Play], None], stored: bool, method: str, fields: dict[str, str]
) -> Any:
    play = Play(Scene())
    method, _, target = method.partition(" ")
    if stored:
        play.viewer("first").asks("/a")
        answers(play)
    stream = Other(play).asks(target or "/a", method, **fields)
    if not stored:
        answers(play)
    play.loop.look()
    assert stream.state == "ended"
    if stream.length is not None and method != "HEAD":
        assert stream.length == len(stream.body)
    kept = [(name, value) for name, value in stream.fields if name not in OF_THE_WIRE]
    play.close()
    return stream.status, sorted(kept), anonymous(stream.body)


def anonymous(body: bytes) -> bytes:
    """A body less the request id in our own pages."""
    before, mark, _ = body.partition(b"Request ID: ")
    return before + mark


def test_a_body_that_breaks_off_is_aborted(play: Play) -> None:
    other = Other(play)
    stream = other.asks("/v", host="site.test")
    play.origin.answers(200, None, content_length="6")
    play.origin.sends("abc")
    play.origin.breaks()
    play.loop.look()
    assert (stream.state, stream.body, stream.flushed) == ("aborted", b"abc", True)
    assert other.logged[-1][28] == b"AbortedOrigin"


def test_no_more_is_sent_than_the_viewer_takes(play: Play) -> None:
    other = Other(play)
    stream = other.asks("/v", host="site.test")
    play.origin.answers(200, None, content_length="6")
    play.origin.sends("abc")
    play.loop.look()
    assert stream.body == b"abc"
    sent = stream.send

    def fill(data: bytes | memoryview) -> None:
        sent(data)
        stream.paused = True

    stream.send = fill  # type: ignore[method-assign]
    play.origin.sends("d")
    play.loop.look()
    play.origin.sends("ef")
    play.origin.ends()
    play.loop.look()
    assert (stream.state, stream.body) == ("head", b"abcd")
    stream.paused = False
    stream.window.set()
    play.loop.look()
    assert (stream.body, stream.state) == (b"abcdef", "ended")


def test_a_viewer_that_leaves_cancels_and_is_logged(play: Play) -> None:
    other = Other(play)
    stream = other.asks("/v", host="site.test")
    play.origin.answers(200, None, content_length="6")
    play.origin.sends("abc")
    play.loop.look()
    assert other.task is not None
    other.task.cancel()
    play.loop.settle()
    assert (stream.state, other.logged[-1][28]) == ("head", b"ClientCommError")
    assert other.logged[-1][3:5] == [b"3", b"192.0.2.9"]
    play.origin.sends("def")  # the store has it all the same
    play.origin.ends()


def test_an_interim_response_comes_before_the_head(play: Play) -> None:
    stream = Other(play).asks("/v", host="site.test")
    play.origin.interim(103, link="</a.css>")
    play.loop.look()
    assert (stream.state, stream.interims) == ("begun", [103])
    play.origin.answers(200, "body")
    play.loop.look()
    assert (stream.state, stream.body) == ("ended", b"body")


@pytest.mark.parametrize(("status", "closes"), [(400, True), (403, False)])
def test_a_page_of_ours_says_where_a_connection_ends(play: Play, status: int, closes: bool) -> None:
    stream = MemoryStream(play.clock())
    writer = ResponseWriter(play.listener, stream, NOTHING_ASKED)
    writer.send_refusal(Refusal(status, "No."), play.clock())
    assert (stream.status, stream.closes, stream.state) == (status, closes, "ended")


def test_a_failed_request_is_logged_with_its_id(
    play: Play, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> None:
        raise RuntimeError("broken")

    monkeypatch.setattr(play.edge, "run", broken)
    stream = Other(play).asks("/a", host="site.test")
    assert (stream.status, stream.closes, stream.state) == (500, True, "ended")
    request_id = stream.field(b"x-amz-cf-id")
    assert request_id is not None
    assert request_id.decode() in caplog.text
