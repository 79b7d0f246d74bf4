"""Questions of purges to control: with the viewer's token, as a relay, and not too many."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable

import httpx
import pytest

from edgecache.cache.purge import PurgeAnswer, PurgeQuestion
from edgecache.node.control_purger import BURST, PER_S, UNDER_WAY_MAX, ControlPurger

QUESTION = PurgeQuestion("E1", "/a", "token", soft=True)


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def purger(answer: Callable[[httpx.Request], httpx.Response], clock: Clock) -> ControlPurger:
    def client() -> httpx.AsyncClient:
        return httpx.AsyncClient(base_url="http://control", transport=httpx.MockTransport(answer))

    return ControlPurger(client, clock, "1.1 edge")


@pytest.mark.parametrize("completed", [True, False])
def test_control_is_asked_with_the_viewers_token_and_no_other(completed: bool) -> None:
    heard: list[httpx.Request] = []

    def answer(request: httpx.Request) -> httpx.Response:
        heard.append(request)
        done = completed and request.method == "GET"
        status = 201 if request.method == "POST" else 200
        word = "Completed" if done else "InProgress"
        return httpx.Response(status, json={"id": "I1", "status": word, "more": 1})

    got = asyncio.run(purger(answer, Clock()).ask(QUESTION))
    assert got == PurgeAnswer(200, "I1", completed)
    assert [str(one.url) for one in heard] == [
        "http://control/invalidations", "http://control/invalidations/E1/I1?wait_s=5"
    ]  # fmt: skip
    for one in heard:
        assert one.headers["authorization"] == "Bearer token"
        assert one.headers["via"] == "1.1 edge"
    assert json.loads(heard[0].content) == {"distribution": "E1", "paths": ["/a"], "soft": True}


@pytest.mark.parametrize("status", [400, 401, 403, 404, 500])
def test_a_refusal_is_passed_on(status: int) -> None:
    def answer(_: httpx.Request) -> httpx.Response:
        return httpx.Response(status, json={"error": "no"})

    assert asyncio.run(purger(answer, Clock()).ask(QUESTION)) == PurgeAnswer(status)


def test_a_control_that_is_away_or_says_nonsense_is_silent() -> None:
    def away(_: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError("refused")

    def nonsense(_: httpx.Request) -> httpx.Response:
        return httpx.Response(201, content=b"[]")

    def forgets(request: httpx.Request) -> httpx.Response:
        if request.method == "GET":
            raise httpx.ReadError("gone")
        return httpx.Response(201, json={"id": "I1", "status": "InProgress"})

    assert asyncio.run(purger(away, Clock()).ask(QUESTION)) == PurgeAnswer(503)
    assert asyncio.run(purger(nonsense, Clock()).ask(QUESTION)) == PurgeAnswer(503)
    assert asyncio.run(purger(forgets, Clock()).ask(QUESTION)) == PurgeAnswer(200, "I1")


def test_the_rate_is_bounded() -> None:
    clock = Clock()
    asked = 0

    def answer(_: httpx.Request) -> httpx.Response:
        nonlocal asked
        asked += 1
        return httpx.Response(401)

    async def play() -> None:
        asks = purger(answer, clock)
        for _ in range(int(BURST) * 2):
            await asks.ask(QUESTION)
        assert asked == BURST
        assert await asks.ask(QUESTION) == PurgeAnswer(429)
        clock.now += 1
        for _ in range(int(BURST)):
            await asks.ask(QUESTION)
        assert asked == BURST + PER_S

    asyncio.run(play())


def test_few_ask_at_once() -> None:
    async def play() -> None:
        gate = asyncio.Event()
        waiting = 0

        class Held(httpx.AsyncBaseTransport):
            async def handle_async_request(self, _: httpx.Request) -> httpx.Response:
                nonlocal waiting
                waiting += 1
                await gate.wait()
                return httpx.Response(401)

        asks = ControlPurger(
            lambda: httpx.AsyncClient(base_url="http://control", transport=Held()),
            Clock(),
            "1.1 edge",
        )
        tasks = [asyncio.create_task(asks.ask(QUESTION)) for _ in range(2 * UNDER_WAY_MAX)]
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        assert {task.result() for task in done} == {PurgeAnswer(429)}
        gate.set()
        answers = await asyncio.gather(*tasks)
        assert answers.count(PurgeAnswer(401)) == UNDER_WAY_MAX == waiting

    asyncio.run(play())
