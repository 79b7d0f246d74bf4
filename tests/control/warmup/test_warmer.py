"""Warming: each URL at each place, within the rate and the number at a time, and what stayed."""

from __future__ import annotations

import asyncio
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

import httpx
import pytest

from edgecache.control.warmup.warmer import (
    FAILURES_MAX,
    Warmer,
    WarmPlace,
    WarmReport,
    WarmSettings,
)


async def turn() -> None:
    """Let the others run."""
    loop = asyncio.get_running_loop()
    turned: asyncio.Future[None] = loop.create_future()
    loop.call_soon(turned.set_result, None)
    await turned


def answered(status: int, headers: dict[str, str], body: bytes = b"") -> httpx.Response:
    """An answer whose body is still to be read."""
    return httpx.Response(status, headers=headers, stream=httpx.ByteStream(body))


@dataclass
class CountingCache:
    """Locations that keep what they were asked for, and the origin behind them."""

    stores: set[tuple[str, str]] = field(default_factory=set)
    asked: Counter[str] = field(default_factory=Counter)  # by place
    at_origin: list[float] = field(default_factory=list)  # when it was asked
    times: list[float] = field(default_factory=list)
    at_once: int = 0
    most_at_once: int = 0
    now: float = 100.0

    async def answer(self, request: httpx.Request) -> httpx.Response:
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        await turn()
        self.at_once -= 1
        place, path = request.url.netloc.decode(), request.url.path
        self.asked[place] += 1
        self.times.append(self.now)
        if path == "/broken":
            return answered(503, {})
        if (place, path) in self.stores:
            return answered(200, {"x-cache": "Hit from edgecache"})
        self.at_origin.append(self.now)
        if path != "/private":
            self.stores.add((place, path))
        said = {"x-cache": "Miss from edgecache", "cache-status": "LHR50; fwd=miss; detail=absent"}
        return answered(200, said, b"" if request.method == "HEAD" else b"12")

    async def pause(self, seconds: float) -> None:
        self.now += seconds
        await turn()


def warmed(cache: CountingCache, urls: list[str], **settings: Any) -> WarmReport:
    async def run() -> WarmReport:
        async with httpx.AsyncClient(transport=httpx.MockTransport(cache.answer)) as client:
            warmer = Warmer(client, WarmSettings(**settings), lambda: cache.now, cache.pause)
            return await warmer.warm(urls)

    return asyncio.run(run())


def urls(count: int) -> list[str]:
    return [f"https://www.example.org/{one}" for one in range(count)]


def test_what_was_missed_is_filled_and_the_next_time_a_hit() -> None:
    cache = CountingCache()
    report = warmed(cache, urls(5))
    assert report.counts == {"hit": 0, "filled": 5, "stayed": 0, "failed": 0}
    assert (report.requests, report.octets, len(cache.at_origin)) == (10, 10, 5)
    again = warmed(cache, urls(5))
    assert (again.counts["hit"], again.requests, len(cache.at_origin)) == (5, 5, 5)


def test_every_place_is_asked_by_the_name_of_the_url() -> None:
    cache = CountingCache()
    warmed(
        cache,
        urls(3),
        places=(WarmPlace(https="127.0.0.1:1"), WarmPlace(https="127.0.0.1:2")),
        looks_again=False,
    )
    assert cache.asked == {"127.0.0.1:1": 3, "127.0.0.1:2": 3}


def test_a_miss_that_stayed_is_told_with_its_reason() -> None:
    report = warmed(CountingCache(), ["https://www.example.org/private"])
    assert report.counts["stayed"] == 1
    assert report.stayed == ["https://www.example.org/private: LHR50; fwd=miss; detail=absent"]


@pytest.mark.parametrize(("rate", "at_a_time"), [(10.0, 4), (1.0, 1), (100.0, 16)])
def test_no_faster_and_no_more_at_a_time_than_is_said(rate: float, at_a_time: int) -> None:
    cache = CountingCache()
    report = warmed(cache, urls(40), rate_per_s=rate, at_a_time_max=at_a_time)
    assert report.requests == 80
    assert cache.now - 100 >= 79 / rate - 1e-6
    assert cache.most_at_once <= at_a_time


def test_who_is_refused_again_and_again_stops() -> None:
    cache = CountingCache()
    report = warmed(cache, ["https://www.example.org/broken"] * 1_000, at_a_time_max=1)
    assert report.is_stopped
    assert report.counts["failed"] == FAILURES_MAX == report.requests
    assert report.failed[0] == "https://www.example.org/broken: status 503"


def test_a_connection_that_fails_is_a_failure() -> None:
    def refused(request: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError("refused")

    cache = CountingCache()
    cache.answer = refused  # type: ignore[assignment, method-assign]
    assert warmed(cache, urls(1)).failed == ["https://www.example.org/0: refused"]
