"""A development authority and certificate. Law: kept between starts; its keys their owner's alone.

`ca.pem` is what a client is to trust (`curl --cacert`), `ca.key` its key, `site.pem` the key and
certificate of all names. They are for machines of one's own: nobody else trusts the authority.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

CA_DAYS = 3_650  # as long as mkcert's authority lives
SITE_DAYS = 397  # browsers refuse leaves of more than 398 (CA/Browser Forum, §6.3.2)
RENEW_DAYS = 30  # before the end: where certbot renews
_BACKDATED = timedelta(hours=1)  # for clients whose clocks are behind ours

_LOCAL = ("localhost", "127.0.0.1", "::1")


@dataclass(frozen=True, slots=True)
class _Authority:
    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey


def folder_of(state_dir: str | Path) -> Path:
    """Where an installation keeps its development certificate."""
    return Path(state_dir) / "tls"


def ca_file(state_dir: str | Path) -> Path:
    """The certificate of the development authority, as a client needs it."""
    return folder_of(state_dir) / "ca.pem"


def development_certificate(state_dir: str | Path, names: Iterable[str], now: datetime) -> Path:
    """A PEM file with key and certificate for `names` (host names, `*.` names, addresses).

    What is there is kept while it names all of them and has `RENEW_DAYS` to live. Processes that
    start together agree: one makes it, the others wait. OSError when it cannot be written.
    """
    wanted = _alternatives(names)
    folder = folder_of(state_dir)
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    path = folder / "site.pem"
    with _locked(folder / "lock"):
        authority = _kept_authority(folder, now)
        if authority is None:
            authority = _make_authority(folder, now)
        if not _serves(path, authority, wanted, now):
            _make_site(path, authority, wanted, now)
    return path


def alternative_names(certificate: x509.Certificate) -> frozenset[str]:
    """The host names (with `*.`) and addresses a certificate is for, as Host has them."""
    try:
        found = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return frozenset()  # the common name alone names nobody (RFC 9110 §4.3.4)
    hosts = found.get_values_for_type(x509.DNSName)
    addresses = (
        f"[{address}]" if ":" in str(address) else str(address)
        for address in found.get_values_for_type(x509.IPAddress)
    )
    return frozenset(name.lower() for name in (*hosts, *addresses))


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _alternatives(names: Iterable[str]) -> list[x509.GeneralName]:
    """`*` alone can stand in no certificate; this machine's own names always do."""
    found: list[x509.GeneralName] = []
    for name in sorted({name.lower().strip("[]") for name in names if name != "*"} | {*_LOCAL}):
        try:
            found.append(x509.IPAddress(ip_address(name)))
        except ValueError:
            found.append(x509.DNSName(name))
    return found


def _kept_authority(folder: Path, now: datetime) -> _Authority | None:
    try:
        certificate = x509.load_pem_x509_certificate((folder / "ca.pem").read_bytes())
        key = serialization.load_pem_private_key((folder / "ca.key").read_bytes(), None)
    except (OSError, ValueError):
        return None
    if not isinstance(key, ec.EllipticCurvePrivateKey) or not _lasts(certificate, now):
        return None
    if key.public_key() != certificate.public_key():
        return None
    return _Authority(certificate, key)


def _serves(
    path: Path, authority: _Authority, wanted: list[x509.GeneralName], now: datetime
) -> bool:
    try:
        certificate = x509.load_pem_x509_certificate(path.read_bytes())
        certificate.verify_directly_issued_by(authority.certificate)
        found = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except (OSError, ValueError, TypeError, InvalidSignature, x509.ExtensionNotFound):
        return False
    return list(found) == wanted and _lasts(certificate, now)


def _lasts(certificate: x509.Certificate, now: datetime) -> bool:
    return certificate.not_valid_after_utc - now > timedelta(days=RENEW_DAYS)


def _make_authority(folder: Path, now: datetime) -> _Authority:
    key = ec.generate_private_key(ec.SECP256R1())
    name = _name("edgecache development authority")
    usage = x509.KeyUsage(False, False, False, False, False, True, True, False, False)
    certificate = (
        _unsigned(name, name, key, now, CA_DAYS)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(usage, critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .sign(key, hashes.SHA256())
    )
    _replace(folder / "ca.key", _pem_of(key))
    _replace(folder / "ca.pem", certificate.public_bytes(serialization.Encoding.PEM))
    return _Authority(certificate, key)


def _make_site(
    path: Path, authority: _Authority, names: list[x509.GeneralName], now: datetime
) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    ours = authority.key.public_key()
    usage = x509.KeyUsage(True, False, False, False, False, False, False, False, False)
    purpose = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH])
    certificate = (
        _unsigned(
            _name("edgecache development"), authority.certificate.subject, key, now, SITE_DAYS
        )
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(usage, critical=True)
        .add_extension(purpose, critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(ours), critical=False)
        .sign(authority.key, hashes.SHA256())
    )
    _replace(path, _pem_of(key) + certificate.public_bytes(serialization.Encoding.PEM))


def _unsigned(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePrivateKey, now: datetime, days: int
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _BACKDATED)
        .not_valid_after(now + timedelta(days=days))
    )


def _name(words: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, words)])


def _pem_of(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )


def _replace(path: Path, data: bytes) -> None:
    """Whole or not at all: a reader never sees half a file, nor anybody else a key."""
    made = path.with_suffix(".new")
    made.unlink(missing_ok=True)
    descriptor = os.open(made, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    made.replace(path)
