"""Who may ask control, and by which name: the socket file, tokens, loopback, proxies, browsers."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from edgecache.control.rest.auth import LOCAL_PEER
from tests.control.rest.test_app import BASE, ELSEWHERE, LOOPBACK, Place


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    place = Place(tmp_path)
    yield place
    place.state.close()


@pytest.mark.parametrize(
    ("peer", "headers", "with_token", "status"),
    [
        (LOCAL_PEER, {}, False, 200),
        (LOCAL_PEER, {"via": "1.1 edge"}, False, 401),
        (LOOPBACK, {}, False, 401),
        ("::1", {}, False, 401),
        (ELSEWHERE, {}, False, 401),
        ("", {}, False, 401),
        (LOOPBACK, {}, True, 200),
        (ELSEWHERE, {}, True, 200),
        (LOOPBACK, {"via": "1.1 proxy"}, True, 200),
        (LOOPBACK, {"origin": BASE}, True, 200),
        (LOOPBACK, {"origin": "http://evil.test"}, True, 403),
    ],
)
def test_who_may_reload(
    place: Place, peer: str, headers: dict[str, str], with_token: bool, status: int
) -> None:
    token = place.token() if with_token else {}
    assert place.ask("POST", "/reload", headers | token, peer=peer).status_code == status


@pytest.mark.parametrize("path", ["/health", "/nodes", "/metrics"])
@pytest.mark.parametrize(
    ("peer", "headers", "status"),
    [
        (LOOPBACK, {}, 200),
        ("::1", {}, 200),
        (LOCAL_PEER, {}, 200),
        (LOCAL_PEER, {"via": "1.1 x"}, 401),
        (ELSEWHERE, {}, 401),
        ("", {}, 401),
        *((LOOPBACK, {name: "x"}, 401) for name in ("Via", "Forwarded", "X-Real-IP")),
        *((LOOPBACK, {f"X-Forwarded-{name}": "x"}, 401) for name in ("For", "Host", "Proto")),
    ],
)
def test_figures_are_for_programs_of_this_machine(
    place: Place, path: str, peer: str, headers: dict[str, str], status: int
) -> None:
    """A proxy before control comes from loopback, too, with requests of anybody."""
    assert place.ask("GET", path, headers, peer=peer).status_code == status
    token = place.token()
    assert place.ask("GET", path, headers | token, peer=peer).status_code == 200


@pytest.mark.parametrize(
    ("method", "path"), [("DELETE", "/nodes/a"), ("POST", "/reload"), ("GET", "/log")]
)
def test_what_changes_something_or_tells_the_log_needs_a_token(
    place: Place, method: str, path: str
) -> None:
    assert place.ask(method, path, peer=LOOPBACK).status_code == 401


def test_a_node_may_not_reload(place: Place) -> None:
    node = place.signed("POST", "/reload")
    assert place.ask("POST", "/reload", node, peer=ELSEWHERE).status_code == 401


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"host": "127.0.0.1:8090"}, 200),
        ({"host": "LOCALHOST"}, 200),
        ({"host": "[::1]:8090"}, 200),
        ({"host": "control.test:8090"}, 200),
        ({"host": "evil.test"}, 403),
        ({"host": "127.0.0.1.evil.test:8090"}, 403),
        ({"host": "evil.test:127.0.0.1"}, 403),
        ({"host": ""}, 403),
        ({"host": "localhost:8090", "origin": "http://localhost:8090"}, 200),
        ({"host": "localhost:8090", "origin": "http://localhost:3000"}, 403),
        ({"origin": "null"}, 403),
        ({"origin": "https://127.0.0.1:8090"}, 403),
    ],
)
def test_names_that_are_not_ours_are_refused(
    place: Place, headers: dict[str, str], status: int
) -> None:
    assert place.ask("GET", "/health", headers).status_code == status


def test_two_hosts_are_refused(place: Place) -> None:
    async def once() -> int:
        transport = httpx.ASGITransport(place.app)
        async with httpx.AsyncClient(transport=transport, base_url=BASE) as client:
            hosts = [("host", "localhost"), ("host", "localhost")]
            return (await client.get("/health", headers=hosts)).status_code

    assert asyncio.run(once()) == 403


@pytest.mark.parametrize(
    ("path", "headers", "peer", "status"),
    [
        ("/nodes", {}, LOOPBACK, 403),
        ("/nodes", {"authorization": "Bearer no"}, LOOPBACK, 403),
        ("/nodes", {"authorization": "Edgecache 1.k.edge-a-1.0.1.1.x"}, LOOPBACK, 403),
        ("/nodes", {"authorization": "AWS4-HMAC-SHA256 x"}, LOOPBACK, 400),
        ("/nodes", "token", ELSEWHERE, 200),
        ("/nodes", "token", LOOPBACK, 200),
        ("/log", "node", ELSEWHERE, 200),
        ("/log", {}, ELSEWHERE, 403),
    ],
)
def test_who_proves_who_it_is_may_come_by_any_host(
    place: Place, path: str, headers: dict[str, str] | str, peer: str, status: int
) -> None:
    """A name that leads here says nothing; a page of a browser can prove nothing."""
    if headers == "token":
        headers = place.token()
    elif headers == "node":
        headers = place.signed("GET", path)
    assert isinstance(headers, dict)
    named = {"host": "edgecache:8090"} | headers
    assert place.ask("GET", path, named, peer=peer).status_code == status


def test_a_token_does_not_excuse_the_page_of_another_site(place: Place) -> None:
    named = {"host": "edgecache:8090", "origin": "http://evil.test"} | place.token()
    assert place.ask("GET", "/nodes", named).status_code == 403
