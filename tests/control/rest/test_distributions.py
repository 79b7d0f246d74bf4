"""The side for curl: the API's world as JSON; who may ask; a page that loads nothing."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from starlette.applications import Starlette

from edgecache.cluster.lease import Instance
from edgecache.control.rest.handlers import RestApi
from edgecache.control.rest.openapi import openapi_document
from edgecache.control.rest.routes import DESCRIBED, starlette_routes
from tests.control.cloudfront.desk import Desk, open_desk, site


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    with open_desk(tmp_path) as made:
        world = made.world
        api = made.app.routes
        made.app = Starlette(
            routes=[*api, *starlette_routes(RestApi(world, made.tokens).handlers())]
        )
        yield made


def told(desk: Desk, method: str, path: str, body: Any = None) -> tuple[int, Any]:
    content = b"" if body is None else json.dumps(body).encode()
    answer = desk.asks(method, path, content, desk.token())
    assert answer.headers["content-type"] == "application/json"
    return answer.status_code, answer.json()


def test_distributions(desk: Desk) -> None:
    desk.client().create_distribution(DistributionConfig=site("one", Comment="mine"))
    status, listed = told(desk, "GET", "/distributions?max_items=1")
    assert (status, len(listed["distributions"])) == (200, 1)
    _, rest = told(desk, "GET", f"/distributions?marker={listed['next']}")
    both = listed["distributions"] + rest["distributions"]
    assert rest["next"] == ""
    assert {one["source"] for one in both} == {"file", "api"}
    for one in both:
        assert told(desk, "GET", f"/distributions/{one['id']}") == (200, one)
    status, refused = told(desk, "GET", "/distributions/ENOBODY")
    assert (status, refused["code"]) == (404, "NoSuchDistribution")


def test_invalidations(desk: Desk) -> None:
    desk.barrier.grant(Instance("edge", "1"), desk.log.last_seq)
    wanted = {"distribution": "EFILE", "paths": ["/a/*"]}
    status, one = told(desk, "POST", "/invalidations", wanted)
    assert (status, one["status"], one["paths"]) == (201, "InProgress", ["/a/*"])
    _, other = told(desk, "POST", "/invalidations", wanted)
    assert other["id"] != one["id"]
    named = wanted | {"caller_reference": "x"}
    assert told(desk, "POST", "/invalidations", named) == told(
        desk, "POST", "/invalidations", named
    )
    desk.barrier.acknowledge(Instance("edge", "1"), desk.log.last_seq, 0)
    status, read = told(desk, "GET", f"/invalidations/EFILE/{one['id']}")
    assert (status, read["status"]) == (200, "Completed")
    assert told(desk, "GET", "/invalidations/EFILE/I1")[0] == 404


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"distribution": "EFILE", "paths": ["a"]}, 400),
        ({"distribution": "EFILE", "paths": []}, 400),
        ({"distribution": "ENOBODY", "paths": ["/a"]}, 404),
        ({"paths": ["/a"]}, 400),
        ({"distribution": 1, "paths": ["/a"]}, 400),
        ({"distribution": "EFILE", "paths": ["/a"], "path": "/b"}, 400),
        ([], 400),
    ],
)
def test_what_is_refused_says_why(desk: Desk, body: Any, status: int) -> None:
    found, told_ = told(desk, "POST", "/invalidations", body)
    assert (found, bool(told_["error"])) == (status, True)


def test_adoption(desk: Desk) -> None:
    status, one = told(desk, "POST", "/distributions/EFILE/adoption")
    assert (status, one["source"]) == (200, "api")
    assert told(desk, "POST", "/distributions/EFILE/adoption")[0] == 409
    status, one = told(desk, "DELETE", "/distributions/EFILE/adoption")
    assert (status, one["source"]) == (200, "file")
    assert told(desk, "DELETE", "/distributions/EFILE/adoption")[0] == 409


def test_everybody_needs_a_token(desk: Desk) -> None:
    for method, path in (("GET", "/distributions"), ("POST", "/invalidations")):
        headers = {"sec-fetch-site": "cross-site"}
        assert desk.asks(method, path, b"{}", headers).status_code == 401
    assert desk.asks("GET", "/distributions").status_code == 401  # a program of this machine, too
    relayed = {"x-forwarded-for": "192.0.2.7"}
    for path in ("/docs", "/openapi.json"):
        assert desk.asks("GET", path).status_code == 200
        assert desk.asks("GET", path, headers=relayed).status_code == 401


def test_the_description_names_what_is_there(desk: Desk) -> None:
    _, document = told(desk, "GET", "/openapi.json")
    assert document == json.loads(json.dumps(openapi_document()))
    described = {(one.method, one.path) for one in DESCRIBED}
    served = {
        (method, route.path)
        for route in starlette_routes(RestApi(desk.world, desk.tokens).handlers())
        for method in (route.methods or set()) - {"HEAD"}
    }
    assert served - {("GET", "/openapi.json"), ("GET", "/docs")} <= described
    for path, operations in document["paths"].items():
        for one in operations.values():
            named = [each["name"] for each in one["parameters"] if each["in"] == "path"]
            assert named == re.findall(r"\{(\w+)\}", path)
    text = json.dumps(document)
    for name in re.findall(r'"#/components/schemas/(\w+)"', text):
        assert name in document["components"]["schemas"]


def test_the_page_loads_nothing(desk: Desk) -> None:
    answer = desk.asks("GET", "/docs")
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    assert "default-src 'none'" in answer.headers["content-security-policy"]
    assert not re.search(r"(src|@import|url\()", answer.text)
    assert re.findall(r'href="([^"]*)"', answer.text) == ["/openapi.json"]
    for one in DESCRIBED:
        assert f"<code>{one.method} {one.path}</code>" in answer.text
