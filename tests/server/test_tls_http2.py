"""What a TLS port offers by ALPN, and which suites HTTP/2 may have."""

from __future__ import annotations

import ssl
from collections.abc import Callable
from datetime import UTC, datetime

import pytest

from edgecache.server.tls import HTTP_1_1, Certificate, Session, TlsPort, context_of

SUITES = [
    ("TLSv1.3", "TLS_AES_128_GCM_SHA256", True),
    ("TLSv1.2", "ECDHE-RSA-AES128-GCM-SHA256", True),
    ("TLSv1.2", "ECDHE-ECDSA-CHACHA20-POLY1305", True),
    ("TLSv1.2", "DHE-RSA-AES256-GCM-SHA384", True),
    ("TLSv1.2", "ECDHE-RSA-AES128-SHA256", False),  # CBC
    ("TLSv1.2", "AES128-GCM-SHA256", False),  # keys for ever
]


def certificate() -> Certificate:
    context = context_of(ssl.TLSVersion.TLSv1_2, "")
    end = datetime.max.replace(tzinfo=UTC)
    return Certificate(context, ssl.TLSVersion.TLSv1_2, frozenset(), frozenset(), None, end)


@pytest.mark.parametrize(("protocol", "cipher", "adequate"), SUITES)
def test_suites_that_http2_may_have(protocol: str, cipher: str, adequate: bool) -> None:
    """RFC 9113 Appendix A."""
    session = Session(certificate(), protocol, cipher, False)
    assert session.adequate_for_http2 is adequate


def test_every_certificate_of_a_port_offers_what_the_port_does(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Those of before and those that come later."""
    offered: dict[int, list[str]] = {}

    made = [certificate(), certificate()]
    port = TlsPort()
    monkeypatch.setattr(ssl.SSLContext, "set_alpn_protocols", _recorded(offered))
    port.use((made[0],))
    assert offered[id(made[0].context)] == [*HTTP_1_1]
    port.offer(("h2", *HTTP_1_1))
    port.use(tuple(made))
    assert [offered[id(one.context)] for one in made] == [["h2", "http/1.1"]] * 2


def _recorded(offered: dict[int, list[str]]) -> Callable[[ssl.SSLContext, list[str]], None]:
    return lambda context, protocols: offered.__setitem__(id(context), protocols)
