"""Pages, countries, certificates, names, tags and response headers: the exact words."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from edgecache.config.checks.configuration import check
from edgecache.config.checks.site import check_pair
from edgecache.config.model import Config, Control
from edgecache.config.problems import Problems

D = "distributions[0]"
R = f"{D}.default_behavior.response_headers_policy"


def problems(behavior: dict[str, Any] | None = None, **changes: Any) -> list[str]:
    site = {
        "id": "E1",
        "origins": [{"id": "web", "domain_name": "o.test"}],
        "default_behavior": {"origin": "web"} | (behavior or {}),
    }
    collected = Problems()
    check(msgspec.convert({"distributions": [site | changes]}, Config), collected)
    return [str(problem) for problem in collected.found]


def page(**changes: Any) -> dict[str, Any]:
    return {"custom_error_responses": [{"error_code": 404} | changes]}


CODES = "400, 403, 404, 405, 414, 416, 500, 501, 502, 503, 504"
E0 = f"{D}.custom_error_responses[0]"


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        (page(), []),
        (page(response_page_path="/e.html", response_code=200), []),
        (page(error_code=401), [f"{E0}.error_code: 401 is not one of {CODES}"]),
        (
            page(response_page_path="/e"),
            [f"{E0}.response_code: missing: a response_page_path needs one"],
        ),
        (
            page(response_code=200),
            [f"{E0}.response_page_path: missing: a response_code needs one"],
        ),
        (
            page(response_page_path="e", response_code=200),
            [f'{E0}.response_page_path: "e" does not start with /'],
        ),
        (
            page(error_caching_ttl_s_min=-1),
            [f"{E0}.error_caching_ttl_s_min: -1 is outside 0 to 3153600000 seconds"],
        ),
        (
            {"custom_error_responses": [{"error_code": 404}, {"error_code": 404}]},
            [f"{D}.custom_error_responses[1].error_code: 404 is named twice"],
        ),
        ({"geo_restriction": {"kind": "blacklist", "countries": ["GB", "XK"]}}, []),
        (
            {"geo_restriction": {"kind": "whitelist"}},
            [f'{D}.geo_restriction.countries: empty, but kind is "whitelist"'],
        ),
        (
            {"geo_restriction": {"countries": ["GB"]}},
            [f'{D}.geo_restriction.countries: not used with kind "none"'],
        ),
        (
            {"geo_restriction": {"kind": "whitelist", "countries": ["UK", "DE", "DE"]}},
            [
                f'{D}.geo_restriction.countries[0]: "UK" is not a country (ISO 3166-1 alpha-2)',
                f'{D}.geo_restriction.countries[2]: "DE" is named twice',
            ],
        ),
        (
            {"viewer_certificate": {"certificate_file": "c"}},
            [f"{D}.viewer_certificate.key_file: missing: a certificate_file needs one"],
        ),
        (
            {"viewer_certificate": {"ssl_support_method": "sni"}},
            [
                f'{D}.viewer_certificate.ssl_support_method: "sni" is not one of'
                ' "sni-only", "vip", "static-ip"'
            ],
        ),
        ({"viewer_certificate": {"minimum_protocol_version": "TLSv1.3_2025"}}, []),
        (
            {"price_class": "PriceClass_300"},
            [
                f'{D}.price_class: "PriceClass_300" is not one of "PriceClass_100",'
                ' "PriceClass_200", "PriceClass_All", "None"'
            ],
        ),
        (
            {"http_version": "http4"},
            [
                f'{D}.http_version: "http4" is not one of "http1.1", "http2", "http3",'
                ' "http2and3"'
            ],
        ),
        ({"logging": {"enabled": True}}, [f"{D}.logging.bucket: missing: logging is enabled"]),
        ({"comment": "x" * 129}, [f"{D}.comment: 129 characters are more than 128"]),
        (
            {"tags": {str(i): "" for i in range(51)}},
            [f"{D}.tags: 51 tags are more than 50"],
        ),
        ({"cache_tag_header": "a b"}, [f'{D}.cache_tag_header: "a b" is not a header\'s name']),
        ({"cache_tag_header": "Cache-Tag"}, []),
        *[
            (
                {"cache_tag_header": name},
                [
                    f'{D}.cache_tag_header: "{name}" is taken from an origin\'s answers before they'
                    " are read: name another"
                ],
            )
            for name in ("X-Edgecache-Tag", "edgecache-tags", "Transfer-Encoding")
        ],
    ],
)  # fmt: skip
def test_the_rest_of_a_distribution(changes: dict[str, Any], expected: list[str]) -> None:
    assert problems(**changes) == expected


def cors(**changes: Any) -> dict[str, Any]:
    return {"cors": {"allow_origins": ["*"]} | changes}


def header(name: str, value: str = "v") -> dict[str, Any]:
    return {"name": name, "value": value}


@pytest.mark.parametrize(
    ("policy", "expected"),
    [
        (cors(allow_origins=["*.a.test", "a.test:*", "https://a.test:8*3", ".a.test"]), []),
        (
            cors(allow_origins=["a.*.test"]),
            [
                f'{R}.cors.allow_origins[0]: "a.*.test" is not an origin'
                ' ("*" only as the first label or in the port)'
            ],
        ),
        (cors(allow_origins=[]), [f"{R}.cors.allow_origins: empty: no origin would be allowed"]),
        (
            cors(allow_methods=["TRACE"]),
            [
                f'{R}.cors.allow_methods[0]: "TRACE" is not one of "GET", "HEAD", "OPTIONS",'
                ' "PUT", "POST", "PATCH", "DELETE", "ALL"'
            ],
        ),
        ({"remove": ["Server", "X-Powered-By"]}, []),
        ({"remove": ["via"]}, [f'{R}.remove[0]: "via" cannot be removed by a policy']),
        ({"remove": ["X-Edge-A"]}, [f'{R}.remove[0]: "X-Edge-A" cannot be removed by a policy']),
        (
            {"custom": [header(f"X-{i}") for i in range(101)]},
            [f"{R}.custom: 101 headers are more than 100"],
        ),
        (
            {"custom": [header("X-Frame-Options", "DENY")]},
            [f'{R}.custom[0].name: "X-Frame-Options" belongs in security'],
        ),
        (
            {"custom": [header("Access-Control-Max-Age", "1")]},
            [f'{R}.custom[0].name: "Access-Control-Max-Age" belongs in cors'],
        ),
        ({"custom": [header("X-A"), header("x-a")]}, [f'{R}.custom[1].name: "x-a" is named twice']),
        (
            {"security": [header("X-Frame-Options", "ALLOWALL")]},
            [f'{R}.security[0].value: "ALLOWALL" is no value of X-Frame-Options'],
        ),
        (
            {"server_timing_percent": 101},
            [
                f"{R}.server_timing_percent: 101 is outside 0 to 100, or has more than 4 decimals"
            ],
        ),
    ],
)  # fmt: skip
def test_response_headers_policies(policy: dict[str, Any], expected: list[str]) -> None:
    assert problems({"response_headers_policy": policy}) == expected


F = f"{D}.default_behavior.forwarded_values"


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ({"headers": ["*", "A"]}, [f'{F}.headers: "*" stands alone: it is every header']),
        ({"headers": ["a b"]}, [f'{F}.headers[0]: "a b" is not a name']),
        ({"headers": ["Via", "via"]}, [f'{F}.headers: named twice: "Via", "via"']),
        (
            {"headers": [f"x{number}" for number in range(101)]},
            [f"{F}.headers: 101 names are more than 100"],
        ),
        (
            {"cookies": "whitelist", "cookie_names": ["a", "a"]},
            [f'{F}.cookie_names: named twice: "a"'],
        ),
        (
            {"query_string": True, "query_string_cache_keys": [""]},
            [f'{F}.query_string_cache_keys[0]: "" is not a name'],
        ),
        ({"cookies": "whitelist"}, [f'{F}.cookie_names: empty, but cookies is "whitelist"']),
        (
            {"query_string_cache_keys": ["a"]},
            [f"{F}.query_string_cache_keys: not used with query_string false"],
        ),
        (
            {"ttl_s_min": 9, "ttl_s_max": 5, "ttl_s_default": 9},
            [f"{F}: ttl_s_min 9, ttl_s_default 9 and ttl_s_max 5 are not in order"],
        ),
    ],
)
def test_forwarded_values(values: dict[str, Any], expected: list[str]) -> None:
    assert problems({"forwarded_values": values}) == expected


@pytest.mark.parametrize(
    ("control", "expected"),
    [
        ({"certificate_file": "c.pem", "key_file": "k.pem"}, []),
        (
            {"certificate_file": "c.pem"},
            ["control.key_file: missing: a certificate_file needs one"],
        ),
        (
            {"key_file": "k.pem"},
            ["control.certificate_file: missing: a key_file needs one"],
        ),
    ],
)
def test_the_certificate_of_control(control: dict[str, str], expected: list[str]) -> None:
    found = Problems()
    check_pair(msgspec.convert(control, Control), "control", found)
    assert [str(problem) for problem in found.found] == expected
