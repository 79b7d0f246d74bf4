"""Origin groups as an upstream: each trigger, each way on, and what is remembered."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from msgspec.structs import replace

from edgecache.config.lambda_functions import LambdaEvent
from edgecache.config.model import (
    Behavior,
    Config,
    Distribution,
    LambdaFunctionAssociation,
    Origin,
    OriginGroup,
)
from edgecache.http.message import Request, Response
from edgecache.observe.counters import Counters
from edgecache.rules.routing import Route, compile_routes, route
from edgecache.upstream.faults import Fault, UpstreamError
from edgecache.upstream.interface import Call, Reply, WholeBody
from edgecache.upstream.origin_group import GroupUpstream

Answer = int | Fault
EVERY = (400, 403, 404, 416, 429, 500, 502, 503, 504)


class Members:
    """Origins that answer as told: a status, or a fault."""

    def __init__(self, **answers: Answer) -> None:
        self.answers = answers
        self.asked: list[str] = []
        self.calls: list[Call] = []
        self.bodies: list[WholeBody] = []

    async def fetch(self, call: Call) -> Reply:
        name = call.route.origin.id
        self.asked.append(name)
        self.calls.append(call)
        answer = self.answers[name]
        if isinstance(answer, Fault):
            raise UpstreamError(answer, name)
        self.bodies.append(WholeBody(name.encode()))
        return Reply(Response(answer, b"", ()), self.bodies[-1])


class World:
    """A group of `first` and `second`, with a clock moved by hand."""

    def __init__(self, members: Members, codes: tuple[int, ...] = EVERY, **group: Any) -> None:
        self.now = 1_000.0
        self.members = members
        self.counters = Counters()
        self.unhealthy: set[str] = set()
        self.upstream = GroupUpstream(
            members, lambda: self.now, self.counters, unhealthy=lambda: self.unhealthy
        )
        self.route = on(codes, **group)

    def ask(self, method: bytes = b"GET", body: WholeBody | None = None) -> str:
        """Who answered, and with what; or the fault that was raised."""
        request = Request(method, b"/", None, (), length=0 if body is None else body.length)

        async def fetched() -> Reply:
            return await self.upstream.fetch(Call(request, self.route, body))

        try:
            reply = asyncio.run(fetched())
        except UpstreamError as error:
            return str(error.fault)
        return f"{reply.body.read_nowait()!r} {reply.head.status}".strip("b")

    @property
    def asked(self) -> str:
        asked, self.members.asked = self.members.asked, []
        return " ".join(asked)


def on(codes: tuple[int, ...], target: str = "g", **group: Any) -> Route:
    distribution = Distribution(
        id="E",
        origins=tuple(Origin(id=name, domain_name=f"{name}.test") for name in ("first", "second")),
        origin_groups=(
            OriginGroup(id="g", members=("first", "second"), status_codes=codes, **group),
        ),
        default_behavior=Behavior(origin=target),
    )
    return route(compile_routes(Config(distributions=(distribution,))).by_id["E"], b"/")


@pytest.mark.parametrize(
    ("first", "codes", "over"),
    [
        (200, EVERY, False),
        (304, EVERY, False),
        (404, EVERY, True),
        (404, (500,), False),
        (500, (500,), True),
        (501, EVERY, False),
        (Fault.REFUSED, (503,), True),
        (Fault.NAME, (503,), True),
        (Fault.TLS, (503,), True),
        (Fault.CONNECT_TIMEOUT, (503,), True),
        (Fault.CONNECT_TIMEOUT, (504,), False),
        (Fault.BUSY, (503,), True),
        (Fault.REFUSED, (500, 502, 504), False),
        (Fault.RESPONSE_TIMEOUT, (504,), True),
        (Fault.RESPONSE_TIMEOUT, (503,), False),
        (Fault.CLOSED, (502,), True),
        (Fault.MALFORMED, (502,), True),
        (Fault.HEAD_TOO_BIG, (503,), False),
        (Fault.LOOP, EVERY, False),
    ],
)
def test_what_sends_a_request_to_the_second(
    first: Answer, codes: tuple[int, ...], over: bool
) -> None:
    world = World(Members(first=first, second=200), codes)
    got = world.ask()
    assert world.asked == ("first second" if over else "first")
    assert world.counters.failovers == int(over)
    if over:
        assert got == "'second' 200"
    else:
        assert got == (str(first) if isinstance(first, Fault) else f"'first' {int(first)}")


def test_a_response_passed_over_is_closed() -> None:
    world = World(Members(first=503, second=200))
    world.ask()
    assert world.members.bodies[0].read_nowait() == b""


@pytest.mark.parametrize(
    ("second", "got"), [(404, "'second' 404"), (503, "'second' 503"), (Fault.REFUSED, "refused")]
)
def test_when_both_failed_the_second_is_what_the_viewer_gets(second: Answer, got: str) -> None:
    world = World(Members(first=Fault.RESPONSE_TIMEOUT, second=second))
    assert got in world.ask()
    assert world.asked == "first second"


@pytest.mark.parametrize("method", [b"POST", b"PUT", b"PATCH", b"DELETE"])
def test_other_methods_go_to_the_first_alone(method: bytes) -> None:
    world = World(Members(first=503, second=200))
    assert world.ask(method) == "'first' 503"
    assert world.asked == "first"


@pytest.mark.parametrize("method", [b"HEAD", b"OPTIONS"])
def test_safe_methods_fail_over(method: bytes) -> None:
    world = World(Members(first=503, second=200))
    assert world.ask(method) == "'second' 200"


def test_a_request_with_a_body_is_sent_but_once() -> None:
    world = World(Members(first=503, second=200))
    assert world.ask(b"OPTIONS", WholeBody(b"x")) == "'first' 503"


def test_a_route_without_a_group_is_asked_as_it_is() -> None:
    world = World(Members(first=503, second=200), target="second")
    assert world.ask() == "'second' 200"
    assert world.members.calls[0].route is world.route


def test_cloudfront_remembers_nothing() -> None:
    world = World(Members(first=503, second=200))
    for _ in range(3):
        world.ask()
        assert world.asked == "first second"


def test_with_memory_the_second_is_asked_first_for_a_while() -> None:
    world = World(Members(first=503, second=200), remember_s=10)
    steps: list[tuple[float, str]] = [(0, "first second"), (0, "second"), (9.9, "second")]
    steps += [(0.1, "first second"), (5, "second")]
    for later, asked in steps:
        world.now += later
        assert world.ask() == "'second' 200"
        assert world.asked == asked


def test_when_the_second_fails_meanwhile_the_first_is_asked_and_preferred_again() -> None:
    world = World(Members(first=503, second=200), remember_s=10)
    world.ask()
    world.members.answers = {"first": 200, "second": Fault.REFUSED}
    assert world.ask() == "'first' 200"
    assert world.asked == "first second second first"
    assert world.ask() == "'first' 200"
    assert world.asked == "first"


def test_two_failures_are_no_reason_to_prefer_either() -> None:
    world = World(Members(first=503, second=503), remember_s=10)
    for _ in range(2):
        world.ask()
        assert world.asked == "first second"


@pytest.mark.parametrize(
    ("unhealthy", "first", "second", "asked", "answer"),
    [
        ("", 200, 200, "first", "'first' 200"),
        ("one", 200, 200, "second", "'second' 200"),
        ("two", 200, 200, "first", "'first' 200"),
        ("one two", 200, 200, "first", "'first' 200"),
        ("one", 200, 500, "second first", "'first' 200"),
        ("one", 500, 500, "second first", "'first' 500"),
        ("another", 200, 200, "first", "'first' 200"),
    ],
)
def test_a_member_whose_health_check_is_not_healthy_is_asked_last(
    unhealthy: str, first: int, second: int, asked: str, answer: str
) -> None:
    world = World(Members(first=first, second=second))
    checked = {"first": "one", "second": "two"}
    origins = tuple(replace(one, health_check=checked[one.id]) for one in world.route.origins)
    world.route = replace(world.route, origins=origins)
    world.unhealthy = set(unhealthy.split())
    assert world.ask() == answer
    assert world.asked == asked
    world.ask(b"POST")
    assert world.asked == "first"


def test_what_is_remembered_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("edgecache.upstream.origin_group.GROUPS_MAX", 1)
    world = World(Members(first=503, second=200), remember_s=10)
    mine = world.route
    world.ask()
    world.route = other(mine)
    world.ask()
    world.route = mine
    world.ask()
    assert world.asked == "first second first second first second"


def other(found: Route) -> Route:
    """The same in another distribution: what is remembered of one is nothing to the other."""
    behavior = found.behavior
    return replace(
        found, distribution=Distribution(id="F", origins=found.origins, default_behavior=behavior)
    )


@pytest.mark.parametrize("target", ["g", "first"])
def test_a_route_with_functions_of_origins_is_refused_where_none_is_run(target: str) -> None:
    world = World(Members(first=200, second=200))
    plain = on(EVERY, target)
    refused: tuple[LambdaEvent, str] = ("origin-request", "lambda-execution")
    served: tuple[LambdaEvent, str] = ("viewer-request", "'first' 200")
    for event, said in (refused, served):
        association = LambdaFunctionAssociation(event_type=event, function_arn="")
        world.route = replace(plain, lambdas={event: association})
        assert world.ask() == said
