"""Authority of an installation: certifies its machines. Law: its key is control's, and stays there.

Made at control's first start: ECDSA P-256, in `cluster/authority.key` (mode 0600). What a machine
asks for is its key and names alone: who it is, control says.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID

from edgecache.cluster.certificates import (
    BACKDATED,
    FOLDER,
    NodeIdentity,
    authority_path,
    common_name,
    general_names,
    key_pem,
    serial_of,
    server_name,
    write_private,
)
from edgecache.config.secrets import SecretsError

KEY_FILE = "authority.key"
LIFETIME = timedelta(days=3_650)  # as long as kubeadm's


@dataclass(frozen=True, slots=True)
class IssuedCertificate:
    """A certificate as PEM, and what is kept of it; times are epoch seconds."""

    pem: str
    serial: str
    identity: NodeIdentity
    names: tuple[str, ...]
    issued_at: float
    ends: float


class CertificateRequestError(ValueError):
    """A certificate request that is none, or asks for names nobody gets."""


class Authority:
    """The authority of one installation, ready to certify."""

    def __init__(self, key: ec.EllipticCurvePrivateKey, certificate: x509.Certificate) -> None:
        self._key = key
        self.certificate = certificate
        self.pem = certificate.public_bytes(serialization.Encoding.PEM).decode()
        self.fingerprint = fingerprint(certificate)
        self.cluster = self.fingerprint[:16]

    def certify(
        self, request: bytes, place: str, instance: str, now: float, lifetime_s: float
    ) -> IssuedCertificate:
        """A certificate for the key and names of a request (PEM). CertificateRequestError."""
        key, names = _read_request(request)
        identity = NodeIdentity(self.cluster, place, instance)
        begins, ends = _time(now), _time(now + lifetime_s)
        made = (
            x509.CertificateBuilder()
            .subject_name(common_name(f"edgecache {place}"[:64]))
            .issuer_name(self.certificate.subject)
            .public_key(key)
            .serial_number(x509.random_serial_number())
            .not_valid_before(begins - BACKDATED)
            .not_valid_after(ends)
            .add_extension(_alternatives(identity, names), critical=False)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(_usage(signs_certificates=False), critical=True)
            .add_extension(x509.ExtendedKeyUsage(_purposes(identity)), critical=False)
            .add_extension(
                x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key()),
                critical=False,
            )
            .sign(self._key, hashes.SHA256())
        )
        pem = made.public_bytes(serialization.Encoding.PEM).decode()
        serial = serial_of(made.serial_number)
        return IssuedCertificate(pem, serial, identity, names, now, ends.timestamp())


def open_authority(state_dir: str | Path, now: float) -> Authority:
    """The authority of an installation, made at the first call. SecretsError."""
    path, public = Path(state_dir) / FOLDER / KEY_FILE, authority_path(state_dir)
    try:
        if not path.exists() and not public.exists():
            key = ec.generate_private_key(ec.SECP256R1())
            certificate = _self_signed(key, now).public_bytes(serialization.Encoding.PEM)
            write_private(path, key_pem(key) + certificate)
            write_private(public, certificate)
        if path.stat().st_mode & 0o077:
            raise SecretsError(path, f"others can use it; run: chmod 600 {path}")
        content = path.read_bytes()
        read = serialization.load_pem_private_key(content, None)
        certificate_read = x509.load_pem_x509_certificate(content)
    except OSError as error:
        raise SecretsError(path, (error.strerror or str(error)).lower()) from error
    except (ValueError, TypeError) as error:
        raise SecretsError(path, f"not a key and its certificate: {error}") from error
    if (
        not isinstance(read, ec.EllipticCurvePrivateKey)
        or read.public_key() != certificate_read.public_key()
    ):
        raise SecretsError(path, "the key is not the certificate's")
    if not public.exists():  # a restored state may lack what can be told anew
        write_private(public, certificate_read.public_bytes(serialization.Encoding.PEM))
    return Authority(read, certificate_read)


def fingerprint(certificate: x509.Certificate) -> str:
    """SHA-256 of a certificate, in hexadecimal."""
    return hashlib.sha256(certificate.public_bytes(serialization.Encoding.DER)).hexdigest()


def _self_signed(key: ec.EllipticCurvePrivateKey, now: float) -> x509.Certificate:
    name = common_name("edgecache authority")
    return (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(_time(now) - BACKDATED)
        .not_valid_after(_time(now) + LIFETIME)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_usage(signs_certificates=True), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .sign(key, hashes.SHA256())
    )


def _read_request(pem: bytes) -> tuple[ec.EllipticCurvePublicKey, tuple[str, ...]]:
    """The key and the names of a request that its key has signed."""
    try:
        request = x509.load_pem_x509_csr(pem)
        if not request.is_signature_valid:
            raise CertificateRequestError("the certificate request is not signed by its key")
        key = request.public_key()
        if not isinstance(key, ec.EllipticCurvePublicKey) or key.curve.name != "secp256r1":
            raise CertificateRequestError("the key of a certificate request is not of ECDSA P-256")
        names = _names(request)
        general_names(names)
    except CertificateRequestError:
        raise
    except (ValueError, TypeError, InvalidSignature) as error:
        raise CertificateRequestError(f"not a certificate request: {error}") from error
    return key, names


def _names(request: x509.CertificateSigningRequest) -> tuple[str, ...]:
    try:
        asked = request.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return ()
    hosts = asked.get_values_for_type(x509.DNSName)
    return (*hosts, *(str(one) for one in asked.get_values_for_type(x509.IPAddress)))


def _alternatives(identity: NodeIdentity, names: tuple[str, ...]) -> x509.SubjectAlternativeName:
    own: list[x509.GeneralName] = [x509.UniformResourceIdentifier(identity.uri)]
    own.append(x509.DNSName(server_name(identity.place)))
    return x509.SubjectAlternativeName([*own, *general_names(names)])


def _purposes(identity: NodeIdentity) -> list[x509.ObjectIdentifier]:
    """An edge's certificate serves nobody: it cannot pose as the regional cache or control."""
    both = [ExtendedKeyUsageOID.CLIENT_AUTH, ExtendedKeyUsageOID.SERVER_AUTH]
    return both if identity.serves else both[:1]


def _usage(*, signs_certificates: bool) -> x509.KeyUsage:
    signs = signs_certificates
    return x509.KeyUsage(not signs, False, False, False, False, signs, signs, False, False)


def _time(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)
