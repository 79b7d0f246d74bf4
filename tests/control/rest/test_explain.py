"""Control explains: who is asked, what an origin would be sent, and who may know."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest
from msgspec import structs
from starlette.applications import Starlette

from edgecache.cache.environment import via_pseudonym
from edgecache.cluster.tokens import Tokens
from edgecache.config.listen import Address, TcpAddress, UnixAddress
from edgecache.config.model import (
    Behavior,
    Config,
    Distribution,
    Location,
    Origin,
    OriginAccessControl,
    OriginGroup,
    RegionalCache,
)
from edgecache.control.nodes.explain import ConfiguredNodes
from edgecache.control.nodes.workers import QUESTIONS_PER_WORKER
from edgecache.control.rest.auth import LOCAL_PEER
from edgecache.control.rest.explain import (
    ExplainQuery,
    ExplainReport,
    ExplainServices,
    explain_everywhere,
    explain_handlers,
    viewer_request,
)
from edgecache.control.rest.routes import starlette_routes
from edgecache.control.state.log import ControlLog, publish_config
from edgecache.control.state.sqlite import SqliteDatabase
from edgecache.http.head import parse_request_head
from edgecache.http.message import HeadLimits, Request, first_value
from edgecache.rules.explanation import LookupExplanation, TierExplanation
from tests.world.credentials import signs

NOW = 1_800_000_000.0
BASE = "http://127.0.0.1:8090"
OPENING = (
    "Connection: Upgrade",
    "Upgrade: websocket",
    "Sec-WebSocket-Key: x",
    "Sec-WebSocket-Version: 13",
)


def clock() -> float:
    return NOW


def config(regional: bool = True, **origin: Any) -> Config:
    """Two locations, the first with two workers."""
    first = Origin(id="o", domain_name="origin.test", **origin)
    second = Origin(id="p", domain_name="second.test")
    group = OriginGroup(id="g", members=("o", "p"), status_codes=(500, 502))
    site = Distribution(
        id="EONE",
        aliases=("site.test",),
        origins=(first, second),
        origin_groups=(group,),
        default_behavior=Behavior(origin="g"),
    )
    return Config(
        state_dir="/state",
        regional=RegionalCache() if regional else None,
        locations=(
            Location(name="A", listen="127.0.0.1:81", workers=2),
            Location(name="B", listen="0.0.0.0:82"),
        ),
        distributions=(site,),
    )


class Fleet:
    """Processes behind addresses: each question to one goes to its next worker."""

    def __init__(self, **workers: list[str]) -> None:
        self.heads: list[tuple[str, Request]] = []
        self._workers = {name: itertools.cycle(nodes) for name, nodes in workers.items()}

    async def exchange(self, address: Address, head: bytes) -> bytes:
        where = "unix" if isinstance(address, UnixAddress) else f"p{address.port}"
        assert isinstance(address, UnixAddress) or address.host == "127.0.0.1"
        self.heads.append((where, parse_request_head(head, HeadLimits())))
        node = next(self._workers[where]) if where in self._workers else ""
        if not node:
            raise OSError("connection refused")
        story = TierExplanation(node, "edge", "A", LookupExplanation.FETCH, "absent")
        return b"HTTP/1.1 200 OK\r\n\r\n" + msgspec.json.encode(story)


def explained(fleet: Fleet | None, found: Config, *headers: str, url: str = "") -> ExplainReport:
    request = viewer_request(ExplainQuery(url or "http://site.test/a?q=1", headers=headers), found)
    nodes = None if fleet is None else ConfiguredNodes(fleet.exchange, signs)
    return asyncio.run(explain_everywhere(request, found, ExplainServices(clock, nodes)))


def test_every_worker_is_asked_until_it_was_met() -> None:
    fleet = Fleet(p81=["a1", "a1", "a1", "a2"], p82=["b1"], unix=["regional"])
    places = explained(fleet, config()).places
    assert [(place.name, [n.node for n in place.nodes], place.problem) for place in places] == [
        ("A", ["a1", "a2"], ""),
        ("B", ["b1"], ""),
        ("regional", ["regional"], ""),
    ]
    assert [where for where, _ in fleet.heads].count("p81") == 4


def test_who_is_not_met_or_does_not_answer_is_told() -> None:
    fleet = Fleet(p81=["a1"], unix=["regional"])
    first, second, _ = explained(fleet, config()).places
    assert first.problem == "only 1 of 2 workers were met"
    assert [where for where, _ in fleet.heads].count("p81") == 2 * QUESTIONS_PER_WORKER
    assert (second.nodes, second.problem) == ((), "connection refused")


def test_something_else_that_answers_is_told() -> None:
    async def page(_address: Address, _head: bytes) -> bytes:
        return b"HTTP/1.1 403 Forbidden\r\n\r\nno"

    request = viewer_request(ExplainQuery("http://site.test/"), config())
    world = ExplainServices(clock, ConfiguredNodes(page, signs))
    places = asyncio.run(explain_everywhere(request, config(), world)).places
    assert {place.problem for place in places} == {"it answered, but does not explain"}


def test_nodes_hear_what_proves_us_and_what_the_edge_would_ask() -> None:
    fleet = Fleet(p81=["a1", "a2"], p82=["b1"], unix=["regional"])
    explained(fleet, config(), "X-A: 1", "Edgecache-Peer: forged", url="https://site.test/a?q=1")
    heard = dict(fleet.heads)
    for request in heard.values():
        assert (first_value(request.fields, b"edgecache-peer") or b"").startswith(b"1.k1.control.")
        assert first_value(request.fields, b"edgecache-explain") == b"1"
        assert first_value(request.fields, b"edgecache-scheme") == b"https"
        assert request.host == b"site.test"
    assert (heard["p81"].target, first_value(heard["p81"].fields, b"x-a")) == (b"/a?q=1", b"1")
    assert (heard["unix"].target, first_value(heard["unix"].fields, b"x-a")) == (b"/a", None)


def test_what_the_origin_would_be_sent_without_its_secrets() -> None:
    found = config(
        path="/base", http_port=8000, access="identity", custom_headers={"X-Verify": "secret"}
    )
    told_ = explained(None, found, "User-Agent: me", "Accept-Encoding: br")
    assert told_.places == ()
    origin = told_.origin
    assert origin is not None
    assert (origin.origin, origin.address) == ("o", "origin.test:8000")
    assert (origin.method, origin.target) == ("GET", "/base/a")
    fields = dict(origin.fields)
    assert fields["Host"] == "origin.test:8000"
    assert fields["User-Agent"] == "Amazon CloudFront"
    assert fields["Via"] == f"1.1 {via_pseudonym('regional', 'cloudfront').decode()}"
    assert fields["X-Edgecache-Identity"] == "(signed)"
    assert fields["X-Verify"] == "(from the configuration)"
    assert (origin.group, origin.then, origin.fails_over_on) == ("g", ("p",), (500, 502))
    assert b"secret" not in msgspec.json.encode(told_)


def test_a_signature_of_a_store_is_not_told() -> None:
    signed = config(access_control_id="E2", secret_headers={"x-verify": "env:NOT_SET"})
    signed = structs.replace(signed, origin_access_controls=(OriginAccessControl(id="E2"),))
    told_ = explained(None, signed)
    assert told_.origin is not None
    fields = dict(told_.origin.fields)
    assert fields["Authorization"] == fields["X-Amz-Date"] == "(signed)"
    assert fields["X-Verify"] == "(from the configuration)"
    assert len(fields["X-Amz-Content-Sha256"]) == 64


def test_an_upgrade_keeps_what_opens_it() -> None:
    told_ = explained(None, config(), *OPENING)
    assert told_.rules.bypass == "upgrade"
    assert told_.origin is not None
    assert dict(told_.origin.fields)["Upgrade"] == "websocket"


def test_a_call_of_grpc_is_told_by_its_media_type() -> None:
    fields = ("Content-Type: application/grpc", "Grpc-Timeout: 1S", "X-Own: a")
    request = viewer_request(ExplainQuery("https://site.test/s/M", "POST", fields), config())
    assert request.major == 2
    plain = viewer_request(ExplainQuery("https://site.test/s/M", "POST"), config())
    assert plain.major == 1
    said = ExplainQuery("https://site.test/s/M", "POST", fields, "1.1")
    assert viewer_request(said, config()).major == 1


@pytest.mark.parametrize(
    ("wanted", "problem"),
    [
        (ExplainQuery("https://site.test/", http_version="2.0"), "2.0 is not one of 1.1, 2, 3"),
        (ExplainQuery("http://site.test/", http_version="3"), "by https:// alone"),
        (ExplainQuery("site.test/a"), "is not http://HOST/PATH"),
        (ExplainQuery("ftp://site.test/"), "is not http://HOST/PATH"),
        (ExplainQuery("http:///a"), "is not http://HOST/PATH"),
        (ExplainQuery("http://me@site.test/"), "is not http://HOST/PATH"),
        (ExplainQuery("http://[/"), "Invalid IPv6"),
        (ExplainQuery("http://site.test/a b"), "would be refused with 400"),
        (ExplainQuery("http://site.test/" + "a" * 9_000), "would be refused with 414"),
        (ExplainQuery("http://site.test/", "get"), "is not a method"),
        (ExplainQuery("http://site.test/", headers=("X-A",)), "is not `Name: value`"),
        (ExplainQuery("http://site.test/", headers=("X-A: 1\r\nX-B: 2",)), "is not `Name: value`"),
        (
            ExplainQuery("http://site.test/", headers=("Host: a", "Host: b")),
            "would be refused with 400",
        ),
    ],
)
def test_what_no_viewer_could_ask(wanted: ExplainQuery, problem: str) -> None:
    with pytest.raises(ValueError, match=problem):
        viewer_request(wanted, config())


@pytest.mark.parametrize(
    ("wanted", "host", "target"),
    [
        (ExplainQuery("http://site.test"), b"site.test", b"/"),
        (ExplainQuery("http://site.test?a"), b"site.test", b"/?a"),
        (ExplainQuery("http://site.test/%2e//a?b?c#d"), b"site.test", b"/%2e//a?b?c"),
        (ExplainQuery("http://127.0.0.1:8080/", headers=("Host: site.test",)), b"site.test", b"/"),
    ],
)
def test_the_request_is_as_raw_as_it_was_written(
    wanted: ExplainQuery, host: bytes, target: bytes
) -> None:
    request = viewer_request(wanted, config())
    assert (request.host, request.target) == (host, target)


class Place:
    """Control, with nothing but this endpoint."""

    def __init__(self, folder: Path) -> None:
        self.state = SqliteDatabase(folder)
        self.log = ControlLog(self.state, clock)
        self.tokens = Tokens(["k" * 32], clock)
        self.app = Starlette(
            routes=starlette_routes(
                explain_handlers(self.log.live, self.tokens, ExplainServices(clock))
            )
        )

    def get(self, query: dict[str, Any], peer: str = LOCAL_PEER, **headers: str) -> httpx.Response:
        async def once() -> httpx.Response:
            transport = httpx.ASGITransport(self.app, False, client=(peer, 40_000))
            async with httpx.AsyncClient(transport=transport, base_url=BASE) as client:
                return await client.get("/explain", params=query, headers=headers)

        return asyncio.run(once())


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    made = Place(tmp_path)
    yield made
    made.state.close()


def test_the_endpoint(place: Place) -> None:
    url = {"url": "http://site.test/a"}
    assert place.get(url).status_code == 503
    publish_config(place.log, config())
    answer = place.get(url | {"header": ["X-A: 1", "X-B: 2"], "method": "HEAD"})
    assert answer.status_code == 200
    assert msgspec.json.decode(answer.content, type=ExplainReport).rules.method == "HEAD"
    assert place.get({}).status_code == 400
    assert place.get({"url": "nonsense"}).status_code == 400


def test_the_endpoint_is_for_operators(place: Place) -> None:
    publish_config(place.log, config())
    url = {"url": "http://site.test/a"}
    elsewhere = "192.0.2.7"
    assert place.get(url, elsewhere).status_code == 401
    assert place.get(url, "127.0.0.1").status_code == 401
    token = place.tokens.issue("me")
    assert place.get(url, elsewhere, authorization=f"Bearer {token}").status_code == 200


def test_addresses_are_reached_on_this_machine() -> None:
    reached: list[Address] = []

    async def note(address: Address, _head: bytes) -> bytes:
        reached.append(address)
        raise OSError("no")

    request = viewer_request(ExplainQuery("http://site.test/"), config())
    asyncio.run(
        explain_everywhere(request, config(), ExplainServices(clock, ConfiguredNodes(note, signs)))
    )
    assert reached == [
        TcpAddress("127.0.0.1", 81),
        TcpAddress("127.0.0.1", 82),
        UnixAddress("/state/regional.sock"),
    ]


def test_what_is_asked_for_and_not_done_is_told() -> None:
    found = config(regional=False)
    (site,) = found.distributions
    asking = structs.replace(found, distributions=(structs.replace(site, http_version="http3"),))
    assert explained(None, asking).rules.unsupported == (
        "HttpVersion: not supported: HTTP/3 is spoken at locations whose `protocols` have `h3`, "
        "and at no other",
    )
    assert explained(None, found).rules.unsupported == ()


def test_why_a_distribution_answers_503_is_told() -> None:
    found = config(regional=False)
    (site,) = found.distributions
    refused = structs.replace(site, kept={"WebACLId": "arn:acl"})
    rules = explained(None, structs.replace(found, distributions=(refused,))).rules
    assert rules.choice is None
    assert rules.unavailable == ("WebACLId: not supported: requests are not filtered",)
