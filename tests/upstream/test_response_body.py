"""Bodies on their way in: bounded, in order, and never ended by mistake."""

from __future__ import annotations

import asyncio

import pytest

from edgecache.upstream.faults import Fault, UpstreamError
from edgecache.upstream.response import BUFFER_BYTES_MAX, ResponseBody


class Source:
    def __init__(self) -> None:
        self.told: list[str] = []

    def pause(self) -> None:
        self.told.append("pause")

    def resume(self) -> None:
        self.told.append("resume")

    def abandon(self) -> None:
        self.told.append("abandon")


def test_a_whole_body_is_read_without_waiting() -> None:
    body = ResponseBody(5, Source())
    body.push([b"hel", b"lo"])
    body.end()
    assert [body.read_nowait(), body.read_nowait(), body.read_nowait()] == [b"hello", b"", b""]


def test_nothing_yet_is_none() -> None:
    assert ResponseBody(None, Source()).read_nowait() is None


def test_what_came_before_a_fault_is_read_before_it() -> None:
    body = ResponseBody(None, Source())
    body.push([b"a"])
    body.end(UpstreamError(Fault.TRUNCATED, "a.test:80"))
    body.end()
    assert body.read_nowait() == b"a"
    for _ in range(2):
        with pytest.raises(UpstreamError) as broken:
            body.read_nowait()
        assert broken.value.fault is Fault.TRUNCATED


def test_the_source_pauses_above_the_bound_and_resumes_below_half() -> None:
    source = Source()
    body = ResponseBody(None, source)
    piece = b"x" * (BUFFER_BYTES_MAX // 4)
    for _ in range(5):
        body.push([piece])
    assert source.told == ["pause"]
    for left in (4, 3, 2):
        body.read_nowait()
        assert source.told == ["pause"], left
    body.read_nowait()
    assert source.told == ["pause", "resume"]


def test_a_reader_is_woken_by_bytes_and_by_the_end() -> None:
    async def main() -> None:
        body = ResponseBody(None, Source())
        loop = asyncio.get_running_loop()
        loop.call_soon(body.push, [b"a"])
        assert await body.read() == b"a"
        loop.call_soon(body.end)
        assert await body.read() == b""

    asyncio.run(main())


def test_closing_abandons_the_source_once() -> None:
    source = Source()
    body = ResponseBody(None, source)
    body.close()
    body.close()
    assert source.told == ["abandon"]


def test_closing_after_the_end_leaves_the_connection_alone() -> None:
    source = Source()
    body = ResponseBody(1, source)
    body.push([b"a"])
    body.end()
    body.close()
    assert source.told == []


@pytest.mark.parametrize("ended", [False, True])
def test_a_closed_body_is_never_taken_for_a_whole_one(ended: bool) -> None:
    body = ResponseBody(None, Source())
    body.push([b"a"])
    if ended:
        body.end()
    body.close()
    with pytest.raises(UpstreamError):
        body.read_nowait()
