"""Tests as a user writes them: what is cached, for how long, and by which key.

Each is a function of the fixture `edgecache`. `test_installation_modes` runs them in process and
over real processes, and compares what they were answered.
"""

from __future__ import annotations

from edgecache.testing.installation import Edgecache

DISABLED = "4135ea2d-6df8-44a3-9df3-4b5a84be39ad"  # Managed-CachingDisabled


def a_miss_is_followed_by_a_hit(edgecache: Edgecache) -> None:
    origin = edgecache.origin(cache_control="max-age=3600")
    site = edgecache.distribution(origins=origin)
    assert site.get("/a").miss
    assert site.get("/a").hit
    assert origin.count("/a") == 1


def max_age_is_the_lifetime(edgecache: Edgecache) -> None:
    origin = edgecache.origin(cache_control="max-age=3600")
    site = edgecache.distribution(origins=origin)
    site.get("/a")
    edgecache.clock.advance("30m")
    half = site.get("/a")
    assert half.hit
    assert half.age is not None
    assert 1_800 <= half.age < 1_900
    edgecache.clock.advance("31m")
    assert site.get("/a").why == "expired"
    assert origin.count("/a") == 2


def s_maxage_comes_before_max_age(edgecache: Edgecache) -> None:
    origin = edgecache.origin(cache_control="max-age=60, s-maxage=7200")
    site = edgecache.distribution(origins=origin)
    assert site.get("/a").ttl_rule == "s-maxage"
    edgecache.clock.advance("1h")
    assert site.get("/a").hit


def nothing_said_is_a_day(edgecache: Edgecache) -> None:
    site = edgecache.distribution(origins=edgecache.origin())
    assert site.get("/a").ttl_rule == "default"
    edgecache.clock.advance("23h")
    assert site.get("/a").hit
    edgecache.clock.advance("1h 5m")
    assert site.get("/a").miss


def min_ttl_raises_what_the_origin_says(edgecache: Edgecache) -> None:
    policy = edgecache.cache_policy(ttl=(600, 600, 600))
    origin = edgecache.origin(cache_control="max-age=1")
    site = edgecache.distribution(origins=origin, DefaultCacheBehavior={"CachePolicyId": policy})
    assert site.get("/a").ttl_rule == "min-ttl"
    edgecache.clock.advance("5m")
    assert site.get("/a").hit


def max_ttl_cuts_what_the_origin_says(edgecache: Edgecache) -> None:
    policy = edgecache.cache_policy(ttl=(0, 60, 600))
    origin = edgecache.origin(cache_control="max-age=86400")
    site = edgecache.distribution(origins=origin, DefaultCacheBehavior={"CachePolicyId": policy})
    assert site.get("/a").ttl_rule == "max-ttl"
    edgecache.clock.advance("11m")
    assert site.get("/a").miss


def no_store_is_not_stored(edgecache: Edgecache) -> None:
    policy = edgecache.cache_policy()
    origin = edgecache.origin(cache_control="no-store")
    site = edgecache.distribution(origins=origin, DefaultCacheBehavior={"CachePolicyId": policy})
    assert [site.get("/a").miss, site.get("/a").miss] == [True, True]


def caching_disabled_asks_each_time(edgecache: Edgecache) -> None:
    origin = edgecache.origin(cache_control="max-age=3600")
    site = edgecache.distribution(origins=origin, DefaultCacheBehavior={"CachePolicyId": DISABLED})
    assert site.get("/a").why == "disabled"
    assert site.get("/a").miss
    assert origin.count() == 2


def an_etag_is_asked_about(edgecache: Edgecache) -> None:
    origin = edgecache.origin(cache_control="max-age=60", etag='"1"')
    site = edgecache.distribution(origins=origin)
    site.get("/a")
    edgecache.clock.advance("2m")
    assert site.get("/a").refresh
    assert origin.requests[-1].headers["if-none-match"] == '"1"'


def a_new_version_takes_the_place_of_the_old(edgecache: Edgecache) -> None:
    origin = edgecache.origin(cache_control="max-age=60", etag='"1"', body="one")
    site = edgecache.distribution(origins=origin)
    assert site.get("/a").text == "one"
    origin.answers("/a", cache_control="max-age=60", etag='"2"', body="two")
    assert site.get("/a").text == "one"
    edgecache.clock.advance("2m")
    assert site.get("/a").text == "two"


def the_query_is_not_in_the_key(edgecache: Edgecache) -> None:
    origin = edgecache.origin()
    site = edgecache.distribution(origins=origin)
    site.get("/a?utm=1")
    assert site.get("/a?utm=2").hit
    assert origin.requests[0].target == "/a"


