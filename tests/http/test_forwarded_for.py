"""X-Forwarded-For and CDN-Loop: what of them is well-formed, and goes on."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgecache.http.forwarded_for import well_formed
from edgecache.http.message import Fields
from tests.rules.pieces import lines


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
