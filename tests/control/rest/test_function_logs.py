"""Control asks every edge what its functions have logged, and tells who follows."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import httpx
import msgspec
import pytest
from starlette.applications import Starlette

from edgecache.cluster.inspection import FunctionLogQuery
from edgecache.cluster.tokens import Tokens
from edgecache.config.listen import Address
from edgecache.config.model import Config, Location, RegionalCache
from edgecache.control.nodes.explain import ConfiguredNodes
from edgecache.control.rest.auth import LOCAL_PEER
from edgecache.control.rest.function_logs import FunctionLogs, function_log_handlers
from edgecache.control.rest.routes import starlette_routes
from edgecache.control.state.log import ControlLog, publish_config
from edgecache.control.state.sqlite import SqliteDatabase
from edgecache.functions.interface import FunctionLog
from edgecache.http.head import parse_request_head
from edgecache.http.message import HeadLimits, first_value
from edgecache.node.edge_functions import FunctionLogBuffer
from tests.world.credentials import signs

BASE = "http://127.0.0.1:8300"
CONFIG = Config(
    regional=RegionalCache(),
    locations=(Location(name="A", listen="127.0.0.1:81", workers=2),),
)


class Place:
    """Control's routes before two workers, which take turns."""

    def __init__(self, folder: Path) -> None:
        self.state = SqliteDatabase(folder)
        log = ControlLog(self.state, lambda: 1_000.0)
        publish_config(log, CONFIG)
        self.workers = [FunctionLogBuffer(lambda: 5.0, f"i{n}") for n in range(2)]
        self.asked = 0
        self.down = False
        tokens = Tokens(["a secret of operators, long enough"], lambda: 1_000.0)
        nodes = ConfiguredNodes(self.exchange, signs)
        handlers = function_log_handlers(log.live, tokens, nodes)
        self.app = Starlette(routes=starlette_routes(handlers))

    async def exchange(self, address: Address, head: bytes) -> bytes:
        assert str(address).endswith(":81"), "a regional cache has no functions"
        if self.down:
            raise OSError("refused")
        self.asked += 1
        number = self.asked % 2
        spelled = first_value(parse_request_head(head, HeadLimits()).fields, b"edgecache-explain")
        query = FunctionLogQuery.read(spelled or b"")
        page = self.workers[number].page((f"edge-A-{number}", "edge", "A"), query)
        return b"HTTP/1.1 200 OK\r\n\r\n" + msgspec.json.encode(page)

    def get(self, after: str = "", peer: str = LOCAL_PEER) -> httpx.Response:
        async def once() -> httpx.Response:
            transport = httpx.ASGITransport(self.app, False, client=(peer, 40_000))
            async with httpx.AsyncClient(transport=transport, base_url=BASE) as client:
                return await client.get("/function-logs", params={"after": after})

        return asyncio.run(once())

    def told(self, after: str = "") -> tuple[list[str], str]:
        answer = self.get(after)
        assert answer.status_code == 200, answer.text
        logs = msgspec.json.decode(answer.content, type=FunctionLogs)
        pages = [page for place in logs.places for page in place.nodes]
        return sorted(run.request_id for page in pages for run in page.runs), logs.next


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    made = Place(tmp_path)
    yield made
    made.state.close()


def test_who_follows_is_told_each_run_of_every_worker_once(place: Place) -> None:
    place.workers[0].add(FunctionLog("f", "a", "E1", ("x",)))
    place.workers[1].add(FunctionLog("f", "b", "E1", ("y",)))
    runs, after = place.told()
    assert runs == ["a", "b"]
    place.workers[1].add(FunctionLog("f", "c", "E1", ("z",)))
    runs, after = place.told(after)
    assert runs == ["c"]
    assert place.told(after)[0] == []


def test_what_was_seen_of_a_place_that_is_away_is_not_forgotten(place: Place) -> None:
    place.workers[0].add(FunctionLog("f", "a", "E1", ("x",)))
    _, after = place.told()
    place.down = True
    answer = msgspec.json.decode(place.get(after).content, type=FunctionLogs)
    assert [one.problem for one in answer.places] == ["refused"]
    place.down = False
    assert place.told(answer.next)[0] == []


def test_a_cursor_that_is_none_is_refused(place: Place) -> None:
    for wrong in ("!", "W10=", "ü"):
        assert place.get(wrong).status_code == 400


def test_strangers_are_told_nothing(place: Place) -> None:
    assert place.get(peer="192.0.2.1").status_code == 401
