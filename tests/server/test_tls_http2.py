"""What a TLS port offers by ALPN, and which suites HTTP/2 may have."""

from __future__ import annotations

import ssl
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest
from msgspec.structs import replace

from edgecache.config.model import Config, Distribution, UnavailableSite
from edgecache.server.certificates import load_certificates
from edgecache.server.dev_certificate import development_certificate
from edgecache.server.tls import HTTP_1_1, Certificate, Session, TlsPort, context_of
from tests.server.test_tls import NOW, config, shake_hands, site

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


def versioned(name: str, version: str, pem: Path | None = None) -> Distribution:
    return replace(site(name.upper(), f"{name}.test", pem=pem), http_version=version)


def agreed(port: TlsPort, name: str | None, *offers: str) -> str | None:
    """What ALPN says to a viewer that offers HTTP/2 first, as browsers and curl do."""
    shown = shake_hands(port, name, offers=[*(offers or ("h2", "http/1.1"))])[1]
    return shown.selected_alpn_protocol()


@pytest.fixture(scope="module", params=["development", "one file for all"])
def mixed(tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> TlsPort:
    """A port whose names are of distributions that allow HTTP/2, and of some that do not."""
    names = {"one": "http1.1", "two": "http2", "three": "http3", "both": "http2and3"}
    folder, pem = tmp_path_factory.mktemp("mixed"), None
    if request.param != "development":
        pem = development_certificate(folder, [f"{name}.test" for name in names], NOW)
    sites = [versioned(name, version, pem) for name, version in names.items()]
    sites = [sites[1], sites[0], *sites[2:]]  # the first one's certificate is the default
    port = TlsPort(load_certificates(config(folder / "state", *sites), NOW))
    port.offer(("h2", *HTTP_1_1))
    return port


@pytest.mark.parametrize(
    ("name", "version"),
    [
        ("one.test", "http/1.1"),
        ("two.test", "h2"),
        ("three.test", "http/1.1"),
        ("both.test", "h2"),
        ("nobody.test", "http/1.1"),
        (None, "http/1.1"),  # it may mean any of them
    ],
)
def test_a_name_is_offered_what_its_distribution_allows(
    mixed: TlsPort, name: str | None, version: str
) -> None:
    """CloudFront's API Reference, DistributionConfig, "HttpVersion"."""
    assert agreed(mixed, name) == version
    assert agreed(mixed, name, "http/1.1") == "http/1.1"


def test_who_names_nobody_is_offered_http2_where_all_allow_it(tmp_path: Path) -> None:
    port = TlsPort(load_certificates(config(tmp_path, versioned("two", "http2")), NOW))
    port.offer(("h2", *HTTP_1_1))
    assert agreed(port, None) == "h2"


def test_another_http_version_counts_from_the_next_handshake_on(tmp_path: Path) -> None:
    port = TlsPort(load_certificates(config(tmp_path, versioned("one", "http2")), NOW))
    port.offer(("h2", *HTTP_1_1))
    assert agreed(port, "one.test") == "h2"
    later = config(tmp_path, versioned("one", "http1.1"))
    port.use(load_certificates(later, NOW, port.certificates))
    assert agreed(port, "one.test") == "http/1.1"


def test_names_that_answer_503_are_served_by_http_1_1(tmp_path: Path) -> None:
    gone = UnavailableSite(id="E", names=("gone.test",))
    port = TlsPort(load_certificates(Config(state_dir=str(tmp_path), unavailable=(gone,)), NOW))
    port.offer(("h2", *HTTP_1_1))
    assert agreed(port, "gone.test") == "http/1.1"
