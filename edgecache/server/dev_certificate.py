"""A development authority and its certificates. Law: kept between starts; its keys their owner's.

`ca.pem` is what a client is to trust (`curl --cacert`), `ca.key` its key, `site.pem` the key of
every certificate and the one of this machine's own names. Each distribution has a certificate of
its own, made when a configuration comes and kept nowhere: no names of others stand in it. They are
for machines of one's own: nobody else trusts the authority.
"""

from __future__ import annotations

import fcntl
import logging
import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID

from edgecache.cluster.certificates import common_name, key_pem

logger = logging.getLogger("edgecache.server")

CA_DAYS = 3_650  # as long as mkcert's authority lives
SITE_DAYS = 397  # browsers refuse leaves of more than 398 (CA/Browser Forum, §6.3.2)
RENEW_DAYS = 30  # before the end: where certbot renews
ADDRESSES_MAX = 100  # in the default certificate: as many names as a distribution's may have
_BACKDATED = timedelta(hours=1)  # for clients whose clocks are behind ours

LOCAL = ("localhost", "127.0.0.1", "::1")

Write = Callable[[Path, bytes], None]


@dataclass(frozen=True, slots=True)
class _Authority:
    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey


@dataclass(frozen=True, slots=True)
class DevelopmentCertificate:
    """The authority, ready to sign. `default` is the PEM (key and certificate) of this machine."""

    authority: _Authority
    key: ec.EllipticCurvePrivateKey  # of every certificate: making one costs a signature
    default: bytes
    now: datetime

    def certificate(self, names: Iterable[str]) -> bytes:
        """The PEM of a certificate for `names` (host names, `*.` names, addresses) and its key."""
        return _made(self.authority, self.key, _alternatives(names), self.now)


def folder_of(state_dir: str | Path) -> Path:
    """Where an installation keeps its development certificate."""
    return Path(state_dir) / "tls"


def ca_file(state_dir: str | Path) -> Path:
    """The certificate of the development authority, as a client needs it."""
    return folder_of(state_dir) / "ca.pem"


def development(
    state_dir: str | Path, addresses: Iterable[str], now: datetime, write: Write | None = None
) -> DevelopmentCertificate:
    """The authority of an installation; its default certificate is for `addresses`, too.

    What is there is used while it has `RENEW_DAYS` to live. Processes that start together agree:
    one makes it, the others wait. Where nothing can be written, what is there is used until its
    end, and what is missing is made for this process alone.
    """
    folder = folder_of(state_dir)
    wanted = _alternatives({*LOCAL, *_bounded(addresses)})
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        with _locked(folder / "lock"):
            return _opened(folder, wanted, now, write or _replace)
    except OSError as error:
        logger.warning("%s: %s: a certificate is made in memory", folder, error.strerror or error)
        return _opened(folder, wanted, now, _nowhere, days=0)


def development_certificate(state_dir: str | Path, names: Iterable[str], now: datetime) -> Path:
    """A PEM file with key and certificate for `names` and this machine, made by an authority of
    its own in `state_dir`: for a server that is not ours. OSError when it cannot be written."""
    found = development(state_dir, (), now)
    path = folder_of(state_dir) / "names.pem"
    _replace(path, found.certificate({*LOCAL, *names}))
    return path


def _bounded(addresses: Iterable[str]) -> list[str]:
    """Addresses alone, of those the first: who asks by one sends no name to choose by."""
    return [name for name in dict.fromkeys(addresses) if _is_address(name)][:ADDRESSES_MAX]


def _is_address(name: str) -> bool:
    try:
        ip_address(name.strip("[]"))
    except ValueError:
        return False
    return True


def _opened(
    folder: Path,
    wanted: list[x509.GeneralName],
    now: datetime,
    write: Write,
    days: int = RENEW_DAYS,
) -> DevelopmentCertificate:
    """What is in the folder with `days` to live; the rest is made, and given to `write`."""
    authority = _kept_authority(folder, now, days) or _make_authority(folder, now, write)
    path = folder / "site.pem"
    key = _kept_key(path) or ec.generate_private_key(ec.SECP256R1())
    if _serves(path, authority, wanted, now, days):
        return DevelopmentCertificate(authority, key, path.read_bytes(), now)
    default = _made(authority, key, wanted, now)
    write(path, default)
    return DevelopmentCertificate(authority, key, default, now)


