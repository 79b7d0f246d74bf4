"""Control asks every process what it holds, and tells operators."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest
from starlette.applications import Starlette

from edgecache.cluster.inspection import InventoryQuery, ObjectOrder, StoreObjects, StoreStats
from edgecache.cluster.tokens import Tokens
from edgecache.config.listen import Address
from edgecache.config.model import Config, Location, RegionalCache
from edgecache.control.nodes.explain import ConfiguredNodes
from edgecache.control.rest.auth import LOCAL_PEER
from edgecache.control.rest.inventory import PlaceInventory, inventory_handlers
from edgecache.control.rest.routes import starlette_routes
from edgecache.control.state.log import ControlLog, publish_config
from edgecache.control.state.sqlite import SqliteDatabase
from edgecache.http.head import parse_request_head
from edgecache.http.message import HeadLimits, Request, first_value
from edgecache.observe.counters import Counters
from tests.world.credentials import signs

BASE = "http://127.0.0.1:8300"
CONFIG = Config(
    regional=RegionalCache(),
    locations=(Location(name="A", listen="127.0.0.1:81", workers=2),),
)


class Place:
    """Control's routes, before two workers and a regional cache that does not answer."""

    def __init__(self, folder: Path) -> None:
        self.state = SqliteDatabase(folder)
        self.log = ControlLog(self.state, lambda: 1_000.0)
        self.heard: list[Request] = []
        tokens = Tokens(["a secret of operators, long enough"], lambda: 1_000.0)
        nodes = ConfiguredNodes(self.exchange, signs)
        self.app = Starlette(
            routes=starlette_routes(inventory_handlers(self.log.live, tokens, nodes))
        )

    async def exchange(self, address: Address, head: bytes) -> bytes:
        if not str(address).endswith(":81"):
            raise OSError("refused")
        request = parse_request_head(head, HeadLimits())
        self.heard.append(request)
        who = (f"a{len(self.heard)}", "edge", "A")
        told: StoreStats | StoreObjects = StoreStats(*who, 1, None, Counters().snapshot())
        if first_value(request.fields, b"edgecache-explain") != b"stats":
            told = StoreObjects(*who, (), 0, 0)
        return b"HTTP/1.1 200 OK\r\n\r\n" + msgspec.json.encode(told)

    def get(self, target: str, peer: str = LOCAL_PEER) -> httpx.Response:
        async def once() -> httpx.Response:
            transport = httpx.ASGITransport(self.app, False, client=(peer, 40_000))
            async with httpx.AsyncClient(transport=transport, base_url=BASE) as client:
                return await client.get(target)

        return asyncio.run(once())


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    made = Place(tmp_path)
    yield made
    made.state.close()


def read(answer: httpx.Response, shape: Any) -> Any:
    assert answer.status_code == 200, answer.text
    return msgspec.json.decode(answer.content, type=list[shape])


def test_every_process_is_asked_for_its_figures(place: Place) -> None:
    assert place.get("/stats").status_code == 503
    publish_config(place.log, CONFIG)
    edges, regional = read(place.get("/stats"), PlaceInventory[StoreStats])
    assert [node.node for node in edges.nodes] == ["a1", "a2"]
    assert (regional.role, regional.nodes, regional.problem) == ("regional", (), "refused")
    for request in place.heard:
        assert (first_value(request.fields, b"edgecache-peer") or b"").startswith(b"1.k1.control.")


def test_objects_are_asked_for_by_prefix_and_order(place: Place) -> None:
    publish_config(place.log, CONFIG)
    query = "/objects?prefix=/img&order=most-used&limit=7"
    assert read(place.get(query), PlaceInventory[StoreObjects])[0].nodes
    asked = place.heard[0]
    spelled = first_value(asked.fields, b"edgecache-explain") or b""
    assert InventoryQuery.read(asked.path.decode(), spelled) == InventoryQuery(
        "/img", ObjectOrder.MOST_USED, 7
    )
    for bad in ("prefix=img", "order=smallest", "limit=0", "limit=%C3%BC"):
        assert place.get(f"/objects?{bad}").status_code == 400


def test_both_are_for_operators(place: Place) -> None:
    publish_config(place.log, CONFIG)
    for target in ("/stats", "/objects"):
        assert place.get(target, "192.0.2.7").status_code == 401
