"""Tests as a user writes them: who is served, and how. See `caching_cases`."""

from __future__ import annotations

import hashlib

from edgecache.testing.installation import Edgecache
from tests.testing.caching_cases import DISABLED

SECURITY_HEADERS = "67f7725c-6f97-4210-82d7-5512b31e9d03"  # Managed-SecurityHeadersPolicy
SIMPLE_CORS = "60669652-455b-4ae9-85a4-c4c02393f86c"
ALL_METHODS = ["GET", "HEAD", "OPTIONS", "PUT", "POST", "PATCH", "DELETE"]
INDEX = """
function handler(event) {
    var request = event.request;
    if (request.uri.endsWith('/')) { request.uri += 'index.html'; }
    return request;
}
"""


def behaviors_lead_to_their_origins(edgecache: Edgecache) -> None:
    web, api = edgecache.origin(body="web"), edgecache.origin(body="api")
    site = edgecache.distribution(
        origins={"web": web, "api": api},
        CacheBehaviors=[{"PathPattern": "/api/*", "TargetOriginId": "api"}],
    )
    assert site.get("/api/users").text == "api"
    assert site.get("/").text == "web"
    assert site.explain("/api/users").behavior == "/api/*"


def the_root_is_an_object(edgecache: Edgecache) -> None:
    origin = edgecache.origin()
    site = edgecache.distribution(origins=origin, DefaultRootObject="index.html")
    assert site.get("/").text == "/index.html\n"
    assert site.get("/index.html").hit


def a_path_of_an_application_gets_its_page(edgecache: Edgecache) -> None:
    origin = edgecache.origin(status=404).answers("/index.html", body="<app>")
    page = {"ErrorCode": 404, "ResponsePagePath": "/index.html", "ResponseCode": "200"}
    site = edgecache.distribution(origins=origin, CustomErrorResponses=[page])
    answer = site.get("/users/7")
    assert (answer.status, answer.text) == (200, "<app>")


def a_method_that_is_not_allowed(edgecache: Edgecache) -> None:
    origin = edgecache.origin()
    site = edgecache.distribution(origins=origin)
    assert site.ask("POST", "/a", body="x=1").status in (403, 405)
    assert origin.count() == 0


def what_is_posted_reaches_the_origin(edgecache: Edgecache) -> None:
    origin = edgecache.origin(body="done")
    methods = {"AllowedMethods": ALL_METHODS, "CachePolicyId": DISABLED}
    site = edgecache.distribution(origins=origin, DefaultCacheBehavior=methods)
    assert site.ask("POST", "/a", body="x=1").text == "done"
    assert (origin.requests[0].method, origin.requests[0].body) == ("POST", b"x=1")


def a_head_is_answered_from_what_is_stored(edgecache: Edgecache) -> None:
    origin = edgecache.origin(body="0123456789")
    site = edgecache.distribution(origins=origin)
    site.get("/a")
    answer = site.ask("HEAD", "/a")
    assert (answer.hit, answer.body, answer.headers["content-length"]) == (True, b"", "10")


def a_part_of_what_is_stored(edgecache: Edgecache) -> None:
    site = edgecache.distribution(origins=edgecache.origin(body="0123456789"))
    site.get("/a")
    answer = site.get("/a", headers={"Range": "bytes=2-4"})
    assert (answer.status, answer.text) == (206, "234")
    assert answer.headers["Content-Range"] == "bytes 2-4/10"


def a_viewer_that_has_it_already(edgecache: Edgecache) -> None:
    site = edgecache.distribution(origins=edgecache.origin(etag='"1"'))
    site.get("/a")
    answer = site.get("/a", headers={"If-None-Match": '"1"'})
    assert (answer.status, answer.body) == (304, b"")


def what_can_be_compressed_is(edgecache: Edgecache) -> None:
    origin = edgecache.origin(body="a line of text\n" * 200, content_type="text/plain")
    site = edgecache.distribution(origins=origin, DefaultCacheBehavior={"Compress": True})
    answer = site.get("/a", headers={"Accept-Encoding": "gzip"})
    assert answer.headers["content-encoding"] == "gzip"
    assert len(answer.body) < 300
    assert "content-encoding" not in site.get("/a").headers


