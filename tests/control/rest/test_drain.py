"""Drain over the REST API: operators alone, whom it means, and what nodes are answered."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from edgecache.config.model import Config, RegionalCache
from edgecache.control.rest.drain import drain_handlers
from edgecache.control.rest.routes import starlette_routes
from tests.control.rest.test_app import ELSEWHERE, Place, told


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    made = Place(tmp_path)
    made.app.router.routes += starlette_routes(drain_handlers(made.control))
    yield made
    made.state.close()


def report(place: Place, **changed: Any) -> dict[str, Any]:
    """What `edge-a-1` is answered to its report."""
    answer = place.hear("POST", "/nodes/edge-a-1", told(**changed), "edge-a-1")
    assert answer.status_code == 200
    document: dict[str, Any] = answer.json()
    return document


def test_a_node_hears_of_it_with_its_next_report(place: Place) -> None:
    assert report(place)["drain"] is False
    answer = place.ask("POST", "/nodes/LHR50/drain")
    assert answer.status_code == 200, answer.text
    said = answer.json()
    assert (said["node"], said["drain"], said["done"]) == ("LHR50", True, False)
    assert [one["name"] for one in said["processes"]] == ["edge-a-1"]
    assert report(place, unready={"draining": "an operator drains it"})["drain"] is True
    assert place.ask("POST", "/nodes/LHR50/drain").json()["done"] is True
    assert place.ask("DELETE", "/nodes/LHR50/drain").json()["drain"] is False
    assert report(place)["drain"] is False


def test_each_drain_is_a_change_and_to_ask_again_is_none(place: Place) -> None:
    report(place)
    for method in ("POST", "POST", "DELETE", "DELETE"):
        assert place.ask(method, "/nodes/LHR50/drain").status_code == 200
    assert place.ask("POST", "/nodes/LHR51/drain").status_code == 404
    rows = place.state.execute("SELECT author, summary FROM changes ORDER BY seq").fetchall()
    assert [tuple(row) for row in rows] == [
        ("socket", "drain_node LHR50"),
        ("socket", "undrain_node LHR50"),
    ]


def test_who_asks_regional_caches_hears_which_are_drained(place: Place) -> None:
    """Those that are meant, and those that say that they drain: of the file, by their names."""
    caches = tuple(RegionalCache(name=name) for name in ("eu-1", "eu-2", "eu-3"))
    file = Config(regional_caches=caches)
    object.__setattr__(place.control, "configured", lambda: file)
    assert "drained_caches" not in report(place)
    assert place.ask("POST", "/nodes/eu-1/drain").status_code == 200
    assert report(place)["drained_caches"] == ["eu-1"]
    draining = told(role="regional", location="eu-3", unready={"draining": "an operator does"})
    place.hear("POST", "/nodes/regional-eu-3", draining, "regional-eu-3")
    lies = told(role="regional", location="eu-2", unready={"draining": "says an edge"})
    place.hear("POST", "/nodes/edge-a-2", lies, "edge-a-2")
    assert report(place)["drained_caches"] == ["eu-1", "eu-3"]
    assert place.ask("DELETE", "/nodes/eu-1/drain").status_code == 200
    place.hear("POST", "/nodes/regional-eu-3", told(role="regional"), "regional-eu-3")
    assert "drained_caches" not in report(place)


def test_what_is_no_node_is_told(place: Place) -> None:
    report(place)
    answer = place.ask("POST", "/nodes/LHR51/drain")
    assert answer.status_code == 404
    assert "no node LHR51 (known: LHR50, edge-a-1)" in answer.json()["error"]


def test_operators_alone_may(place: Place) -> None:
    report(place)
    for method in ("POST", "DELETE"):
        assert place.ask(method, "/nodes/LHR50/drain", peer=ELSEWHERE).status_code == 401
        signed = place.signed(method, "/nodes/LHR50/drain", b"", "edge-a-1")
        assert place.ask(method, "/nodes/LHR50/drain", signed, peer=ELSEWHERE).status_code == 401
    assert report(place)["drain"] is False


def test_a_clock_that_is_off_is_listed(place: Place) -> None:
    for _ in range(2):
        place.now += 1
        report(place, clock=place.now - 5)
    (node,) = place.ask("GET", "/nodes").json()["nodes"]
    assert node["clock_off_s"] == 5.0
    (problem,) = place.ask("GET", "/health").json()["problems"]
    assert "its clock is 5.0 s behind control's" in problem
    report(place, clock=place.now - 0.1)  # one that was late on its way says nothing
    report(place, clock=place.now - 5)
    assert place.ask("GET", "/health").json() == {"status": "ok"}


def test_reasons_are_bounded(place: Place) -> None:
    bad = told(unready={"lease": "x" * 1_025})
    assert place.hear("POST", "/nodes/edge-a-1", bad, "edge-a-1").status_code == 400
    assert msgspec.json.decode(told(unready={"lease": "x"}))["unready"]
