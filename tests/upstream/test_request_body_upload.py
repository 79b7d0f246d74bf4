"""Bodies before they go out: what is waited for, and that nothing of them is lost."""

from __future__ import annotations

import asyncio

import pytest

from edgecache.upstream.faults import Fault, UpstreamError
from edgecache.upstream.request_body import START_BYTES, BegunBody, WatchedBody, read_start
from edgecache.upstream.response import ResponseBody
from tests.upstream.loopback import Run, turn


class Source:
    """Takes what a body says to its connection."""

    def __init__(self) -> None:
        self.abandoned = 0

    def pause(self) -> None:
        pass

    def resume(self) -> None:
        pass

    def abandon(self) -> None:
        self.abandoned += 1


@pytest.mark.parametrize("length", [None, 3])
def test_a_small_body_is_waited_for_whole(length: int | None, run: Run) -> None:
    async def main() -> None:
        body = ResponseBody(length, Source())
        task = asyncio.ensure_future(read_start(body))
        for piece in (b"a", b"b"):
            body.push([piece])
            await turn()
            assert not task.done()
        body.push([b"c"])
        body.end()
        found = await task
        assert (found.whole, found.length) == (True, length)
        assert [await found.read(), await found.read()] == [b"abc", b""]

    run(main())


@pytest.mark.parametrize("length", [None, 10 * START_BYTES])
def test_of_a_large_one_the_first_bytes_are_enough(length: int | None, run: Run) -> None:
    async def main() -> None:
        body = ResponseBody(length, Source())
        task = asyncio.ensure_future(read_start(body))
        body.push([b"x" * (START_BYTES - 1)])
        await turn()
        assert not task.done()
        body.push([b"y"])
        found = await task
        assert not found.whole
        assert await read_start(found) is found
        assert await found.read() == b"x" * (START_BYTES - 1) + b"y"
        assert found.read_nowait() is None
        body.push([b"z"])
        assert await found.read() == b"z"

    run(main())


def test_one_that_breaks_is_told_of(run: Run) -> None:
    async def main() -> None:
        body = ResponseBody(9, Source())
        body.push([b"x"])
        body.end(UpstreamError(Fault.TRUNCATED, "viewer"))
        with pytest.raises(UpstreamError, match="truncated"):
            await read_start(body)

    run(main())


def test_it_is_told_once_that_a_body_is_over(run: Run) -> None:
    async def main() -> None:
        told: list[str] = []
        source = Source()
        body = ResponseBody(None, source)
        watched = WatchedBody(BegunBody(body, b"a", whole=False), lambda: told.append("over"))
        assert [watched.read_nowait(), watched.read_nowait()] == [b"a", None]
        assert told == []
        body.end()
        assert await watched.read() == b""
        watched.close()
        watched.over()
        assert told == ["over"]

    run(main())


def test_a_closed_one_is_over(run: Run) -> None:
    async def main() -> None:
        told: list[str] = []
        source = Source()
        WatchedBody(ResponseBody(None, source), lambda: told.append("over")).close()
        assert (told, source.abandoned) == (["over"], 1)

    run(main())
