"""Which names a certificate is for."""

from __future__ import annotations

import pytest

from edgecache.upstream.endpoint import has_name


@pytest.mark.parametrize(
    ("listed", "name", "found"),
    [
        ("a.test", "A.test.", True),
        ("A.Test", "a.test", True),
        ("*.a.test", "b.a.test", True),
        ("*.a.test", "c.b.a.test", False),
        ("*.a.test", "a.test", False),
        ("*.test", "a.test", False),  # of a whole top level there is none
        ("b*.a.test", "bc.a.test", False),
        ("*", "a", False),
        ("a.test", "b.test", False),
        ("127.0.0.1", "127.0.0.1", False),  # an address is no DNS name
    ],
)
def test_names_of_a_certificate(listed: str, name: str, found: bool) -> None:
    """RFC 9525 §6.3."""
    assert has_name({"subjectAltName": (("DNS", listed),)}, name) is found


@pytest.mark.parametrize(
    ("listed", "name", "found"),
    [
        ("192.0.2.1", "192.0.2.1", True),
        ("192.0.2.1", "192.0.2.2", False),
        ("2001:DB8:0:0:0:0:0:1", "2001:db8::1", True),
    ],
)
def test_addresses_of_a_certificate(listed: str, name: str, found: bool) -> None:
    assert has_name({"subjectAltName": (("IP Address", listed),)}, "x.test", name) is found


def test_a_certificate_without_alternative_names_is_for_nobody() -> None:
    subject = ((("commonName", "a.test"),),)
    assert not has_name({"subject": subject}, "a.test")
    assert not has_name({}, "a.test", "b.test")
