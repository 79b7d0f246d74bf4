"""The distribution of dist.json, as `aws cloudfront get-distribution-config` prints one."""

import pytest


@pytest.fixture
def bucket(edgecache):
    return edgecache.origin(status=404).answers(
        "/index.html", body="<app>", content_type="text/html"
    )


@pytest.fixture
def api(edgecache):
    return edgecache.origin(body="{}", content_type="application/json", set_cookie="id=1")


@pytest.fixture
def site(edgecache, bucket, api):
    return edgecache.distribution("dist.json", origins={"site-bucket": bucket, "api": api})


def test_routes_of_the_application_get_its_page(site):
    assert site.get("/").text == "<app>"
    assert site.get("/users/7").text == "<app>"


def test_http_is_sent_to_https(site):
    assert site.get("/", scheme="http").status == 301
    assert site.get("/api/users", scheme="http").status == 403


def test_the_api_is_not_cached(site, api):
    answers = [site.get("/api/users") for _ in range(2)]
    assert [answer.why for answer in answers] == ["disabled", "disabled"]
    assert api.count("/api/users") == 2


def test_what_is_posted_arrives(site, api):
    assert site.ask("POST", "/api/users", body='{"name": "Ada"}').status == 200
    assert api.requests[0].body == b'{"name": "Ada"}'


def test_a_bucket_that_is_away_for_a_minute(site, bucket, edgecache):
    bucket.answers("/a", cache_control="max-age=60, stale-if-error=86400", body="a")
    assert site.get("/a").miss
    bucket.down()
    edgecache.clock.advance("2m")
    assert site.get("/a").stale


@pytest.mark.edgecache(mode="in_process")
def test_a_day_passes_in_no_time(site, bucket, edgecache):
    bucket.answers("/a", body="a")
    assert site.get("/a").miss
    edgecache.clock.advance("23h 59m")
    assert site.get("/a").hit
    edgecache.clock.advance("2m")
    assert site.get("/a").miss
