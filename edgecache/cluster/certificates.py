"""Certificates of an installation's machines: whose one is, where it is kept, contexts by it.

Law: a peer is who its certificate says, by the installation's own authority, and nobody else
vouches for it. A certificate is for one *place* (control, a regional cache, one location) on one
machine:

    URI:edgecache://CLUSTER/edge/LHR50/INSTANCE, DNS:edge-lhr50.edgecache.internal

Servers are known by the name of their place, never by an address: no edge can pose as control. The
key and its certificate are one file, `cluster/PLACE.pem` in `state_dir`, mode 0600; beside it the
authority's certificate. A file that has changed counts for the connections to come.

Sites have certificates, too: those that control gets by ACME (RFC 8555) are sealed for each edge's
place, kept in `certificates/ID.pem`, and proved by challenges that edges answer.
"""

from __future__ import annotations

import contextlib
import os
import re
import ssl
from base64 import b64decode, b64encode
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import msgspec
from cryptography import x509
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.x509.oid import NameOID

from edgecache.cluster.credentials import CONTROL, is_regional, sealing_key
from edgecache.config.secrets import SecretsError

FOLDER = "cluster"
DOMAIN = "edgecache.internal"  # .internal is for private use, and in no public DNS (ICANN, 2024)
AUTHORITY_FILE = "ca.pem"
BACKDATED = timedelta(minutes=5)  # for machines whose clocks are behind control's
NAMES_MAX = 16  # host names and addresses in one certificate
RENEW_AT = 2 / 3  # of its life, as certbot and step-ca do

CHALLENGES_MAX = 100  # under way at once: as many as a certificate has names
ANSWER_CHARS_MAX = 512  # a token, a dot and a SHA-256 have two hundred
NONCE_BYTES = 12  # of AES-GCM (NIST SP 800-38D §5.2.1.1), drawn at random for each
CHALLENGE_PATH = b"/.well-known/acme-challenge/"  # RFC 8555 §8.3
SITES_FOLDER = "certificates"

_URI = re.compile(
    r"edgecache://([0-9a-f]{16})/(control|(?:regional|edge)(?:/[A-Za-z0-9-]{1,64})?)/(\w+)"
)
_NAME = re.compile(r"(?=.{1,253}\Z)[A-Za-z0-9_]([A-Za-z0-9_.-]*[A-Za-z0-9])?")
_TOKEN = re.compile(rb"[A-Za-z0-9_-]{1,128}")  # base64url of 128 bits or more (§8.3), with room
_ANSWER = re.compile(r"[A-Za-z0-9_-]{1,128}\.[A-Za-z0-9_-]{1,128}")  # a key authorization (§8.1)


@dataclass(frozen=True, slots=True)
class NodeIdentity:
    """Who a certificate is for: a place of a cluster, on the machine `instance`."""

    cluster: str
    place: str
    instance: str

    @property
    def uri(self) -> str:
        """As it stands in the certificate."""
        role, _, location = self.place.partition("-")
        way = f"{role}/{location}" if location else role
        return f"edgecache://{self.cluster}/{way}/{self.instance}"

    @property
    def node(self) -> str:
        """As it is listed, and revoked."""
        return f"{self.place}/{self.instance}"

    @property
    def serves(self) -> bool:
        """Whether others of ours connect to it."""
        return self.place == CONTROL or is_regional(self.place)


@dataclass(frozen=True, slots=True)
class PeerCertificate:
    """The certificate a peer has shown: whose, its serial number, its end (epoch seconds)."""

    identity: NodeIdentity
    serial: str
    ends: float


def server_name(place: str) -> str:
    """The name by which a server is verified, whatever its address."""
    return f"{place.lower()}.{DOMAIN}"


def identity_of(uri: str) -> NodeIdentity | None:
    """The identity that a URI of a certificate spells."""
    found = _URI.fullmatch(uri)
    if found is None or found[2] == "edge":
        return None
    return NodeIdentity(found[1], found[2].replace("/", "-"), found[3])


def serial_of(number: int) -> str:
    """A serial number as it is told and kept."""
    return f"{number:x}"


