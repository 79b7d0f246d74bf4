"""Which certificate a viewer is shown, what it is for, and which versions a policy admits."""

from __future__ import annotations

import ssl
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from msgspec.structs import replace

from edgecache.config.model import (
    Behavior,
    Config,
    Distribution,
    Origin,
    Quotas,
    UnavailableSite,
    ViewerCertificate,
)
from edgecache.server.certificates import load_certificates
from edgecache.server.dev_certificate import (
    RENEW_DAYS,
    SITE_DAYS,
    ca_file,
    development_certificate,
)
from edgecache.server.tls import POLICIES, Session, TlsPort

NOW = datetime.now(UTC)


def site(name: str, *aliases: str, pem: Path | None = None, policy: str = "TLSv1") -> Distribution:
    path = str(pem or "")
    return Distribution(
        id=name,
        aliases=aliases,
        origins=(Origin(id="o", domain_name="origin.test"),),
        default_behavior=Behavior(origin="o"),
        viewer_certificate=ViewerCertificate(
            certificate_file=path, key_file=path, minimum_protocol_version=policy
        ),
    )


def config(folder: Path, *sites: Distribution) -> Config:
    return Config(state_dir=str(folder), distributions=sites)


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A certificate of the operator's, with its key."""
    folder = tmp_path_factory.mktemp("own")
    return development_certificate(folder, ["own.test", "*.both.test", "both.test"], NOW)


@pytest.fixture(scope="module")
def port(tmp_path_factory: pytest.TempPathFactory, own: Path) -> TlsPort:
    wanted = config(
        tmp_path_factory.mktemp("state"),
        site("EOWN", "own.test", pem=own, policy="TLSv1.3_2025"),
        site("EWILD", "*.wild.test"),
        site("EPLAIN", "plain.test", "127.0.0.1"),
    )
    return TlsPort(load_certificates(wanted, NOW))


def handshake(
    port: TlsPort,
    name: str | None,
    version: ssl.TLSVersion = ssl.TLSVersion.TLSv1_3,
    *,
    trusts: Path | None = None,
) -> Session:
    """What a viewer that asks for `name` settles with the port, in memory."""
    return port.session(shake_hands(port, name, version, trusts=trusts)[1])


