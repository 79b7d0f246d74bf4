"""What a viewers' front concludes and adds, apart from any connection."""

from __future__ import annotations

import asyncio
import hashlib
from typing import Any

import pytest

from edgecache.cache.environment import TierEnvironment, product_name
from edgecache.cache.frontend import FrontendEnvironment, ViewerFrontend
from edgecache.cache.outcome import CacheResult, ErrorPageErrand, Hit, Outcome, Refusal
from edgecache.cache.tier import Tier
from edgecache.config.model import (
    Behavior,
    Config,
    CustomErrorResponse,
    Distribution,
    GeoRestriction,
    Origin,
    ResponseHeadersPolicy,
    UnavailableSite,
)
from edgecache.http.message import Response, first_value
from edgecache.observe.counters import Counters
from edgecache.rules.caching.key import cache_key
from edgecache.rules.routing import compile_routes
from edgecache.rules.viewer.geo import GeoPlace
from edgecache.store.entry import Entry
from edgecache.store.memory import MemoryStore
from edgecache.upstream.faults import Fault, UpstreamError
from edgecache.upstream.interface import Call, Reply
from tests.rules.pieces import NOW, answer, asks


class Nobody:
    """An upstream that is not there."""

    async def fetch(self, call: Call) -> Reply:
        raise UpstreamError(Fault.REFUSED, "origin")


def front(
    world: FrontendEnvironment | None = None, brand: str = "cloudfront", **site: Any
) -> ViewerFrontend:
    behavior = Behavior(origin="o", **site.pop("behavior", {}))
    distribution = Distribution(
        id="E1",
        domain_name="d1.cloudfront.net",
        aliases=("site.test",),
        origins=(Origin(id="o", domain_name="origin.test"),),
        default_behavior=behavior,
        **site,
    )
    tier = Tier(
        "LHR50", MemoryStore(10**6), Nobody(),
        TierEnvironment(lambda: NOW, asyncio.ensure_future, Counters(), 10**5, 10),
    )  # fmt: skip
    return ViewerFrontend(tier, compile_routes(Config(distributions=(distribution,))), brand, world)


def stores(of: ViewerFrontend, target: str, head: Response, body: bytes = b"body") -> None:
    site = of.table.by_id["E1"]
    request = asks(target)
    key = cache_key(request, site.behaviors[-1][1])
    of.tier.store.put(Entry(key, head, body))


def test_a_stored_response_may_be_repeated() -> None:
    ours = front()
    stores(ours, "/a", answer(200, "cache-control: max-age=60"))
    found = ours.decide(asks(), NOW)
    assert isinstance(found, Hit)
    assert found.until == NOW + 60


@pytest.mark.parametrize(
    "site",
    [
        {"geo_restriction": GeoRestriction(kind="blacklist", countries=("XX",))},
        {"behavior": {"response_headers_policy": ResponseHeadersPolicy(server_timing_percent=1)}},
        {"behavior": {"response_headers_policy": ResponseHeadersPolicy(remove=("Date",))}},
    ],
)
def test_what_depends_on_more_than_bytes_has_no_lease(site: dict[str, Any]) -> None:
    ours = front(**site)
    stores(ours, "/a", answer(200, "cache-control: max-age=60"))
    found = ours.decide(asks(), NOW)
    assert isinstance(found, Hit)
    assert found.until == 0


def test_a_stored_error_with_a_page_is_an_errand_for_the_page() -> None:
    page = CustomErrorResponse(error_code=404, response_page_path="/e", response_code=200)
    ours = front(custom_error_responses=(page,))
    stores(ours, "/a", answer(404))
    stores(ours, "/e", answer(200), b"page")
    errand = ours.decide(asks(), NOW)
    assert isinstance(errand, ErrorPageErrand)
    assert (errand.page.path, errand.page.status) == (b"/e", 200)
    outcome = asyncio.run(ours.run(errand, None, None))
    assert isinstance(outcome, Outcome)
    assert (outcome.status, outcome.body, outcome.result) == (200, b"page", CacheResult.ERROR)


def test_a_place_is_looked_up_only_where_it_matters() -> None:
    asked: list[str] = []

    def place_of(address: str) -> GeoPlace:
        asked.append(address)
        return GeoPlace(country="DE")

    world = FrontendEnvironment(place_of)
    request = asks(client=("192.0.2.7", 1))
    front(world).decide(request, NOW)
    assert asked == []
    blocked = GeoRestriction(kind="blacklist", countries=("DE",))
    refusal = front(world, geo_restriction=blocked).decide(request, NOW)
    assert asked == ["192.0.2.7"]
    assert isinstance(refusal, Refusal)
    assert (refusal.status, refusal.detail) == (403, "ClientGeoBlocked")


@pytest.mark.parametrize(
    ("brand", "via", "server"),
    [
        (
            "cloudfront",
            b"1.1 " + hashlib.sha256(b"LHR50").hexdigest()[:32].encode() + b".cloudfront.net"
            b" (CloudFront)",
            b"CloudFront",
        ),
        ("mine", b"1.1 lhr50.mine.net (mine)", b"mine"),
    ],
)
def test_what_every_answer_carries(brand: str, via: bytes, server: bytes) -> None:
    ours = front(brand=brand)
    outcome = Outcome(200, b"", ((b"x-a", b"1"), (b"edgecache-x", b"2")), b"", 0, CacheResult.MISS)
    found = ours.table.by_id["E1"].behaviors[-1][1]
    fields = ours.dressed(outcome, b"id==", (asks(), found), 0.0)
    assert dict(fields) == {
        b"x-a": b"1",
        b"server": server,
        b"via": via,
        b"x-cache": b"Miss from " + brand.encode(),
        b"x-amz-cf-pop": b"LHR50",
        b"cache-status": b"LHR50",
        b"x-amz-cf-id": b"id==",
    }
    assert product_name(brand) == server


def test_no_policy_bears_on_a_page_of_ours() -> None:
    policy = ResponseHeadersPolicy(server_timing_percent=100)
    ours = front(behavior={"response_headers_policy": policy})
    outcome = Outcome(403, b"", (), b"", 0, CacheResult.ERROR)
    fields = ours.dressed(outcome, b"id==", None, 0.0)
    assert first_value(fields, b"server-timing") is None
    assert first_value(fields, b"x-cache") == b"Error from cloudfront"


def test_a_distribution_that_is_not_served_answers_503() -> None:
    ours = front()
    unserved = UnavailableSite(id="E2", names=("other.test",), reasons=("what breaks",))
    (site,) = (one.distribution for one in ours.table.by_id.values())
    ours.table = compile_routes(Config(distributions=(site,), unavailable=(unserved,)))
    refusal = ours.decide(asks(host=b"other.test"), NOW)
    assert isinstance(refusal, Refusal)
    assert refusal.status == 503
    assert "what breaks" not in repr(refusal)  # an operator's matter
