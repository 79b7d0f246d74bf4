"""What reaches an origin beside the key: well-formed, and without a say in what others get."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgecache.config.model import (
    Behavior,
    CachePolicy,
    Config,
    CustomErrorResponse,
    Distribution,
    HeaderSelection,
    Origin,
    OriginRequestPolicy,
    Selection,
)
from edgecache.http.message import Fields
from edgecache.rules.routing import Route, compile_routes, route
from edgecache.rules.unkeyed_input import failure_is_of_object, well_formed
from tests.rules.pieces import asks, lines


@pytest.mark.parametrize(
    ("value", "passes"),
    [
        ("192.0.2.1", True),
        ("192.0.2.1, 198.51.100.7", True),
        ("192.0.2.1,198.51.100.7:4711", True),
        ("2001:db8::1", True),
        ("[2001:db8::1]:443, ::ffff:192.0.2.1", True),
        (", ".join(["192.0.2.1"] * 32), True),
        (", ".join(["192.0.2.1"] * 33), False),
        ("", True),
        ("unknown", False),
        ("192.0.2.1, ${jndi:ldap://x}", False),
        ("192.0.2.256", False),
        ("192.0.2", False),
        ("01.2.3.4", False),
        ("192.0.2.1:port", False),
        ("fe80::1%eth0", False),
        ("2001:db8::1]:80", False),
        ("'", False),
        ('"192.0.2.1"', False),
        ("a" * 9_000, False),
    ],
)
def test_x_forwarded_for_is_a_list_of_addresses_or_nothing(value: str, passes: bool) -> None:
    given_ = lines("accept: a", f"x-forwarded-for: {value}", "te: b")
    expected = given_ if passes else lines("accept: a", "te: b")
    assert well_formed(given_) == expected


def test_one_bad_line_takes_all_of_them_along() -> None:
    fields = lines("x-forwarded-for: 192.0.2.1", "a: b", "x-forwarded-for: x'")
    assert well_formed(fields) == lines("a: b")


@pytest.mark.parametrize(
    ("value", "kept"),
    [
        ("cloudfront", "cloudfront"),
        ("a.test:80; v=1, [2001:db8::1]:8080", "a.test:80; v=1, [2001:db8::1]:8080"),
        ('a; by="b, c";n=2', 'a; by="b, c";n=2'),
        ("cloudfront;x", "cloudfront"),
        ("cloudfront; x=", "cloudfront"),
        ('a; b="c', "a"),
        ("a b, c", "c"),
        ("<script>, c", "c"),
        ("<script>", None),
        ("a" * 256, None),
        ("a; b=" + "c" * 256, "a"),
    ],
)
def test_cdn_loop_keeps_what_is_of_its_grammar(value: str, kept: str | None) -> None:
    expected = () if kept is None else lines(f"cdn-loop: {kept}")
    assert well_formed(lines(f"cdn-loop: {value}")) == expected


@given(st.binary(max_size=80), st.sampled_from([b"x-forwarded-for", b"cdn-loop"]))
def test_what_is_well_formed_stays_so(value: bytes, name: bytes) -> None:
    fields: Fields = ((name, value),)
    once = well_formed(fields)
    assert well_formed(once) == once
    if name == b"x-forwarded-for" and once:
        assert not set(value.lower()) - set(b"0123456789abcdef.:[], \t")


EXTRA = OriginRequestPolicy(
    headers=HeaderSelection(behavior="whitelist", items=("X-Own", "Host", "CloudFront-Is-Mobile")),
    cookies=Selection(behavior="whitelist", items=("c",)),
    query_strings=Selection(behavior="all"),
)
ALL = OriginRequestPolicy(headers=HeaderSelection(behavior="allViewer"))


def on(extra: OriginRequestPolicy | None = None, **more: Any) -> Route:
    keyed = CachePolicy(headers=HeaderSelection(behavior="whitelist", items=("X-Keyed",)))
    behavior = Behavior(origin="o", cache_policy=keyed, origin_request_policy=extra)
    origins = (Origin(id="o", domain_name="origin.test"),)
    site = Distribution(id="E", origins=origins, default_behavior=behavior, **more)
    return route(compile_routes(Config(distributions=(site,))).by_id["E"], b"/")


@pytest.mark.parametrize(
    ("field", "status", "extra", "shared"),
    [
        ("accept: a", 502, None, True),
        ("x-forwarded-for: 192.0.2.1", 502, None, False),
        ("x-forwarded-for: 192.0.2.1", 404, None, False),
        ("x-forwarded-for: x", 502, None, False),
        ("cdn-loop: a", 504, None, False),
        ("x-own: a", 502, EXTRA, False),
        ("x-own: a", 400, EXTRA, False),
        ("x-own: a", 404, EXTRA, True),
        ("x-own: a", 502, None, True),
        ("x-keyed: a", 502, ALL, True),
        ("host: site.test", 502, EXTRA, True),
        ("cloudfront-is-mobile: true", 502, EXTRA, True),
        ("user-agent: a", 502, ALL, False),
        ("user-agent: a", 502, EXTRA, True),
        ("cookie: c=1", 502, EXTRA, False),
        ("cookie: c=1", 502, ALL, True),
    ],
)
def test_a_failure_is_the_objects_where_nothing_else_can_have_caused_it(
    field: str, status: int, extra: OriginRequestPolicy | None, shared: bool
) -> None:
    assert failure_is_of_object(asks("/a", field), on(extra), status) is shared


def test_a_query_that_is_not_in_the_key_counts_too() -> None:
    assert not failure_is_of_object(asks("/a?b"), on(EXTRA), 502)
    assert failure_is_of_object(asks("/a"), on(EXTRA), 502)
    assert failure_is_of_object(asks("/a?b"), on(), 502)


def test_the_operators_own_word_counts_before_what_a_policy_names() -> None:
    found = on(ALL, custom_error_responses=(CustomErrorResponse(error_code=502),))
    assert failure_is_of_object(asks("/a", "user-agent: a"), found, 502)
    assert not failure_is_of_object(asks("/a", "user-agent: a"), found, 503)
    assert not failure_is_of_object(asks("/a", "x-forwarded-for: 192.0.2.1"), found, 502)
