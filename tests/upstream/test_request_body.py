"""Bodies on their way out: framed by us, and no faster than they are taken."""

from __future__ import annotations

import asyncio

import pytest

from edgecache.http.framing import ChunkedReader
from edgecache.http.message import HeadLimits
from edgecache.upstream.interface import WholeBody
from edgecache.upstream.request_body import WrongLengthError, upload
from edgecache.upstream.response import ResponseBody


class Wire:
    """A sink that takes one write at a time."""

    def __init__(self) -> None:
        self.sent = b""
        self.waits: list[bool] = []
        self.full = False

    def write(self, data: bytes) -> None:
        assert not self.full, "written before it was writable"
        self.sent += data
        self.full = True

    async def writable(self) -> None:
        self.full = False

    def expect_upload(self, waiting: bool) -> None:
        self.waits.append(waiting)

    def pause(self) -> None: ...
    def resume(self) -> None: ...
    def abandon(self) -> None: ...


def test_a_known_length_goes_raw() -> None:
    wire = Wire()
    asyncio.run(upload(WholeBody(b"hello"), wire))
    assert wire.sent == b"hello"
    assert wire.waits == []


def test_an_unknown_length_goes_in_our_chunks() -> None:
    wire = Wire()

    async def main() -> None:
        body = ResponseBody(None, wire)
        body.push([b"hello"])
        loop = asyncio.get_running_loop()
        loop.call_soon(body.push, [b" world"])
        loop.call_soon(body.end)
        await upload(body, wire)

    asyncio.run(main())
    reader = ChunkedReader(HeadLimits())
    assert b"".join(reader.feed(wire.sent)) == b"hello world"
    assert reader.done
    assert wire.waits == [True, False]


@pytest.mark.parametrize("length", [4, 6])
def test_a_body_that_is_not_as_long_as_it_said_is_not_sent_on(length: int) -> None:
    wire = Wire()
    body = WholeBody(b"hello")
    body.length = length
    with pytest.raises(WrongLengthError):
        asyncio.run(upload(body, wire))
    assert len(wire.sent) <= length
