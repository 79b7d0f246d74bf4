"""Which names a certificate is for."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable
from typing import Any

import pytest

from edgecache.upstream.endpoint import Endpoint, Network, TlsName, has_allowed_name, has_name
from edgecache.upstream.resolver import NameResolver


class Connection(asyncio.Transport):
    """A connection whose other side has shown `listed`."""

    def __init__(self, *listed: tuple[str, ...]) -> None:
        super().__init__({"peercert": {"subjectAltName": listed}})
        self.aborted = False

    def abort(self) -> None:
        self.aborted = True


class Connected(Network):
    """A network where one connection is at hand."""

    def __init__(self, connection: Connection) -> None:
        super().__init__(NameResolver(self._nowhere, lambda: 0.0))
        self._connection = connection

    async def _nowhere(self, host: str) -> tuple[str, ...]:
        raise AssertionError(host)

    async def _connected(
        self, endpoint: Endpoint, protocol: Callable[[], asyncio.Protocol]
    ) -> asyncio.Transport:
        return self._connection


@pytest.mark.parametrize(
    ("listed", "error"),
    [
        ((("IP Address", "<invalid>"), ("DNS", "origin.test")), None),
        ((("IP Address", "<invalid>"),), ssl.CertificateError),
        ((("DNS",),), ValueError),
    ],
)
def test_a_connection_that_is_not_used_is_aborted(
    listed: tuple[tuple[str, ...], ...], error: type[Exception] | None
) -> None:
    connection = Connection(*listed)
    endpoint = Endpoint("o.test", 443, tls=TlsName("a.test", other_name="origin.test"))
    asking: Any = Connected(connection)(endpoint, asyncio.Protocol)
    if error is None:
        assert asyncio.run(asking) is connection
    else:
        with pytest.raises(error):
            asyncio.run(asking)
    assert connection.aborted is (error is not None)


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


def test_what_is_no_address_is_passed_over() -> None:
    listed = (("IP Address", "<invalid>"), ("IP Address", "192.0.2.1"), ("DNS", "a.test"))
    certificate = {"subjectAltName": listed}
    assert has_name(certificate, "a.test")
    assert has_name(certificate, "192.0.2.1")
    assert not has_name(certificate, "<invalid>")
    assert not has_name(certificate, "192.0.2.2")


def test_a_certificate_without_alternative_names_is_for_nobody() -> None:
    subject = ((("commonName", "a.test"),),)
    assert not has_name({"subject": subject}, "a.test")
    assert not has_name({}, "a.test", "b.test")


@pytest.mark.parametrize(
    ("listed", "names", "found"),
    [
        ("a.test", ("a.test",), True),
        ("a.test", ("b.test", "A.Test"), True),
        ("*.a.test", ("b.a.test",), True),
        ("b.a.test", ("*.a.test",), True),
        ("*.a.test", ("*.A.test",), True),
        ("c.b.a.test", ("*.a.test",), False),
        ("a.test", ("*.a.test",), False),
        ("a.test", ("b.test",), False),
    ],
)
def test_names_that_a_certificate_may_have(
    listed: str, names: tuple[str, ...], found: bool
) -> None:
    assert has_allowed_name({"subjectAltName": (("DNS", listed),)}, names) is found


def test_a_certificate_of_none_of_the_names_is_refused_whatever_was_asked_for() -> None:
    tls = TlsName("a.test", certificate_names=("b.test",))
    for listed, refused in (("b.test", False), ("a.test", True)):
        connection = Connection(("DNS", listed))
        asking: Any = Connected(connection)(Endpoint("o.test", 443, tls=tls), asyncio.Protocol)
        if refused:
            with pytest.raises(ssl.CertificateError, match=r"none of b\.test"):
                asyncio.run(asking)
        else:
            asyncio.run(asking)
        assert connection.aborted is refused