def shake_hands(
    port: TlsPort,
    name: str | None,
    version: ssl.TLSVersion = ssl.TLSVersion.TLSv1_3,
    *,
    trusts: Path | None = None,
    offers: list[str] | None = None,
) -> tuple[ssl.SSLObject, ssl.SSLObject]:
    """Both sides, the viewer's first, once it is done; it `offers` protocols by ALPN."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    if trusts is None:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    else:
        context.load_verify_locations(trusts)
    context.maximum_version = version
    if offers:
        context.set_alpn_protocols(offers)
    up, down = ssl.MemoryBIO(), ssl.MemoryBIO()
    viewer = context.wrap_bio(down, up, server_hostname=name)
    server = port.context.wrap_bio(up, down, server_side=True)
    waiting = [viewer, server]
    for _ in range(10):
        for side in tuple(waiting):
            try:
                side.do_handshake()
                waiting.remove(side)
            except ssl.SSLWantReadError:
                continue
    assert not waiting
    return viewer, server


@pytest.mark.parametrize(
    ("offers", "chosen"),
    [
        (None, None),
        (["http/1.1"], "http/1.1"),
        (["h2", "http/1.1"], "http/1.1"),
        (["h2"], None),  # no alert: docs/decisions/021
        (["ftp", "imap"], None),
    ],
)
def test_a_protocol_is_chosen_among_those_offered(
    port: TlsPort, offers: list[str] | None, chosen: str | None
) -> None:
    for side in shake_hands(port, "own.test", offers=offers):
        assert side.selected_alpn_protocol() == chosen


CHOSEN = [
    ("own.test", b"own.test"),
    ("OWN.test", b"own.test"),
    ("a.wild.test", b"*.wild.test"),
    ("a.b.wild.test", b"*.wild.test"),
    ("plain.test", b"plain.test"),
]


@pytest.mark.parametrize(("name", "alias"), CHOSEN)
def test_sni_chooses(port: TlsPort, name: str | None, alias: bytes) -> None:
    assert alias in handshake(port, name).certificate.names


@pytest.mark.parametrize("name", ["wild.test", "nobody.test", None])
def test_who_names_nobody_is_shown_nobodys_names(port: TlsPort, name: str | None) -> None:
    shown = handshake(port, name).certificate
    assert shown is port.certificates[0]
    assert shown.covers == {b"localhost", b"127.0.0.1", b"[::1]"}


COVERED = [
    ("own.test", b"own.test", True),
    ("own.test", b"both.test", True),  # the certificate names it, too
    ("own.test", b"a.both.test", True),
    ("own.test", b"a.b.both.test", False),
    ("own.test", b"plain.test", False),
    ("own.test", b"169.254.169.254", False),
    ("plain.test", b"plain.test", True),
    ("plain.test", b"a.wild.test", False),  # another site's, with a certificate of its own
    ("plain.test", b"127.0.0.1", True),
    ("plain.test", b"own.test", False),
    (None, b"127.0.0.1", True),
    (None, b"own.test", False),
]


@pytest.mark.parametrize(("name", "host", "covered"), COVERED)
def test_a_certificate_covers(port: TlsPort, name: str | None, host: bytes, covered: bool) -> None:
    assert handshake(port, name).covers(host) is covered


def test_sessions_alike_are_one(port: TlsPort) -> None:
    one, two = handshake(port, "plain.test"), handshake(port, "plain.test")
    assert one is two
    assert one.told == f"TLSv1.3:{one.cipher}:fullHandshake".encode()
    assert handshake(port, "own.test") is not one


def test_a_version_older_than_the_policy_is_told(port: TlsPort) -> None:
    old = ssl.TLSVersion.TLSv1_2
    assert handshake(port, "own.test", old).refused
    assert not handshake(port, "plain.test", old).refused
    assert not handshake(port, "own.test").refused


@pytest.mark.parametrize("policy", POLICIES)
def test_every_policy_can_be_had(tmp_path: Path, own: Path, policy: str) -> None:
    port = TlsPort(
        load_certificates(config(tmp_path, site("E", "own.test", pem=own, policy=policy)), NOW)
    )
    session = handshake(port, "own.test")
    assert (session.protocol, session.refused) == ("TLSv1.3", False)
    assert not (tmp_path / "tls").exists()  # nobody needs a development certificate


def aliases(of: int) -> list[str]:
    return [f"alias{number}.tenant{of}.test" for number in range(Quotas().aliases_per_distribution)]


def test_every_site_shakes_hands_however_many_names_there_are(tmp_path: Path) -> None:
    """40 distributions of 100 names: one certificate for all was larger than OpenSSL takes."""
    many = config(tmp_path, *(site(f"E{of}", *aliases(of)) for of in range(40)))
    port = TlsPort(load_certificates(many, NOW))
    for of in range(40):
        session = handshake(port, aliases(of)[of], trusts=ca_file(tmp_path))
        assert session.certificate.covers == {name.encode() for name in aliases(of)}
    for nobody in (None, "nobody.test"):
        assert len(handshake(port, nobody).certificate.covers) == 3


def test_what_has_not_changed_is_not_made_anew(tmp_path: Path, own: Path) -> None:
    sites = [site("EOWN", "own.test", pem=own), site("EA", "a.test"), site("EB", "b.test")]
    first = load_certificates(config(tmp_path, *sites), NOW)
    sites[2] = site("EB", "b.test", "c.test")
    second = load_certificates(config(tmp_path, *sites), NOW, first)
    assert [one for one in second if one in first] == [first[0], first[1], first[3]]
    assert second[2].names == {b"b.test", b"c.test"}
    later = NOW + timedelta(days=SITE_DAYS - RENEW_DAYS)
    third = load_certificates(config(tmp_path, *sites), later, second)
    assert not {*third[:3]} & {*second}


def test_sites_with_one_file_and_policy_share_it(tmp_path: Path, own: Path) -> None:
    port = TlsPort(
        load_certificates(
            config(
                tmp_path,
                site("EONE", "one.test", pem=own),
                site("ETWO", "two.test", pem=own),
                site("ENEW", "new.test", pem=own, policy="TLSv1.3_2025"),
            ),
            NOW,
        )
    )
    assert len(port.certificates) == 2
    assert handshake(port, "one.test").certificate is handshake(port, "two.test").certificate
    assert not handshake(port, "one.test").covers(b"new.test")


def test_an_address_is_in_the_default_since_it_is_no_name_to_choose_by(tmp_path: Path) -> None:
    port = TlsPort(load_certificates(config(tmp_path, site("E", "192.0.2.1", "a.test")), NOW))
    assert handshake(port, None).covers(b"192.0.2.1")
    assert not handshake(port, None).covers(b"a.test")


def test_a_distribution_that_is_not_served_keeps_its_certificate(tmp_path: Path) -> None:
    unserved = UnavailableSite(id="E", names=("gone.test",), reasons=("why",))
    known = replace(config(tmp_path, site("EA", "a.test")), unavailable=(unserved,))
    assert handshake(TlsPort(load_certificates(known, NOW)), "gone.test").covers(b"gone.test")


def test_a_site_for_any_host_is_never_misdirected(tmp_path: Path) -> None:
    port = TlsPort(load_certificates(config(tmp_path, site("E", "*")), NOW))
    assert handshake(port, "anything.test").covers(b"something.else")


def test_new_certificates_are_for_the_next_handshake(tmp_path: Path, own: Path) -> None:
    port = TlsPort(load_certificates(config(tmp_path, site("E", "old.test")), NOW))
    before = handshake(port, "old.test")
    port.use(load_certificates(config(tmp_path, site("E", "own.test", pem=own)), NOW))
    assert handshake(port, "old.test").certificate.names == {b"own.test"}
    assert before.covers(b"old.test")


def test_a_handshake_under_way_keeps_the_certificate_it_was_shown(
    tmp_path: Path, own: Path
) -> None:
    """It was misdirected: the certificate of its context was known no more."""
    sites = site("EOTHER", "other.test"), site("EOWN", "own.test", pem=own)
    port = TlsPort(load_certificates(config(tmp_path, *sites), NOW))
    _, server = shake_hands(port, "own.test")
    renewed = development_certificate(tmp_path / "renewed", ["own.test"], NOW)
    sites = sites[0], site("EOWN", "own.test", pem=renewed)
    port.use(load_certificates(config(tmp_path, *sites), NOW, port.certificates))
    session = port.session(server)
    assert session.covers(b"own.test")
    assert not session.covers(b"other.test")
    assert session is not port.session(server)  # of one that is gone nothing is remembered
