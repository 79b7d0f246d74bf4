"""The way of a node to every control: what stands where a node has its httpx client."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

import httpx
import msgspec

from tests.simulation.links import Links, Pipe
from tests.simulation.machine import Process


class Listening(Protocol):
    """A control that listens."""

    process: Process

    def hear(self, question: Question, answer: Callable[[httpx.Response], None]) -> None: ...


@dataclass(frozen=True, slots=True)
class Question:
    """One HTTP request to control."""

    method: str
    path: str
    query: bytes
    headers: dict[str, str]
    content: bytes

    def scope(self) -> dict[str, Any]:
        """As an ASGI server tells it."""
        headers = {"host": "127.0.0.1:8090", **self.headers}
        return {
            "type": "http",
            "asgi": {"version": "3.0"},
            "http_version": "1.1",
            "method": self.method,
            "scheme": "http",
            "path": self.path,
            "raw_path": self.path.encode(),
            "query_string": self.query,
            "root_path": "",
            "headers": [(name.encode(), value.encode()) for name, value in headers.items()],
            "client": ("127.0.0.1", 1),
            "server": ("127.0.0.1", 8090),
        }


class ControlLine:
    """Stands where a node has its httpx client, whose parsing of URLs would take half of all time:
    carries questions to whichever control runs at `place` when they arrive."""

    def __init__(
        self,
        links: Links,
        process: Process,
        place: str,
        find: Callable[[str], Listening | None],
        told: set[str],
    ) -> None:
        """`told` takes the ids of invalidations that have come over it."""
        self.place = place
        self._told = told
        self._links = links
        self._process = process
        self._find = find

    async def get(
        self,
        target: str,
        *,
        headers: dict[str, str],
        timeout: float,  # noqa: ASYNC109
    ) -> httpx.Response:
        path, _, query = target.partition("?")
        return await self._ask(Question("GET", path, query.encode(), headers, b""), timeout)

    async def post(
        self,
        target: str,
        *,
        headers: dict[str, str],
        timeout: float,  # noqa: ASYNC109
        content: bytes = b"",
    ) -> httpx.Response:
        path, _, query = target.partition("?")
        return await self._ask(Question("POST", path, query.encode(), headers, content), timeout)

    async def _ask(self, question: Question, timeout_s: float) -> httpx.Response:
        future: asyncio.Future[httpx.Response] = self._process.create_future()
        twice = question.method == "GET" and self._links.twice()
        for _ in range(2 if twice else 1):
            there = Pipe(self._links, self._process.name, self.place, None)
            there.send(self._arrive, question, future)
        try:
            async with asyncio.timeout(timeout_s):
                answer = await future
        except TimeoutError:
            raise httpx.ReadTimeout("silent") from None
        if b'"items"' in answer.content:
            entries = msgspec.json.decode(answer.content)["entries"]
            self._told.update(entry["body"].get("id", "") for entry in entries)
        return answer

    def _arrive(self, question: Question, future: asyncio.Future[httpx.Response]) -> None:
        own, plane = self._process, self._find(self.place)
        back = Pipe(self._links, self.place, own.name, own)
        if plane is None:
            back.send(_fail, future)
            return
        process = plane.process

        def reset() -> None:
            back.send(_fail, future)

        def answer(response: httpx.Response) -> None:
            process.at_end.remove(reset)
            back.send(_succeed, future, response)

        process.at_end.append(reset)
        self._links.machine.at(self._links.machine.now, process, plane.hear, question, answer)


def _succeed(future: asyncio.Future[httpx.Response], response: httpx.Response) -> None:
    if not future.done():
        future.set_result(response)


def _fail(future: asyncio.Future[httpx.Response]) -> None:
    if not future.done():
        future.set_exception(httpx.ReadError("reset"))
