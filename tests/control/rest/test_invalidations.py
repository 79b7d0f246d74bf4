"""Invalidations and releases over JSON: what CloudFront knows, and what is beyond it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from starlette.applications import Starlette

from edgecache.cluster.lease import Instance
from edgecache.control.rest.handlers import RestApi
from edgecache.control.rest.routes import starlette_routes
from tests.control.cloudfront.desk import Desk, open_desk
from tests.control.rest.test_distributions import told

EDGE = Instance("edge-a", "1")


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    with open_desk(tmp_path) as made:
        made.app = Starlette(routes=starlette_routes(RestApi(made.world, made.tokens).handlers()))
        yield made


def invalidated(desk: Desk, **wish: Any) -> tuple[int, Any]:
    return told(desk, "POST", "/invalidations", {"distribution": "EFILE", **wish})


def test_every_kind_of_item(desk: Desk) -> None:
    kinds = {"tags": ["A"], "globs": ["/*/x?"], "hosts": ["W.test"], "prefixes": ["/p*"]}
    status, one = invalidated(desk, paths=["/a"], soft=True, **kinds)
    assert status == 201
    assert one["paths"] == ["/a", "#a", "glob:/*/x?", "host:w.test", "prefix:/p*"]
    assert (one["soft"], one["status"], one["waiting_for"]) == (True, "InProgress", [])


@pytest.mark.parametrize(
    ("wish", "said"),
    [
        ({}, "nothing is named"),
        ({"globs": ["x"]}, "'x' does not start with /"),
        ({"tags": ["a b"]}, "'a b' is not # and a tag"),
        ({"paths": ["/ä"]}, "percent-encoded"),
    ],
)
def test_what_is_no_item_is_told_so(desk: Desk, wish: dict[str, Any], said: str) -> None:
    status, refused = invalidated(desk, **wish)
    assert (status, refused["code"]) == (400, "InvalidArgument")
    assert said in refused["error"]
    assert not desk.invalidations.page("EFILE")


def test_who_is_waited_for_is_told(desk: Desk) -> None:
    desk.barrier.grant(EDGE, desk.log.last_seq)
    _, one = invalidated(desk, paths=["/a"])
    assert (one["status"], one["waiting_for"]) == ("InProgress", ["edge-a"])
    path = f"/invalidations/EFILE/{one['id']}"
    assert told(desk, "GET", f"{path}?wait_s=0.001")[1]["status"] == "InProgress"
    desk.barrier.acknowledge(EDGE, desk.log.last_seq, 0)
    status, done = told(desk, "GET", f"{path}?wait_s=30")
    assert (status, done["status"], done["completed_at"]) == (200, "Completed", desk.now)
    for odd in ("x", "-1", "31", "nan"):
        assert told(desk, "GET", f"{path}?wait_s={odd}")[0] == 400


def test_they_are_listed_in_pages(desk: Desk) -> None:
    made = [invalidated(desk, paths=[f"/{n}"])[1]["id"] for n in range(102)]
    _, first = told(desk, "GET", "/invalidations/EFILE")
    _, second = told(desk, "GET", f"/invalidations/EFILE?marker={first['next']}")
    listed = first["invalidations"] + second["invalidations"]
    assert [one["id"] for one in listed] == made[::-1]
    assert (len(first["invalidations"]), second["next"]) == (100, "")


def releases(desk: Desk) -> list[tuple[str, int, bool]]:
    _, told_all = told(desk, "GET", "/distributions/EFILE/releases")
    return [(one["path"], one["number"], one["current"]) for one in told_all["releases"]]


def published(desk: Desk) -> dict[str, int]:
    """What nodes are told."""
    newest = desk.log.newest("config")
    assert newest is not None
    site = next(one for one in newest.body["distributions"] if one["id"] == "EFILE")
    return {one["pattern"]: one["current"] for one in site["releases"]}


def test_a_release_is_cut_activated_and_deleted(desk: Desk) -> None:
    path = "/distributions/EFILE/releases"
    assert releases(desk) == []
    assert told(desk, "POST", path, {})[0] == 201
    assert told(desk, "POST", path, {"path": "/a/*"})[0] == 201
    assert releases(desk) == [
        ("*", 1, True), ("*", 0, False), ("/a/*", 1, True), ("/a/*", 0, False)
    ]  # fmt: skip
    assert published(desk) == {"*": 1, "/a/*": 1}
    assert told(desk, "POST", f"{path}/active", {"number": 0})[0] == 200
    assert published(desk) == {"*": 0, "/a/*": 1}
    assert told(desk, "DELETE", f"{path}/0?path=%2Fa%2F*")[0] == 200
    assert releases(desk)[2:] == [("/a/*", 1, True)]


@pytest.mark.parametrize(
    ("method", "path", "body", "status"),
    [
        ("POST", "", {"path": "/a b"}, 400),
        ("POST", "", {"path": ""}, 400),
        ("POST", "", {"unknown": 1}, 400),
        ("POST", "/active", {}, 400),
        ("POST", "/active", {"number": 7}, 404),
        ("DELETE", "/x", None, 400),
        ("DELETE", "/7", None, 404),
        ("DELETE", "/1", None, 409),
    ],
)
def test_what_cannot_be_done_changes_nothing(
    desk: Desk, method: str, path: str, body: Any, status: int
) -> None:
    told(desk, "POST", "/distributions/EFILE/releases", {})
    before = desk.log.last_seq
    assert told(desk, method, f"/distributions/EFILE/releases{path}", body)[0] == status
    assert desk.log.last_seq == before
    assert told(desk, method, f"/distributions/ENO/releases{path}", body)[0] in (400, 404)


def test_releases_outlive_control(desk: Desk) -> None:
    told(desk, "POST", "/distributions/EFILE/releases", {})
    desk.state.close()
    desk.open()
    assert published(desk) == {"*": 1}
