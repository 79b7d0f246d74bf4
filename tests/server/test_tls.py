"""Which certificate a viewer is shown, what it is for, and which versions a policy admits."""

from __future__ import annotations

import ssl
from datetime import UTC, datetime
from pathlib import Path

import pytest

from edgecache.config.model import Behavior, Config, Distribution, Origin, ViewerCertificate
from edgecache.server.certificates import ca_file, development_certificate
from edgecache.server.tls import POLICIES, Session, TlsPort, load_certificates

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
    port: TlsPort, name: str | None, version: ssl.TLSVersion = ssl.TLSVersion.TLSv1_3
) -> Session:
    """What a viewer that asks for `name` settles with the port, in memory."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    context.maximum_version = version
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
    return port.session(server)


CHOSEN = [
    ("own.test", b"own.test"),
    ("OWN.test", b"own.test"),
    ("a.wild.test", b"*.wild.test"),
    ("a.b.wild.test", b"*.wild.test"),
    ("plain.test", b"plain.test"),
    ("wild.test", b"*.wild.test"),  # nobody's: the default is the first without a file of its own
    ("nobody.test", b"*.wild.test"),
    (None, b"*.wild.test"),
]


@pytest.mark.parametrize(("name", "alias"), CHOSEN)
def test_sni_chooses(port: TlsPort, name: str | None, alias: bytes) -> None:
    assert alias in handshake(port, name).certificate.names


COVERED = [
    ("own.test", b"own.test", True),
    ("own.test", b"both.test", True),  # the certificate names it, too
    ("own.test", b"a.both.test", True),
    ("own.test", b"a.b.both.test", False),
    ("own.test", b"plain.test", False),
    ("own.test", b"169.254.169.254", False),
    ("plain.test", b"plain.test", True),
    ("plain.test", b"a.wild.test", True),  # one development certificate for both
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


def test_a_site_for_any_host_is_never_misdirected(tmp_path: Path) -> None:
    port = TlsPort(load_certificates(config(tmp_path, site("E", "*")), NOW))
    assert handshake(port, "anything.test").covers(b"something.else")


def test_new_certificates_are_for_the_next_handshake(tmp_path: Path, own: Path) -> None:
    port = TlsPort(load_certificates(config(tmp_path, site("E", "old.test")), NOW))
    before = handshake(port, "old.test")
    port.use(load_certificates(config(tmp_path, site("E", "own.test", pem=own)), NOW))
    assert handshake(port, "old.test").certificate.names == {b"own.test"}
    assert before.covers(b"old.test")


def test_a_broken_file_is_told(tmp_path: Path) -> None:
    broken = tmp_path / "broken.pem"
    broken.write_text("no certificate")
    with pytest.raises(ssl.SSLError):
        load_certificates(config(tmp_path, site("E", "own.test", pem=broken)), NOW)
    assert not ca_file(tmp_path).exists()
