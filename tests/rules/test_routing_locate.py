"""Locating a viewer's request: its site, the default root object, its route and its headers."""

from __future__ import annotations

from edgecache.config.model import Behavior, CachePolicy, Config
from edgecache.rules.routing import compile_routes, locate
from edgecache.rules.viewer.geo import NOWHERE, GeoPlace
from tests.rules.pieces import asks, headers
from tests.rules.test_routing import PRIVATE_SITE, behaviors, table_of


def test_a_request_is_located_by_host_root_object_and_path() -> None:
    table = table_of(
        {"default_root_object": "index.html", **behaviors("index.html"), "domain_name": "site.test"}
    )
    asked = asks("/?q", host=b"site.test")
    routed = locate(asked, table)
    assert routed is not None
    assert (routed.received, routed.request.target) == (asked, b"/index.html?q")
    assert routed.route.behavior.path_pattern == "index.html"
    assert (routed.place, routed.ambiguous) == (NOWHERE, False)
    assert locate(asks("/", host=b"elsewhere.test"), table) is None


def test_the_place_of_a_viewer_is_asked_for_only_where_something_depends_on_it() -> None:
    named = CachePolicy(headers=headers("CloudFront-Viewer-Country"))
    listed = Behavior(origin="o", path_pattern="/in/*", cache_policy=named)
    table = table_of({"behaviors": (listed,), "domain_name": "site.test"})
    asked_of: list[str] = []

    def place_of(address: str) -> GeoPlace:
        asked_of.append(address)
        return GeoPlace(country="CH")

    for target, countries in (("/out", []), ("/in/a", [b"CH"])):
        request = asks(target, host=b"site.test", client=("192.0.2.1", 5))
        routed = locate(request, table, place_of)
        assert routed is not None
        found = [value for name, value in routed.request.fields if name.endswith(b"-country")]
        assert found == countries
    assert asked_of == ["192.0.2.1"]


def test_a_path_without_a_route_is_located_and_to_be_refused() -> None:
    table = compile_routes(Config(distributions=(PRIVATE_SITE,)), {"k": "1" * 32})
    routed = locate(asks("/public/..%2Fprivate/a", host=b"h"), table)
    assert routed is not None
    assert routed.ambiguous
