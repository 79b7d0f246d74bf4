"""Certificates read from files: what a faulty pair leaves, and what is said of it."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest
from msgspec.structs import replace

from edgecache.cluster.certificates import keep_site_certificate, site_certificate_path
from edgecache.config.dns import DnsSettings, made_label
from edgecache.config.model import UnavailableSite, ViewerCertificate
from edgecache.server.certificates import (
    FILE_BYTES_MAX,
    CertificateFiles,
    file_pairs,
    load_certificates,
)
from edgecache.server.dev_certificate import ca_file, development_certificate
from edgecache.server.tls import TlsPort
from tests.server.test_tls import NOW, config, handshake, site


@pytest.fixture
def own(tmp_path: Path) -> Path:
    """A certificate of the operator's, with its key."""
    return development_certificate(tmp_path / "own", ["own.test"], NOW)


@pytest.fixture
def pair(tmp_path: Path) -> tuple[Path, Path]:
    """A certificate and its key, each in a file of its own."""
    return separate(tmp_path, "first")


def separate(folder: Path, name: str) -> tuple[Path, Path]:
    pem = development_certificate(folder / name, ["own.test"], NOW).read_bytes()
    key, certificate = (folder / f"{name}.{kind}" for kind in ("key", "pem"))
    at = pem.index(b"-----BEGIN CERTIFICATE")
    key.write_bytes(pem[:at])
    certificate.write_bytes(pem[at:])
    return certificate, key


@pytest.mark.parametrize(
    ("spoils", "named", "why"),
    [
        ("certificate", 0, "no certificate in PEM; write the certificate there"),
        ("key", 1, "no private key in PEM; write the key of the certificate there"),
        ("other key", 1, "is not the key of {0} (serial "),
        ("gone", 0, "no such file or directory; write it there, or name another file"),
        ("large", 0, "larger than 1048576 bytes; write the certificate's own chain alone there"),
    ],
)
def test_a_faulty_pair_leaves_what_was_read_before(
    tmp_path: Path, pair: tuple[Path, Path], spoils: str, named: int, why: str
) -> None:
    paths = str(pair[0]), str(pair[1])
    certificate = ViewerCertificate(certificate_file=paths[0], key_file=paths[1])
    wanted = config(tmp_path, replace(site("E", "own.test"), viewer_certificate=certificate))
    files = CertificateFiles()
    first = load_certificates(wanted, NOW, (), files)
    if spoils == "gone":
        pair[0].unlink()
    elif spoils == "large":
        pair[0].write_bytes(b" " * (FILE_BYTES_MAX + 1))
    elif spoils == "other key":
        pair[1].write_bytes(separate(tmp_path, "other")[1].read_bytes())
    else:
        pair[named].write_text("spoilt")
    assert load_certificates(wanted, NOW, first, files) == first
    assert str(files.faults[paths]).startswith(f"{paths[named]}: {why.format(*paths)}")
    for path, right in zip(pair, separate(tmp_path, "renewed"), strict=True):
        path.write_bytes(right.read_bytes())
    second = load_certificates(wanted, NOW, first, files)
    assert second != first
    assert not files.faults


def test_a_faulty_pair_that_never_was_good_stops_no_other_site(tmp_path: Path, own: Path) -> None:
    broken = tmp_path / "broken.pem"
    broken.write_text("no certificate")
    files = CertificateFiles()
    sites = site("EOWN", "own.test", pem=own), site("E", "broken.test", pem=broken)
    port = TlsPort(load_certificates(config(tmp_path, *sites), NOW, (), files))
    assert handshake(port, "own.test").covers(b"own.test")
    assert [*files.faults] == [(str(broken), str(broken))]
    assert not ca_file(tmp_path).exists()
    assert load_certificates(config(tmp_path, sites[1]), NOW, (), files) == ()


def test_one_that_was_issued_is_shown_from_the_next_load_on(tmp_path: Path) -> None:
    wanted = replace(config(tmp_path, site("E", "own.test")), certificates="acme")
    before = load_certificates(wanted, NOW)[1]
    issued = development_certificate(tmp_path / "issuer", ["own.test"], NOW)
    assert keep_site_certificate(tmp_path, "E", issued.read_bytes())
    assert not keep_site_certificate(tmp_path, "E", issued.read_bytes())
    (shown,) = load_certificates(wanted, NOW)
    assert (before.file, shown.file) == ("", str(site_certificate_path(tmp_path, "E")))
    assert stat.S_IMODE(site_certificate_path(tmp_path, "E").stat().st_mode) == 0o600


def zone_settings(pem: Path) -> DnsSettings:
    return DnsSettings(
        listen=("127.0.0.1:53",),
        zone="CDN.test.",
        certificate_file=str(pem),
        key_file=str(pem),
    )


def test_names_in_the_operator_s_zone_have_its_certificate(tmp_path: Path, own: Path) -> None:
    """Whether the distribution has one of its own, has none, or answers 503."""
    wild = development_certificate(tmp_path / "wild", ["*.cdn.test"], NOW)
    sites = site("EOWN", "own.test", pem=own), site("EMADE", "made.test")
    down = UnavailableSite(
        id="EDOWN", names=("d111.cloudfront.net", "down.test"), reasons=("a reason",)
    )
    wanted = replace(config(tmp_path, *sites), dns=zone_settings(wild), unavailable=(down,))
    port = TlsPort(load_certificates(wanted, NOW))
    for label in (made_label("EOWN"), made_label("EMADE"), "d111"):
        name = f"{label}.cdn.test"
        shown = handshake(port, name)
        assert shown.certificate.file == str(wild)
        assert shown.covers(name.encode())
    assert handshake(port, "own.test").certificate.file == str(own)
    assert not handshake(port, "made.test").certificate.file
    assert (str(wild), str(wild)) in file_pairs(wanted)  # it is read again when it changes
    port.offer(("h2", "http/1.1"))
    offers = {one.http2 for one in port.certificates if b"d111.cdn.test" in one.names}
    assert offers == {False}


def test_without_a_certificate_of_the_zone_there_is_none_for_it(tmp_path: Path, own: Path) -> None:
    dns = DnsSettings(listen=("127.0.0.1:53",), zone="cdn.test")
    wanted = replace(config(tmp_path, site("EOWN", "own.test", pem=own)), dns=dns)
    assert len(load_certificates(wanted, NOW)) == 1
