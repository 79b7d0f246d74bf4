"""Control explains by which version of HTTP a viewer asks, and an origin is asked."""

from __future__ import annotations

import asyncio

import pytest
from msgspec import structs

from edgecache.control.nodes.explain import ConfiguredNodes
from edgecache.control.rest.explain import (
    ExplainQuery,
    ExplainServices,
    explain_everywhere,
    viewer_request,
)
from edgecache.http.message import first_value
from tests.control.rest.test_explain import OPENING, Fleet, clock, config, explained
from tests.world.credentials import signs

SITE = "https://site.test/a"


@pytest.mark.parametrize(
    ("http_version", "offered", "status"),
    [
        ("1.1", "http1.1", 0), ("2", "http2", 0), ("2", "http1.1", 421), ("2", "http3", 421),
        ("3", "http2and3", 0), ("3", "http3", 0), ("3", "http2", 421),
    ],
)  # fmt: skip
def test_each_version_of_http_is_told_of(http_version: str, offered: str, status: int) -> None:
    """A distribution answers 421 by what its `http_version` does not allow."""
    found = config(regional=False)
    spoken = structs.replace(found.locations[0], listen_tls="0.0.0.0:443",
                             protocols=("http1.1", "h2", "h3"))  # fmt: skip
    (site,) = found.distributions
    site = structs.replace(site, http_version=offered)
    found = structs.replace(found, distributions=(site,), locations=(spoken, found.locations[1]))
    query = ExplainQuery(SITE, http_version=http_version)
    request = viewer_request(query, found)
    report = asyncio.run(explain_everywhere(request, found, ExplainServices(clock)))
    word = {"1.1": "1.1", "2": "2.0", "3": "3.0"}[http_version]
    assert (report.rules.http_version, report.rules.admission.status) == (word, status)
    assert (report.origin is None) is bool(status)
    lacking = [line for line in report.rules.viewer_rules if line.startswith("protocols")]
    places = [] if http_version == "1.1" else ["B"]
    assert [line.split(":")[0] for line in lacking] == [f"protocols of {one}" for one in places]


def test_an_edge_hears_of_the_version_and_a_regional_cache_of_what_it_made() -> None:
    fleet, found = Fleet(p81=["a1", "a2"], p82=["b1"], unix=["regional"]), config()
    found = structs.replace(
        found, distributions=(structs.replace(found.distributions[0], http_version="http3"),)
    )
    request = viewer_request(ExplainQuery(SITE, http_version="3"), found)
    services = ExplainServices(clock, ConfiguredNodes(fleet.exchange, signs))
    asyncio.run(explain_everywhere(request, found, services))
    told = {where: first_value(one.fields, b"edgecache-http-version") for where, one in fleet.heads}
    assert told == {"p81": b"3", "p82": b"3", "unix": None}


@pytest.mark.parametrize(
    ("protocol", "policy", "upgrade", "told"),
    [
        ("http1.1", "https-only", False, "http1.1"),
        ("h2", "http-only", False, "h2"),
        ("http2", "https-only", False, "http2"),
        ("http2", "http-only", False, "http1.1"),
        ("http2", "https-only", True, "http1.1"),
    ],
)
def test_what_an_origin_is_asked_by_is_told(
    protocol: str, policy: str, upgrade: bool, told: str
) -> None:
    found = config(regional=False, protocol=protocol, protocol_policy=policy)
    report = explained(None, found, *(OPENING if upgrade else ()))
    assert report.origin is not None
    assert report.origin.protocol == told
