"""Streams of events: what a page gets, and what a slow, a stalled and one page more cost."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

import pytest
from starlette.exceptions import HTTPException

from edgecache.control.dashboard import live_stream
from edgecache.control.dashboard.live_stream import (
    STREAMS_MAX,
    EventPublisher,
    EventStream,
    encode_event,
)


class Page:
    """A browser's end of one stream. It reads while `reads` is set."""

    def __init__(self, publisher: EventPublisher, why_over: Callable[[], str] = str) -> None:
        self.sent: list[bytes] = []
        self.started: dict[str, Any] = {}
        self.is_over = False
        self.reads = asyncio.Event()
        self.reads.set()
        self.left = asyncio.Event()
        self.news = asyncio.Event()
        stream = EventStream(
            publisher, self.first, why_over, lambda why: encode_event("end", why.encode())
        )
        self.task = asyncio.ensure_future(stream({"method": "GET"}, self.receive, self.send))

    async def first(self) -> bytes:
        return encode_event("history", b"[]")

    async def receive(self) -> Any:
        await self.left.wait()
        return {"type": "http.disconnect"}

    async def send(self, message: Any) -> None:
        await self.reads.wait()
        if message["type"] == "http.response.start":
            self.started = {key.decode(): value.decode() for key, value in message["headers"]}
            return
        self.sent.append(message["body"])
        self.is_over = not message.get("more_body", False)
        self.news.set()

    async def has(self, count: int) -> list[bytes]:
        while len(self.sent) < count:
            self.news.clear()
            await self.news.wait()
        return self.sent


def plays(play: Callable[[], Awaitable[None]]) -> None:
    async def bounded() -> None:
        async with asyncio.timeout(20):
            await play()

    asyncio.run(bounded())


def test_a_page_gets_what_was_and_then_each_event() -> None:
    async def play() -> None:
        publisher = EventPublisher()
        publisher.publish(encode_event("state", b"old", "1"))
        page = Page(publisher)
        (begin,) = await page.has(1)
        assert begin == b"retry: 2000\n\nevent: history\ndata: []\n\n"
        assert page.started["content-type"].startswith("text/event-stream")
        assert page.started["cache-control"] == "no-store"
        assert "content-length" not in page.started
        for number in (2, 3):
            publisher.publish(encode_event("state", b"{}", str(number)))
            assert (await page.has(number))[-1] == b"event: state\nid: %d\ndata: {}\n\n" % number
        page.left.set()
        await page.task
        assert publisher.streams == 0

    plays(play)


def test_a_slow_page_misses_events_and_holds_none() -> None:
    async def play() -> None:
        publisher = EventPublisher()
        slow, quick = Page(publisher), Page(publisher)
        await slow.has(1)
        slow.reads.clear()
        for number in range(50):
            publisher.publish(encode_event("state", b"x", str(number)))
            await quick.has(number + 2)
        assert publisher.size_bytes < 300
        slow.reads.set()
        sent = await slow.has(3)
        assert len(sent) == 3
        assert sent[-1] == quick.sent[-1]
        for page in (slow, quick):
            page.left.set()
            await page.task

    plays(play)


def test_a_page_that_does_not_read_is_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live_stream, "WRITE_S_MAX", 0.01)

    async def play() -> None:
        publisher = EventPublisher()
        page = Page(publisher)
        await page.has(1)
        page.reads.clear()
        publisher.publish(b"x")
        await page.task
        assert publisher.streams == 0

    plays(play)


def test_silence_is_broken_by_a_comment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live_stream, "BEAT_S", 0.01)

    async def play() -> None:
        page = Page(EventPublisher())
        assert (await page.has(3))[1:3] == [b": beat\n\n"] * 2
        page.left.set()
        await page.task

    plays(play)


def test_a_session_that_is_over_ends_its_stream(monkeypatch: pytest.MonkeyPatch) -> None:
    over: Iterator[str] = iter(["", "", "log in again"])

    async def play() -> None:
        publisher = EventPublisher()
        page = Page(publisher, lambda: next(over))
        await page.has(1)
        for number in (2, 3):
            publisher.publish(b"x")
            await page.has(number)
        await page.task
        assert page.sent[-1] == b"event: end\ndata: log in again\n\n"
        assert page.is_over

    plays(play)


def test_the_end_of_the_process_ends_all_streams_at_once() -> None:
    """Else who restarts control waits for whoever has left a page open."""

    async def play() -> None:
        publisher = EventPublisher()
        pages = [Page(publisher) for _ in range(3)]
        for page in pages:
            await page.has(1)
        publisher.close()
        late = Page(publisher)
        for page in (*pages, late):
            await page.task
            assert page.is_over
        assert b"event: end" not in b"".join(pages[0].sent)  # the page comes back by itself

    plays(play)


def test_so_many_pages_and_the_newest_is_refused() -> None:
    async def play() -> None:
        publisher = EventPublisher()
        pages = [Page(publisher) for _ in range(STREAMS_MAX)]
        for page in pages:
            await page.has(1)
        with pytest.raises(HTTPException) as refused:
            Page(publisher)
        assert (refused.value.status_code, refused.value.headers) == (503, {"retry-after": "5"})
        pages[0].left.set()
        await pages[0].task
        another = Page(publisher)
        await another.has(1)
        for page in (*pages[1:], another):
            page.left.set()
            await page.task

    plays(play)


def test_a_look_at_the_head_opens_none() -> None:
    async def play() -> None:
        publisher = EventPublisher()
        sent: list[Any] = []

        async def send(message: Any) -> None:
            sent.append(message)

        async def first() -> bytes:
            raise AssertionError

        async def receive() -> Any:
            raise AssertionError

        await EventStream(publisher, first)({"method": "HEAD"}, receive, send)
        assert [one["type"] for one in sent] == ["http.response.start", "http.response.body"]

    plays(play)