def a_query_string_in_the_key(edgecache: Edgecache) -> None:
    policy = edgecache.cache_policy(query_strings=["v"])
    origin = edgecache.origin()
    site = edgecache.distribution(origins=origin, DefaultCacheBehavior={"CachePolicyId": policy})
    assert site.get("/a?v=1&utm=1").miss
    assert site.get("/a?utm=2&v=1").hit
    assert site.get("/a?v=2").miss
    assert [one.target for one in origin.requests] == ["/a?v=1", "/a?v=2"]


def a_header_in_the_key(edgecache: Edgecache) -> None:
    policy = edgecache.cache_policy(headers=["Accept-Language"])
    origin = edgecache.origin()
    site = edgecache.distribution(origins=origin, DefaultCacheBehavior={"CachePolicyId": policy})
    assert site.get("/a", headers={"Accept-Language": "de"}).miss
    assert site.get("/a", headers={"Accept-Language": "en"}).miss
    assert site.get("/a", headers={"Accept-Language": "de"}).hit
    assert origin.requests[0].headers["accept-language"] == "de"


def a_cookie_in_the_key(edgecache: Edgecache) -> None:
    policy = edgecache.cache_policy(cookies=["theme"])
    origin = edgecache.origin()
    site = edgecache.distribution(origins=origin, DefaultCacheBehavior={"CachePolicyId": policy})
    assert site.get("/a", headers={"Cookie": "theme=dark; id=1"}).miss
    assert site.get("/a", headers={"Cookie": "id=2; theme=dark"}).hit
    assert origin.requests[0].headers["cookie"] == "theme=dark"


def an_invalidation_removes_a_path(edgecache: Edgecache) -> None:
    site = edgecache.distribution(origins=edgecache.origin())
    site.get("/a"), site.get("/b")
    site.invalidate("/a")
    assert site.get("/a").miss
    assert site.get("/b").hit


def an_invalidation_removes_all_below(edgecache: Edgecache) -> None:
    site = edgecache.distribution(origins=edgecache.origin())
    site.get("/img/a"), site.get("/img/b"), site.get("/css/a")
    site.invalidate("/img/*")
    assert [site.get(path).miss for path in ("/img/a", "/img/b", "/css/a")] == [True, True, False]


def an_invalidation_by_tag(edgecache: Edgecache) -> None:
    origin = edgecache.origin().answers("/a", headers={"Cache-Tag": "product-1, all"})
    site = edgecache.distribution(origins=origin, CacheTagConfig={"HeaderName": "Cache-Tag"})
    site.get("/a"), site.get("/b")
    site.invalidate(tags=["product-1"])
    assert site.get("/a").miss
    assert site.get("/b").hit


def what_is_in_the_regional_cache_is_a_hit_elsewhere(edgecache: Edgecache) -> None:
    origin = edgecache.origin()
    site = edgecache.distribution(origins=origin)
    site.get("/a")
    far = site.get("/a", location=edgecache.locations[1])
    assert far.hit
    assert [one.name for one in far.tiers] == ["regional", edgecache.locations[1]]
    assert origin.count() == 1


def an_error_is_remembered_for_ten_seconds(edgecache: Edgecache) -> None:
    origin = edgecache.origin(status=500)
    site = edgecache.distribution(origins=origin)
    assert [site.get("/a").status, site.get("/a").status] == [500, 500]
    assert origin.count() == 1
    origin.answers("/a", body="well again")
    edgecache.clock.advance("11s")
    assert site.get("/a").text == "well again"


def an_origin_that_is_away_for_a_week(edgecache: Edgecache) -> None:
    origin = edgecache.origin(cache_control="max-age=60, stale-if-error=604800")
    site = edgecache.distribution(origins=origin)
    site.get("/a")
    origin.down()
    edgecache.clock.advance("6d")
    assert site.get("/a").stale
    edgecache.clock.advance("2d")
    assert site.get("/a").status == 502


def stale_while_it_is_fetched_anew(edgecache: Edgecache) -> None:
    cached = "max-age=60, stale-while-revalidate=600"
    origin = edgecache.origin(cache_control=cached, body="one")
    site = edgecache.distribution(origins=origin)
    site.get("/a")
    origin.answers("/a", cache_control=cached, body="two")
    edgecache.clock.advance("2m")
    assert site.get("/a").text == "one"
    site.get_until("/a", lambda answer: answer.text == "two" and answer.hit)
    assert origin.count("/a") == 2


def many_at_once_are_one_request_to_the_origin(edgecache: Edgecache) -> None:
    origin = edgecache.origin(delay=2, body="shared")
    site = edgecache.distribution(origins=origin)
    answers = site.get_all(["/a"] * 5)
    assert {one.text for one in answers} == {"shared"}
    assert origin.count() == 1


def the_key_is_told(edgecache: Edgecache) -> None:
    site = edgecache.distribution(origins=edgecache.origin())
    told = site.explain("/a?b=1")
    assert told.key["path"] == "/a"
    assert told.ttl_rule is None
    assert told.origin == "origin"
