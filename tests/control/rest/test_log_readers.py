"""Readers of the live log over the REST API: what is refused, who may, and the whole way."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from edgecache.cluster.log_readers import (
    DEFAULT_FIELDS,
    PATH_FIELDS,
    READERS_MAX,
    ReaderBatch,
    ReaderBatches,
)
from edgecache.control.rest.log_readers import log_reader_handlers
from edgecache.control.rest.routes import starlette_routes
from tests.control.rest.test_app import ELSEWHERE, Place, told


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    made = Place(tmp_path)
    made.app.router.routes += starlette_routes(log_reader_handlers(made.control))
    yield made
    made.state.close()


def begin(place: Place, **body: Any) -> dict[str, Any]:
    answer = place.ask("POST", "/log-readers", content=msgspec.json.encode(body))
    assert answer.status_code == 201, answer.text
    document: dict[str, Any] = answer.json()
    return document


def test_a_reader_is_named_to_nodes_and_gets_what_they_send(place: Place) -> None:
    assert "log_readers" not in place.hear("POST", "/nodes/edge-a-1", told(), "edge-a-1").json()
    made = begin(place, filter="status>=500", fields=["status", "path"])
    assert made["nodes"] == ["edge-a-1"]
    assert made["elsewhere"] == []
    fields = ["sc-status", "cs-uri-stem"]
    assert made["fields"] == fields
    answer = place.hear("POST", "/nodes/edge-a-1", told(), "edge-a-1").json()
    assert answer["log_readers"] == [
        {"id": made["id"], "filter": "status>=500", "fields": fields, "percent": 100.0}
    ]
    content = msgspec.json.encode(ReaderBatches([ReaderBatch(made["id"], [["503", "/a"]], 2)]))
    sent = place.hear("POST", "/nodes/edge-a-1/log-lines", content, "edge-a-1")
    assert sent.status_code == 200
    lines = place.ask("GET", f"/log-readers/{made['id']}?wait_s=0").json()
    assert lines == {
        "fields": fields, "rows": [["503", "/a"]], "lost": 2, "nodes": ["edge-a-1"],
        "summary": None,
    }  # fmt: skip
    assert place.ask("DELETE", f"/log-readers/{made['id']}").status_code == 200
    for method in ("GET", "DELETE"):
        assert place.ask(method, f"/log-readers/{made['id']}").status_code == 404
    assert "log_readers" not in place.hear("POST", "/nodes/edge-a-1", told(), "edge-a-1").json()


@pytest.mark.parametrize(
    ("body", "error"),
    [
        ({"filter": "staus=1"}, "there is no field staus here\n  staus=1\n  ^"),
        ({"fields": ["nothing"]}, "there is no field 'nothing' here"),
        ({"tier": "moon"}, "tier: 'moon' is not one of edge, regional, all"),
        ({"percent": 0}, "percent: 0 is not 0.025 to 100"),
        ({"percent": 101}, "percent: 101 is not"),
        ({"request_id": "a b"}, "request_id: that is no request id"),
        ({"request_id": "a", "filter": "status=1"}, "request_id: with neither"),
        ({"odd": 1}, "unknown field"),
        ([], "Expected `object`"),
    ],
)
def test_what_is_wrong_is_refused(place: Place, body: Any, error: str) -> None:
    answer = place.ask("POST", "/log-readers", content=msgspec.json.encode(body))
    assert answer.status_code == 400
    assert error in answer.json()["error"]
    assert place.control.log_readers.subscriptions() == ()


@pytest.mark.parametrize("wait_s", ["-1", "6", "nan", "x"])
def test_how_long_to_wait_is_bounded(place: Place, wait_s: str) -> None:
    id = begin(place)["id"]
    assert place.ask("GET", f"/log-readers/{id}?wait_s={wait_s}").status_code == 400


def test_the_usual_fields_and_those_of_one_request(place: Place) -> None:
    assert begin(place)["fields"] == [*DEFAULT_FIELDS]
    assert begin(place, request_id="a-_==")["fields"] == [*PATH_FIELDS]
    assert begin(place, summary=True)["fields"] == []
    found = place.control.log_readers.subscriptions()
    assert [one.tier for one in found] == ["edge", "all", "edge"]


def test_so_many_may_read(place: Place) -> None:
    for _ in range(READERS_MAX):
        begin(place)
    assert place.ask("POST", "/log-readers", content=b"{}").status_code == 429


def test_only_operators_read(place: Place) -> None:
    id = begin(place)["id"]
    for method, path in (
        ("POST", "/log-readers"),
        ("GET", f"/log-readers/{id}"),
        ("DELETE", f"/log-readers/{id}"),
    ):
        assert place.ask(method, path, content=b"{}", peer=ELSEWHERE).status_code in (401, 403)
        assert place.ask(method, path, content=b"{}", peer="127.0.0.1").status_code == 401


def test_a_node_sends_under_its_own_name(place: Place) -> None:
    content = msgspec.json.encode(ReaderBatches([]))
    target = "/nodes/edge-a-1/log-lines"
    assert place.hear("POST", target, content, "edge-b-1").status_code == 403
    assert place.ask("POST", target, content=content).status_code == 401
    assert place.hear("POST", target, b"{", "edge-a-1").status_code == 400
    assert place.hear("POST", target, content, "edge-a-1").status_code == 200
