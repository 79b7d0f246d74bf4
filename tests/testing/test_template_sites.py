"""CDK's templates, served and asked: what each kind of stack does for its viewers."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from edgecache.testing.distribution_document import RefusedDocumentError
from edgecache.testing.installation import Edgecache, open_edgecache
from edgecache.testing.site import SiteUnderTest

TEMPLATES = Path(__file__).parent.parent / "templates"
REGION = {"AWS::Region": "us-east-1"}


@pytest.fixture
def edgecache() -> Iterator[Edgecache]:
    made = open_edgecache()
    yield made
    made.close()


def site_of(edgecache: Edgecache, name: str, **given: dict[str, str]) -> SiteUnderTest:
    """The one distribution of a stack, in front of an origin that may be cached for an hour."""
    origin = edgecache.origin(cache_control="max-age=3600")
    given = {"parameters": REGION} | given
    (site,) = edgecache.template(TEMPLATES / f"{name}.json", origins=origin, **given).values()
    return site


def test_a_site_redirects_and_has_a_root(edgecache: Edgecache) -> None:
    bucket = {"SiteE53D7754.RegionalDomainName": "site.s3.us-east-1.amazonaws.com"}
    site = site_of(edgecache, "static-site", values=bucket)
    assert site.get("/", scheme="http").status == 301
    assert site.get("/").miss
    assert edgecache.origins[0].count("/index.html") == 1


def test_an_application_answers_its_page(edgecache: Edgecache) -> None:
    site = site_of(edgecache, "access-identity")
    assert site.get("/a").miss
    assert site.get("/a").hit


def test_a_cache_policy_has_its_key_and_times(edgecache: Edgecache) -> None:
    site = site_of(edgecache, "api-with-cache-policy")
    first = site.get("/a?page=1&utm_source=x", headers={"Accept-Language": "en"})
    assert first.miss
    assert first.headers["x-api"] == "2"
    assert first.headers["x-content-type-options"] == "nosniff"
    assert first.headers["server"] == "CloudFront"  # the origin's is taken away
    assert site.get("/a?page=1&utm_source=y", headers={"Accept-Language": "en"}).hit
    assert site.get("/a?page=2", headers={"Accept-Language": "en"}).miss
    assert site.get("/a?page=1", headers={"Accept-Language": "fr"}).miss
    assert edgecache.origins[0].requests[0].headers["x-origin-verify"] == "secret"
    assert site.ask("POST", "/a", body="b").status == 200


def test_members_need_a_signature(edgecache: Edgecache) -> None:
    site = site_of(edgecache, "signed-cookies")
    assert site.get("/members/a").status == 403
    assert site.get("/a").status == 200


def test_functions_run(edgecache: Edgecache) -> None:
    pytest.importorskip("quickjs")
    site = site_of(edgecache, "functions")
    assert site.get("/docs/").headers["x-mark"] == "yes"
    assert edgecache.origins[0].count("/docs/index.html") == 1


def test_a_second_origin_answers_where_the_first_cannot(edgecache: Edgecache) -> None:
    first, second = edgecache.origin(status=503), edgecache.origin(body="second")
    origins = {"SiteCdnOrigin17DB5BD07": first, "SiteCdnOrigin23A81F31D": second}
    (site,) = edgecache.template(TEMPLATES / "failover.json", origins=origins).values()
    assert site.get("/a").text == "second"


def test_several_behaviors(edgecache: Edgecache) -> None:
    site = site_of(edgecache, "several-behaviors")
    assert [site.get("/a").miss, site.get("/a").miss] == [True, True]  # not cached
    assert [site.get("/a.css").miss, site.get("/a.css").hit] == [True, True]
    assert site.get("/api/a", scheme="http").status == 403
    assert site.get("/api/a").status == 200
    assert edgecache.origins[0].count("/v1/api/a") == 1
    assert site.ask("POST", "/api/a").status == 403


def test_forwarded_values(edgecache: Edgecache) -> None:
    site = site_of(edgecache, "web-distribution")
    assert site.get("/a?b=1", headers={"Cookie": "session=1; other=1"}).miss
    assert site.get("/a?b=1", headers={"Cookie": "session=1; other=2"}).hit
    assert site.get("/a?b=1", headers={"Cookie": "session=2"}).miss


def test_parameters_conditions_and_maps(edgecache: Edgecache) -> None:
    host = {"OriginHost": "web.example.test", "Stage": "production"}
    site = site_of(edgecache, "parameters", parameters=host)
    answer = site.get("/a", host="www.example.test")
    assert answer.status == 200
    assert site.get("/a", host="test.example.test").status == 403
    edgecache.origins[0].answers("/b", body="b")
    assert site.get("/b").miss
    edgecache.clock.advance(3_599)  # of the map's: the origin says nothing of it
    assert site.get("/b").hit
    edgecache.clock.advance(2)
    assert not site.get("/b").hit


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("static-site", "Site"),
        ("edge-lambda", "a test has no Lambda functions"),
        ("web-acl-and-log", "WebACLId"),
        ("key-value-store", "RedirectsE80BB6C8: a test has no key value stores"),
    ],
)
def test_what_a_test_has_not_is_named(edgecache: Edgecache, name: str, said: str) -> None:
    with pytest.raises(RefusedDocumentError, match=said):
        site_of(edgecache, name)