def shown_certificate(tls: ssl.SSLObject | ssl.SSLSocket | None) -> PeerCertificate | None:
    """What the other end of a finished handshake has shown; None for none of ours."""
    shown: dict[str, Any] = (tls.getpeercert() if tls is not None else None) or {}
    for kind, value in shown.get("subjectAltName", ()):
        identity = identity_of(value) if kind == "URI" else None
        if identity is not None:
            serial = serial_of(int(shown["serialNumber"], 16))
            return PeerCertificate(identity, serial, ssl.cert_time_to_seconds(shown["notAfter"]))
    return None


def certificate_path(state_dir: str | Path, place: str) -> Path:
    """Where a machine keeps its key and certificate for a place."""
    return Path(state_dir) / FOLDER / f"{place}.pem"


def authority_path(state_dir: str | Path) -> Path:
    """Where a machine keeps the certificate of the authority it trusts."""
    return Path(state_dir) / FOLDER / AUTHORITY_FILE


class CertificateFile:
    """This machine's certificate for one place, and the contexts of one process that show it.

    A server asks for certificates of ours; with `open_to_others` who shows none is let in, too.
    SecretsError when there is none, or it cannot be used.
    """

    def __init__(self, state_dir: str | Path, place: str, *, open_to_others: bool = False) -> None:
        self.path, self.authority = certificate_path(state_dir, place), authority_path(state_dir)
        self.place = place
        if not self.path.exists() or not self.authority.exists():
            raise SecretsError(self.path, missing_certificate(place))
        self._stamp = self._stamped()
        with _usable(self.path):
            self.client = _client_context(self.authority)
            self.server = _server_context(self.authority, open_to_others=open_to_others)
            self._load()

    def renewed(self) -> bool:
        """Take over a file that has changed; whether it had. SecretsError: it cannot be used."""
        stamp = self._stamped()
        if stamp == self._stamp:
            return False
        self._stamp = stamp
        with _usable(self.path):
            self._load()
        return True

    @property
    def renew_at(self) -> float:
        """When it is to be renewed, in epoch seconds."""
        begins = (self.certificate.not_valid_before_utc + BACKDATED).timestamp()
        return begins + (self.certificate.not_valid_after_utc.timestamp() - begins) * RENEW_AT

    def _load(self) -> None:
        self.certificate = x509.load_pem_x509_certificate(self.path.read_bytes())
        for context in (self.client, self.server):
            context.load_cert_chain(self.path)

    def _stamped(self) -> tuple[int, ...]:
        facts = self.path.stat()
        return facts.st_mtime_ns, facts.st_ino, facts.st_size


def missing_certificate(place: str) -> str:
    """What is to be done on a machine that has no certificate for `place`."""
    role, _, name = place.partition("-")
    what = f"--location {name}" if role == "edge" else "--regional"
    what += f" --name {name}" if role == "regional" and name else ""
    return (
        f"this machine is not enrolled as {place}: run `edgecache nodes token {what}` where "
        "control is, and here `edgecache nodes enroll TOKEN`; on control's own machine, start "
        "control first"
    )


def certificate_request(names: tuple[str, ...]) -> tuple[bytes, bytes]:
    """A new key, and a request to certify it for these host names and addresses; both as PEM."""
    key = ec.generate_private_key(ec.SECP256R1())
    asked = x509.CertificateSigningRequestBuilder().subject_name(common_name("edgecache"))
    if names:
        asked = asked.add_extension(x509.SubjectAlternativeName(general_names(names)), False)
    request = asked.sign(key, hashes.SHA256())
    return key_pem(key), request.public_bytes(serialization.Encoding.PEM)


def general_names(names: tuple[str, ...]) -> list[x509.GeneralName]:
    """Host names and addresses as a certificate has them. ValueError for anything else."""
    if len(names) > NAMES_MAX:
        raise ValueError(f"{len(names)} names are more than {NAMES_MAX}")
    found: list[x509.GeneralName] = []
    for name in dict.fromkeys(names):
        try:
            found.append(x509.IPAddress(ip_address(name)))
        except ValueError:
            if not _NAME.fullmatch(name) or name.lower().endswith(DOMAIN):
                raise ValueError(f"{name!r} is no name for a certificate") from None
            found.append(x509.DNSName(name.lower()))
    return found


def common_name(words: str) -> x509.Name:
    """A subject of these words."""
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, words)])