def _kept_key(path: Path) -> ec.EllipticCurvePrivateKey | None:
    try:
        key = serialization.load_pem_private_key(path.read_bytes(), None)
    except (OSError, ValueError, TypeError):
        return None
    return key if isinstance(key, ec.EllipticCurvePrivateKey) else None


def _nowhere(_path: Path, _data: bytes) -> None: ...


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
    """`*` alone can stand in no certificate."""
    found: list[x509.GeneralName] = []
    for name in sorted({name.lower().strip("[]") for name in names if name != "*"}):
        try:
            found.append(x509.IPAddress(ip_address(name)))
        except ValueError:
            found.append(x509.DNSName(name))
    return found


def _kept_authority(folder: Path, now: datetime, days: int) -> _Authority | None:
    try:
        certificate = x509.load_pem_x509_certificate((folder / "ca.pem").read_bytes())
        key = serialization.load_pem_private_key((folder / "ca.key").read_bytes(), None)
    except (OSError, ValueError):
        return None
    if not isinstance(key, ec.EllipticCurvePrivateKey) or not _lasts(certificate, now, days):
        return None
    if key.public_key() != certificate.public_key():
        return None
    return _Authority(certificate, key)


def _serves(
    path: Path, authority: _Authority, wanted: list[x509.GeneralName], now: datetime, days: int
) -> bool:
    """Whether the file has a key and its certificate, which names all that is wanted."""
    key = _kept_key(path)
    try:
        certificate = x509.load_pem_x509_certificate(path.read_bytes())
        certificate.verify_directly_issued_by(authority.certificate)
        found = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except (OSError, ValueError, TypeError, InvalidSignature, x509.ExtensionNotFound):
        return False
    if key is None or key.public_key() != certificate.public_key():
        return False
    strangers = set(found.get_values_for_type(x509.DNSName)) - {*LOCAL}  # of a former release
    return not strangers and set(wanted) <= set(found) and _lasts(certificate, now, days)


def _lasts(certificate: x509.Certificate, now: datetime, days: int) -> bool:
    return certificate.not_valid_after_utc - now > timedelta(days=days)


def _make_authority(folder: Path, now: datetime, write: Write) -> _Authority:
    key = ec.generate_private_key(ec.SECP256R1())
    name = common_name("edgecache development authority")
    usage = x509.KeyUsage(False, False, False, False, False, True, True, False, False)
    certificate = (
        _unsigned(name, name, key, now, CA_DAYS)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(usage, critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .sign(key, hashes.SHA256())
    )
    write(folder / "ca.key", key_pem(key))
    write(folder / "ca.pem", certificate.public_bytes(serialization.Encoding.PEM))
    return _Authority(certificate, key)


def _made(
    authority: _Authority,
    key: ec.EllipticCurvePrivateKey,
    names: list[x509.GeneralName],
    now: datetime,
) -> bytes:
    """A certificate for `names` and its key, as PEM."""
    ours = authority.key.public_key()
    usage = x509.KeyUsage(True, False, False, False, False, False, False, False, False)
    purpose = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH])
    certificate = (
        _unsigned(
            common_name("edgecache development"), authority.certificate.subject, key, now, SITE_DAYS
        )
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(usage, critical=True)
        .add_extension(purpose, critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(ours), critical=False)
        .sign(authority.key, hashes.SHA256())
    )
    return key_pem(key) + certificate.public_bytes(serialization.Encoding.PEM)


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


def _replace(path: Path, data: bytes) -> None:
    """Whole or not at all: a reader never sees half a file, nor anybody else a key."""
    made = path.with_suffix(".new")
    made.unlink(missing_ok=True)
    descriptor = os.open(made, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        made.replace(path)
    except OSError:
        made.unlink(missing_ok=True)  # on a full disk its bytes are missed
        raise
