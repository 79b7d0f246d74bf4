"""Health checks over the REST API: all with their status, one with what each location says."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import httpx
import pytest
from starlette.applications import Starlette

from edgecache.cluster.tokens import Tokens
from edgecache.config.health_checks import HealthCheck
from edgecache.control.rest.health_checks import endpoint, health_check_handlers
from edgecache.control.rest.routes import starlette_routes
from tests.control.nodes.test_health_checks import BEGAN, Control

WEB = HealthCheck(id="web", type="HTTP", host="a.test", path="/up")
ANY = HealthCheck(id="any", type="CALCULATED", children=("web",), inverted=True)


@pytest.fixture
def control() -> Control:
    made = Control(WEB, ANY)
    made.hears("A", web=False)
    made.says()
    return made


@pytest.fixture
def asked(control: Control) -> Callable[[str], httpx.Response]:
    handlers = health_check_handlers(control.statuses, Tokens(["k" * 32], lambda: 0.0))
    app = Starlette(routes=starlette_routes(handlers))

    def ask(path: str, client: str = "127.0.0.1") -> httpx.Response:
        async def answer() -> httpx.Response:
            transport = httpx.ASGITransport(app, client=(client, 5))
            async with httpx.AsyncClient(transport=transport, base_url="http://c") as made:
                return await made.get(path)

        return asyncio.run(answer())

    return ask


def test_all_are_listed_by_id(asked: Callable[[str], httpx.Response]) -> None:
    found = asked("/health-checks").json()["health_checks"]
    assert [(one["id"], one["healthy"], one["endpoint"]) for one in found] == [
        ("any", True, "1 of web"),
        ("web", False, "a.test:80/up"),
    ]
    assert (found[0]["inverted"], found[0]["percent_healthy"]) == (True, None)
    assert (found[1]["type"], found[1]["percent_healthy"]) == ("HTTP", 0.0)


def test_one_tells_who_says_what_and_what_has_changed(
    asked: Callable[[str], httpx.Response],
) -> None:
    found = asked("/health-checks/web").json()
    assert found["health_check"]["healthy"] is False
    (checker,) = found["checkers"]
    assert (checker["checker"], checker["healthy"]) == ("edge-A-1@", False)
    assert (checker["said"], checker["at"]) == ("A: False", BEGAN)
    assert [one["healthy"] for one in found["history"]] == [False]
    assert asked("/health-checks/no").status_code == 404


def test_other_controls_are_told_what_is_reported_here(
    asked: Callable[[str], httpx.Response],
) -> None:
    told = asked("/health-checks/opinions?own=1").json()["checkers"]
    assert told["edge-A-1@"]["opinions"]["web"]["healthy"] is False


@pytest.mark.parametrize(
    "path", ["/health-checks", "/health-checks/web", "/health-checks/opinions"]
)
def test_strangers_are_told_nothing(asked: Callable[..., httpx.Response], path: str) -> None:
    assert asked(path, "192.0.2.9").status_code == 401


@pytest.mark.parametrize(
    ("check", "line"),
    [
        (HealthCheck(id="a", type="TCP", address="2001:db8::1", port=25), "[2001:db8::1]:25"),
        (HealthCheck(id="a", type="HTTPS", address="192.0.2.1", host="b"), "192.0.2.1:443/"),
        (
            HealthCheck(id="a", type="CALCULATED", children=("b", "c"), health_threshold=1),
            "1 of b, c",
        ),
    ],
)
def test_an_endpoint_is_a_line(check: HealthCheck, line: str) -> None:
    assert endpoint(check) == line