def key_pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    """A key as PEM."""
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )


def write_private(path: Path, data: bytes) -> None:
    """Put a file of its owner's alone in place, whole or not at all. OSError."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    made = path.with_name(f".{path.name}.{os.urandom(8).hex()}")
    descriptor = os.open(made, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        owner = path.parent.stat()
        if os.geteuid() == 0:  # whoever runs the processes must be able to read it
            os.chown(made, owner.st_uid, owner.st_gid)
        made.replace(path)
    finally:
        made.unlink(missing_ok=True)


@contextlib.contextmanager
def _usable(path: Path) -> Iterator[None]:
    """What is wrong with a file, in one line."""
    try:
        yield
    except (OSError, ValueError) as error:  # ssl.SSLError is an OSError
        reason = getattr(error, "reason", None) or getattr(error, "strerror", None) or error
        raise SecretsError(path, str(reason).lower()) from error


def _client_context(authority: Path) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=str(authority))
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.set_alpn_protocols(["http/1.1"])
    return context


def _server_context(authority: Path, *, open_to_others: bool) -> ssl.SSLContext:
    """No tickets: a connection that is resumed would outlive its certificate."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2 if open_to_others else ssl.TLSVersion.TLSv1_3
    context.options |= ssl.OP_NO_RENEGOTIATION | ssl.OP_NO_TICKET
    context.num_tickets = 0
    context.set_alpn_protocols(["http/1.1"])
    context.load_verify_locations(str(authority))
    context.verify_mode = ssl.CERT_OPTIONAL if open_to_others else ssl.CERT_REQUIRED
    return context


class SealedCertificate(msgspec.Struct, frozen=True):
    """A certificate for distribution `id`, sealed for one place: see `seal`."""

    id: str
    sealed: str


class AcmeState(msgspec.Struct, frozen=True):
    """What control tells an edge: key authorizations by token, and certificates."""

    challenges: dict[str, str]
    certificates: tuple[SealedCertificate, ...] = ()


def is_challenge(token: str, answer: str) -> bool:
    """Whether `answer` is a key authorization of `token` (RFC 8555 §8.1)."""
    return bool(_ANSWER.fullmatch(answer)) and answer.startswith(f"{token}.")


def seal(pem: bytes, id: str, place: str, secrets: Mapping[str, str]) -> str:
    """`pem`, of distribution `id`, for who has the key of `place` in the newest of `secrets`."""
    key_id = [*secrets][-1]
    nonce = os.urandom(NONCE_BYTES)
    cipher = AESGCM(sealing_key(secrets[key_id], place))
    sealed = cipher.encrypt(nonce, pem, id.encode())
    return f"{key_id}.{b64encode(nonce + sealed).decode()}"


def unseal(sealed: str, id: str, place: str, secrets: Mapping[str, str]) -> bytes:
    """What was sealed. ValueError when it was for another place, or by another secret."""
    key_id, _, text = sealed.partition(".")
    if key_id not in secrets:
        raise ValueError(f"sealed with a secret that is not here: {key_id[:64]}")
    data = b64decode(text, validate=True)
    cipher = AESGCM(sealing_key(secrets[key_id], place))
    try:
        return cipher.decrypt(data[:NONCE_BYTES], data[NONCE_BYTES:], id.encode())
    except InvalidTag:
        raise ValueError("sealed for another place, or damaged") from None


def challenge_token(path: bytes) -> str:
    """The token of a challenge that `path`, as received, asks for; empty when it is none."""
    token = path[len(CHALLENGE_PATH) :]
    return token.decode() if path.startswith(CHALLENGE_PATH) and _TOKEN.fullmatch(token) else ""


def site_certificate_path(state_dir: str | Path, id: str) -> Path:
    """Where the certificate issued for distribution `id` is, with its key and chain."""
    return Path(state_dir) / SITES_FOLDER / f"{id}.pem"


def keep_site_certificate(state_dir: str | Path, id: str, pem: bytes) -> bool:
    """Have the file of distribution `id` be `pem`; False when it was. OSError."""
    path = site_certificate_path(state_dir, id)
    if path.exists() and path.read_bytes() == pem:
        return False
    write_private(path, pem)
    return True
