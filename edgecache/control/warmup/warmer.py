"""Requests that warm caches up, within a rate and a number at a time.

Law: an origin is asked no faster than it may be: every request counts, those that look whether a
miss has stayed, too; the places of a URL are asked one after another, so that a cache that they
share asks once; who is refused again and again stops.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Literal, NamedTuple
from urllib.parse import urlsplit

import httpx

FAILURES_MAX = 20  # in succession: then it is the origin, and asking goes on no more
KEPT_MAX = 1_000  # of misses that stayed, and of failures, that are told
Word = Literal["hit", "filled", "stayed", "failed"]


class WarmPlace(NamedTuple):
    """A cache to ask: HOST:PORT by scheme, empty where it does not speak that."""

    http: str = ""
    https: str = ""

    def of(self, url: str) -> str:
        """Where a URL is asked for."""
        return self.https if url.startswith("https:") else self.http

    def __str__(self) -> str:
        return self.http or self.https


@dataclass(frozen=True, slots=True)
class WarmSettings:
    """How caches are asked: at `places`, empty: each URL's own host."""

    places: tuple[WarmPlace, ...] = ()
    rate_per_s: float = 10.0
    at_a_time_max: int = 4
    headers: Mapping[str, str] = field(default_factory=dict)
    looks_again: bool = True


@dataclass(slots=True)
class WarmReport:
    """What became of URLs at places: counts by word, and the first that stayed or failed."""

    counts: dict[Word, int] = field(
        default_factory=lambda: {"hit": 0, "filled": 0, "stayed": 0, "failed": 0}
    )
    requests: int = 0
    octets: int = 0
    stayed: list[str] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)
    is_stopped: bool = False

    @property
    def done(self) -> int:
        return sum(self.counts.values())


class Warmer:
    """Asks for URLs; one for each report. `now` and `pause` are of the loop's clock, in seconds."""

    def __init__(
        self,
        client: httpx.AsyncClient,
        settings: WarmSettings,
        now: Callable[[], float],
        pause: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._client = client
        self._settings = settings
        self._now, self._pause = now, pause
        self._next_at = 0.0
        self._in_succession = 0
        self.report = WarmReport()

    async def warm(self, urls: Iterable[str]) -> WarmReport:
        """Ask for each URL at each place."""
        waiting = iter(urls)
        workers = (self._work(waiting) for _ in range(self._settings.at_a_time_max))
        await asyncio.gather(*workers)
        return self.report

    async def _work(self, waiting: Iterable[str]) -> None:
        for url in waiting:
            for place in self._settings.places or (None,):
                if self.report.is_stopped:
                    return
                await self._warm_at(url, place)

    async def _warm_at(self, url: str, place: WarmPlace | None) -> None:
        there = "" if place is None else place.of(url)
        at = "" if place is None else f" at {there or place}"
        try:
            if place is not None and not there:
                raise httpx.ConnectError("it does not listen for that scheme")
            word, why = await self._asked(url, there)
        except httpx.HTTPError as error:
            word, why = "failed", str(error) or type(error).__name__
        self.report.counts[word] += 1
        kept = {"stayed": self.report.stayed, "failed": self.report.failed}.get(word)
        if kept is not None and len(kept) < KEPT_MAX:
            kept.append(f"{url}{at}: {why}")
        self._in_succession = self._in_succession + 1 if word == "failed" else 0
        self.report.is_stopped |= self._in_succession >= FAILURES_MAX

    async def _asked(self, url: str, place: str) -> tuple[Word, str]:
        """What became of a URL at a place, and why."""
        answer = await self._request("GET", url, place)
        if answer.status_code >= 400 or answer.status_code in (301, 302, 303, 307, 308):
            return "failed", f"status {answer.status_code}"
        if _is_hit(answer):
            return "hit", ""
        if not self._settings.looks_again:
            return "filled", ""
        again = await self._request("HEAD", url, place)
        return ("filled", "") if _is_hit(again) else ("stayed", _reason(again))

    async def _request(self, method: str, url: str, place: str) -> httpx.Response:
        """Ask when the rate lets it; the body is read and forgotten."""
        await self._turn()
        parts = urlsplit(url)
        target = parts._replace(netloc=place or parts.netloc, fragment="").geturl()
        headers = {**self._settings.headers, "host": parts.netloc}
        names = {"sni_hostname": parts.hostname} if parts.scheme == "https" else {}
        self.report.requests += 1
        async with self._client.stream(method, target, headers=headers, extensions=names) as answer:
            async for piece in answer.aiter_raw():
                self.report.octets += len(piece)
        return answer

    async def _turn(self) -> None:
        now = self._now()
        at = max(now, self._next_at)
        self._next_at = at + 1 / self._settings.rate_per_s
        if at > now:
            await self._pause(at - now)


def _is_hit(answer: httpx.Response) -> bool:
    """Whether a cache gave it: CloudFront's word for it, and ours."""
    said = str(answer.headers.get("x-cache", ""))
    return said.lower().startswith(("hit", "refreshhit"))


def _reason(answer: httpx.Response) -> str:
    """Why it is a miss still, by the last member of Cache-Status (RFC 9211)."""
    last = answer.headers.get("cache-status", "").rpartition(",")[2]
    return last.strip() or f"x-cache: {answer.headers.get('x-cache', 'none')}"
