"""An origin's time: attempts after one that answered nothing, and a bound on the whole answer."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any, cast

import pytest

from edgecache.config.model import Behavior, Distribution, Origin
from edgecache.http.message import Request, Response
from edgecache.rules.routing import Route
from edgecache.rules.semantics import SEMANTICS
from edgecache.upstream.endpoint import Endpoint, WireRequest
from edgecache.upstream.faults import Fault, UpstreamError
from edgecache.upstream.interface import Body, Call, Reply, WholeBody
from edgecache.upstream.origin import OriginUpstream
from edgecache.upstream.pool import Pool
from tests.world.clock import FakeClock, FakeLoop
from tests.world.origin import HeldBody


class Stage:
    """A pool that does what the test says, on a loop whose time the test sets."""

    def __init__(self) -> None:
        self.clock = FakeClock()
        self.loop = FakeLoop(self.clock)
        self.tries = 0
        self.faults: list[Fault] = []
        self.body: Body | None = WholeBody(b"whole")  # None: no head ever comes
        self.held: list[asyncio.Future[Reply]] = []

    async def send(self, _endpoint: Endpoint, _outgoing: WireRequest) -> Reply:
        self.tries += 1
        if self.faults:
            raise UpstreamError(self.faults.pop(0), "origin.test")
        if self.body is None:
            self.held.append(self.loop.create_future())
            return await self.held[-1]
        return Reply(Response(200, b"", ()), self.body)

    def asks(self, method: bytes = b"GET", semantics: Any = "cloudfront", **origin: Any) -> Any:
        """A task that fetches."""
        made = Origin(**{"id": "o", "domain_name": "origin.test", **origin})
        behavior = Behavior(origin="o")
        distribution = Distribution(
            id="E", origins=(made,), default_behavior=behavior, semantics=semantics
        )
        request = Request(method, b"/", None, ((b"host", b"origin.test"),))
        upstream = OriginUpstream(cast(Pool, self))
        route = Route(distribution, behavior, made, SEMANTICS[semantics])
        return self.does(upstream.fetch(Call(request, route)))

    def does(self, work: Any) -> Any:
        task = self.loop.create_task(work)
        self.loop.settle()
        return task

    def advance(self, seconds: float) -> None:
        self.clock.now += seconds
        self.loop.settle()


@pytest.fixture
def stage() -> Iterator[Stage]:
    made = Stage()
    asyncio.set_event_loop(made.loop)
    yield made
    made.loop.close()
    asyncio.set_event_loop(None)


def fault_of(task: Any) -> Fault:
    error = task.exception()
    assert isinstance(error, UpstreamError)
    return error.fault


@pytest.mark.parametrize(
    ("method", "semantics", "fault", "attempts", "tries"),
    [
        (b"GET", "cloudfront", Fault.RESPONSE_TIMEOUT, 3, 3),
        (b"HEAD", "cloudfront", Fault.RESPONSE_TIMEOUT, 2, 2),
        (b"GET", "cloudfront", Fault.RESPONSE_TIMEOUT, 1, 1),
        (b"POST", "cloudfront", Fault.RESPONSE_TIMEOUT, 3, 1),
        (b"OPTIONS", "cloudfront", Fault.RESPONSE_TIMEOUT, 3, 1),
        (b"GET", "rfc9111", Fault.RESPONSE_TIMEOUT, 3, 1),
        (b"GET", "cloudfront", Fault.CLOSED, 3, 2),  # without a word
        (b"GET", "cloudfront", Fault.MALFORMED, 3, 1),
    ],
)
def test_who_is_asked_again_after_silence(
    stage: Stage, method: bytes, semantics: str, fault: Fault, attempts: int, tries: int
) -> None:
    stage.faults = [fault] * 4
    task = stage.asks(method, semantics, connection_attempts=attempts)
    assert fault_of(task) is fault
    assert stage.tries == tries


def test_an_attempt_that_answers_is_the_last(stage: Stage) -> None:
    stage.faults = [Fault.RESPONSE_TIMEOUT]
    assert stage.asks().result().head.status == 200
    assert stage.tries == 2


def test_a_head_that_does_not_come_in_time(stage: Stage) -> None:
    stage.body = None
    task = stage.asks(completion_timeout_s=40, connection_attempts=1)
    stage.advance(39)
    assert not task.done()
    stage.advance(2)
    assert fault_of(task) is Fault.RESPONSE_TIMEOUT
    assert stage.held[0].cancelled()


def test_a_body_that_does_not_end_in_time(stage: Stage) -> None:
    held = stage.body = HeldBody(None)
    body = stage.asks(completion_timeout_s=40).result().body
    held.put(b"a")
    assert stage.does(body.read()).result() == b"a"
    stage.advance(39)
    reading = stage.does(body.read())
    held.put(b"b")
    stage.loop.settle()
    assert reading.result() == b"b"
    reading = stage.does(body.read())
    stage.advance(2)
    assert fault_of(reading) is Fault.TRUNCATED
    assert held.closed


def test_what_came_in_time_is_read_at_any_time(stage: Stage) -> None:
    held = stage.body = HeldBody(2)
    body = stage.asks(completion_timeout_s=40).result().body
    assert body.length == 2
    for piece in (b"a", b"b", b""):
        held.put(piece)
    stage.advance(1_000)
    assert [stage.does(body.read()).result() for _ in range(3)] == [b"a", b"b", b""]


def test_without_a_bound_there_is_none(stage: Stage) -> None:
    held = stage.body = HeldBody(None)
    body = stage.asks().result().body
    assert body is held