def http_is_sent_to_https(edgecache: Edgecache) -> None:
    origin = edgecache.origin()
    secure = {"ViewerProtocolPolicy": "redirect-to-https"}
    site = edgecache.distribution(origins=origin, DefaultCacheBehavior=secure)
    answer = site.get("/a?b=1", scheme="http")
    assert (answer.status, answer.headers["location"]) == (301, f"https://{site.domain_name}/a?b=1")
    assert origin.count() == 0
    assert site.get("/a").status == 200


def http_alone_is_refused(edgecache: Edgecache) -> None:
    secure = {"ViewerProtocolPolicy": "https-only"}
    site = edgecache.distribution(origins=edgecache.origin(), DefaultCacheBehavior=secure)
    assert site.get("/a", scheme="http").status == 403
    assert site.get("/a").status == 200


def security_headers(edgecache: Edgecache) -> None:
    headers = {"ResponseHeadersPolicyId": SECURITY_HEADERS}
    site = edgecache.distribution(origins=edgecache.origin(), DefaultCacheBehavior=headers)
    assert site.get("/a").headers["x-frame-options"] == "SAMEORIGIN"
    assert site.get("/a").headers["strict-transport-security"] == "max-age=31536000"


def cors_for_another_site(edgecache: Edgecache) -> None:
    headers = {"ResponseHeadersPolicyId": SIMPLE_CORS}
    site = edgecache.distribution(origins=edgecache.origin(), DefaultCacheBehavior=headers)
    answer = site.get("/a", headers={"Origin": "https://www.example.org"})
    assert answer.headers["access-control-allow-origin"] == "*"
    assert "access-control-allow-origin" not in site.get("/a").headers


def a_second_origin_stands_in(edgecache: Edgecache) -> None:
    first, second = edgecache.origin(status=503), edgecache.origin(body="second")
    group = {
        "Id": "both",
        "FailoverCriteria": {"StatusCodes": [503]},
        "Members": [{"OriginId": "first"}, {"OriginId": "second"}],
    }
    site = edgecache.distribution(
        origins={"first": first, "second": second},
        OriginGroups=[group],
        DefaultCacheBehavior={"TargetOriginId": "both"},
    )
    assert site.get("/a").text == "second"
    assert first.count() == 1


def a_signed_url_opens_and_ends(edgecache: Edgecache) -> None:
    key = edgecache.signing_key()
    private = {"TrustedKeyGroups": [key.group]}
    site = edgecache.distribution(origins=edgecache.origin(), DefaultCacheBehavior=private)
    url = key.url(f"https://{site.domain_name}/a", lasts="10m")
    assert site.get("/a").status == 403
    assert site.get(url).status == 200
    edgecache.clock.advance("11m")
    assert site.get(url).status == 403


def a_day_a_week_and_a_signature_end_in_one_test(edgecache: Edgecache) -> None:
    """Eight days and an hour, and nobody sleeps."""
    origin = edgecache.origin()  # nothing said: a day of TTL
    origin.answers("/kept", cache_control="max-age=60, stale-if-error=604800")
    key = edgecache.signing_key()
    private = {"PathPattern": "/private/*", "TrustedKeyGroups": [key.group]}
    site = edgecache.distribution(origins=origin, CacheBehaviors=[private])
    began = edgecache.clock.now()
    url = key.url(f"https://{site.domain_name}/private/a", lasts="1h")
    assert [site.get(one).status for one in ("/a", "/kept", url)] == [200, 200, 200]
    edgecache.clock.advance("59m")
    assert site.get(url).hit
    edgecache.clock.advance("2m")
    assert site.get(url).status == 403
    edgecache.clock.advance("22h 55m")
    assert site.get("/a").hit
    edgecache.clock.advance("5m")
    assert site.get("/a").why == "expired"
    origin.down()
    edgecache.clock.advance("5d 23h 50m")
    assert site.get("/kept").stale
    edgecache.clock.advance("1d")
    assert site.get("/kept").status == 502
    assert 7.9 * 86_400 < edgecache.clock.now() - began < 8.1 * 86_400


def signed_cookies_open_a_folder(edgecache: Edgecache) -> None:
    key = edgecache.signing_key()
    private = {"PathPattern": "/private/*", "TrustedKeyGroups": [key.group]}
    site = edgecache.distribution(origins=edgecache.origin(), CacheBehaviors=[private])
    cookies = key.cookies(f"https://{site.domain_name}/private/*", lasts="1h")
    headers = {"Cookie": "; ".join(f"{name}={value}" for name, value in cookies.items())}
    assert site.get("/private/a").status == 403
    assert site.get("/private/a", headers=headers).status == 200
    assert site.get("/private/a", headers=headers).hit
    edgecache.clock.advance("2h")
    assert site.get("/private/a", headers=headers).status == 403


def an_alias_is_a_name_of_the_site(edgecache: Edgecache) -> None:
    site = edgecache.distribution(origins=edgecache.origin(), Aliases=["www.example.test"])
    assert site.get("/a", host="www.example.test").miss
    assert site.get("/a").hit
    assert site.get("/a", host="other.example.test").status == 403


def a_disabled_distribution_serves_nobody(edgecache: Edgecache) -> None:
    origin = edgecache.origin()
    site = edgecache.distribution(origins=origin, Enabled=False)
    assert site.get("/a").status == 403
    assert origin.count() == 0


def headers_of_the_origin_are_added(edgecache: Edgecache) -> None:
    origin = edgecache.origin()
    custom = {"HTTPPort": 80, "HTTPSPort": 443, "OriginProtocolPolicy": "http-only"}
    site = edgecache.distribution({
        "Origins": [{
            "Id": "api",
            "DomainName": "api.example.test",
            "OriginPath": "/v1",
            "CustomHeaders": [{"HeaderName": "X-From", "HeaderValue": "edge"}],
            "CustomOriginConfig": custom,
        }],
        "DefaultCacheBehavior": {
            "TargetOriginId": "api",
            "ViewerProtocolPolicy": "allow-all",
            "CachePolicyId": DISABLED,
        },
    }, origins={"api": origin})  # fmt: skip
    assert site.get("/users").status == 200
    assert origin.requests[0].target == "/v1/users"
    assert origin.requests[0].headers["x-from"] == "edge"


def a_path_is_passed_on_as_it_came(edgecache: Edgecache) -> None:
    origin = edgecache.origin()
    site = edgecache.distribution(origins=origin)
    assert site.get("/a%20b/%C3%A9/c+d").status == 200
    assert origin.requests[0].target == "/a%20b/%C3%A9/c+d"


def a_large_body_comes_whole(edgecache: Edgecache) -> None:
    body = bytes(range(256)) * 2_000
    site = edgecache.distribution(origins=edgecache.origin(body=body))
    for _ in range(2):
        got = site.get("/a").body
        assert hashlib.sha256(got).digest() == hashlib.sha256(body).digest()


def forwarded_values_as_they_were_before_policies(edgecache: Edgecache) -> None:
    values = {"QueryString": True, "Cookies": {"Forward": "none"}}
    origin = edgecache.origin(cache_control="max-age=60")
    behavior = {"ForwardedValues": values, "MinTTL": 0, "DefaultTTL": 5, "MaxTTL": 60}
    site = edgecache.distribution(origins=origin, DefaultCacheBehavior=behavior)
    assert [site.get("/a?x=1").miss, site.get("/a?x=2").miss] == [True, True]
    assert site.get("/a?x=1").hit
    assert origin.requests[0].target == "/a?x=1"


def a_function_changes_the_path(edgecache: Edgecache) -> None:
    run = {"EventType": "viewer-request", "FunctionARN": edgecache.function("index", INDEX)}
    origin = edgecache.origin()
    site = edgecache.distribution(
        origins=origin, DefaultCacheBehavior={"FunctionAssociations": [run]}
    )
    assert site.get("/docs/").text == "/docs/index.html\n"
    assert origin.count("/docs/index.html") == 1


def an_origin_that_refuses_connections(edgecache: Edgecache) -> None:
    origin = edgecache.origin()
    site = edgecache.distribution(origins=origin)
    origin.down()
    answer = site.get("/a")
    assert (answer.status, answer.x_cache) == (502, "Error")
    origin.up()
    edgecache.clock.advance("11s")
    assert site.get("/a").status == 200
