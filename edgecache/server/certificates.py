"""Certificates that viewers are shown: read from files, or made here for development.

Law: a file that is broken, or not its key's, leaves the certificate that was read before.
`fault_of_files` says what is wrong with a pair and the way out; `edgecache check` asks it, too.
"""

from __future__ import annotations

import os
import ssl
from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from cryptography import x509

from edgecache.cluster.certificates import site_certificate_path
from edgecache.config.caches import allows_http2
from edgecache.config.dns import distribution_label
from edgecache.config.model import Config, Distribution, UnavailableSite
from edgecache.config.refused_distributions import names_of
from edgecache.server.dev_certificate import (
    LOCAL,
    RENEW_DAYS,
    DevelopmentCertificate,
    alternative_names,
    development,
)
from edgecache.server.tls import POLICIES, Certificate, context_of

ZONE_POLICY = "TLSv1.2_2021"  # of the operator's zone
FILE_BYTES_MAX = 1024 * 1024  # a chain of a hundred certificates is a tenth of it

FilePair = tuple[str, str]
"""Paths of a certificate and of its key; the same one where they are in one file."""


class CertificateFileError(Exception):
    """A pair of files that is no certificate with its key: which file, why, and the way out."""

    def __init__(self, path: str, why: str, way_out: str) -> None:
        super().__init__(f"{path}: {why}; {way_out}")
        self.path = path


@dataclass(slots=True)
class CertificateFiles:
    """Pairs of files as they were when they last went together.

    `faults` has those that do not as they are now, or as they were at the last `read`.
    """

    faults: dict[FilePair, CertificateFileError] = field(default_factory=dict)
    _good: dict[FilePair, tuple[bytes, bytes]] = field(default_factory=dict)

    def read(self, pair: FilePair) -> tuple[bytes, bytes] | None:
        """The certificate and the key, or what was read before; None when nothing was."""
        try:
            found = read_pair(pair)
        except CertificateFileError as error:
            self.faults[pair] = error
        else:
            self.faults.pop(pair, None)
            self._good[pair] = found
        return self._good.get(pair)

    def forget_all_but(self, pairs: Iterable[FilePair]) -> None:
        """Forget pairs that no configuration names any more."""
        named = {*pairs}
        self._good = {pair: held for pair, held in self._good.items() if pair in named}
        self.faults = {pair: fault for pair, fault in self.faults.items() if pair in named}


def read_pair(pair: FilePair) -> tuple[bytes, bytes]:
    """PEM of a certificate and of its key. CertificateFileError when they are not."""
    certificate_file, key_file = pair
    certificate = _read(certificate_file)
    key = certificate if key_file == certificate_file else _read(key_file)
    try:
        found = x509.load_pem_x509_certificate(certificate)
    except ValueError:
        way_out = "write the certificate there, followed by those of its issuers"
        raise CertificateFileError(certificate_file, "no certificate in PEM", way_out) from None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    try:
        with _file_of(certificate) as path, _file_of(key) as key_path:
            context.load_cert_chain(path, key_path, _no_password)
    except (ssl.SSLError, ValueError) as error:
        if getattr(error, "reason", "") == "KEY_VALUES_MISMATCH":
            why = f"is not the key of {certificate_file} (serial {found.serial_number:X})"
            raise CertificateFileError(key_file, why, "write its own there") from None
        way_out = "write the key of the certificate there, as PEM without a password"
        raise CertificateFileError(key_file, "no private key in PEM", way_out) from None
    return certificate, key


def pair_context(pair: FilePair) -> ssl.SSLContext:
    """A server's context with a certificate, as of now. CertificateFileError."""
    certificate, key = read_pair(pair)
    context = context_of(*POLICIES["TLSv1.2_2021"])
    with _file_of(certificate) as path, _file_of(key) as key_path:
        context.load_cert_chain(path, key_path)
    return context


def file_pairs(config: Config) -> list[FilePair]:
    """Every pair of files that enabled distributions of `config` are served with, once each."""
    wanted = [one for one in _wanted(config) if one.pair is not None]
    return list(dict.fromkeys(one.pair for one in wanted if one.pair is not None))


def leaf_of(certificate: bytes) -> x509.Certificate:
    """The first certificate of a PEM. ValueError."""
    return x509.load_pem_x509_certificate(certificate)


def _read(path: str) -> bytes:
    try:
        with open(path, "rb") as file:
            content = file.read(FILE_BYTES_MAX + 1)
    except OSError as error:
        why = (error.strerror or str(error)).lower()
        way_out = f"let the user that runs edgecache read it (uid {os.geteuid()})"
        if isinstance(error, FileNotFoundError):
            way_out = "write it there, or name another file"
        raise CertificateFileError(path, why, way_out) from None
    if len(content) > FILE_BYTES_MAX:
        why = f"larger than {FILE_BYTES_MAX} bytes"
        raise CertificateFileError(path, why, "write the certificate's own chain alone there")
    return content


def _no_password() -> str:
    """OpenSSL would ask at the terminal for the password of an encrypted key."""
    return ""


def load_certificates(
    config: Config,
    now: datetime,
    former: Iterable[Certificate] = (),
    files: CertificateFiles | None = None,
) -> tuple[Certificate, ...]:
    """The certificates of every enabled distribution, the default one first.

    Distributions with the same file and policy share one; each that names no file has a
    development certificate of its own. What has not changed is taken from `former`. A pair of
    files without fault counts; of others what `files` read before, or none, and `files` says why.
    Who names no distribution may mean one without HTTP/2: the default one offers it if all do.
    """
    soon = now + timedelta(days=RENEW_DAYS)
    known = {one.identity: one for one in former if one.file or one.ends > soon}
    files = files or CertificateFiles()
    wanted = _wanted(config)
    every = all(one.http2 for one in wanted)
    theirs = _from_files([one for one in wanted if one.pair is not None], files, known)
    without = [one for one in wanted if one.pair is None]
    if wanted and not without:
        return theirs
    names = [name for one in without for name in one.names]
    made = development(config.state_dir, names, now)
    default = _Source(made.default, made.default, "TLSv1", every).loaded(frozenset(), known)
    ours = [_development(one, made, known) for one in without]
    return (default, *ours, *theirs)


@dataclass(frozen=True, slots=True)
class _Wanted:
    """What decides about the certificate of a distribution. Names are in lower case."""

    names: tuple[str, ...]
    policy: str
    pair: FilePair | None  # None: one is made here
    http2: bool

    @classmethod
    def of(cls, one: Distribution, issued: FilePair | None) -> _Wanted:
        given = one.viewer_certificate
        names = tuple(name.lower() for name in names_of(one))
        pair = (given.certificate_file, given.key_file) if given.certificate_file else issued
        return cls(names, given.minimum_protocol_version, pair, allows_http2(one.http_version))

    @classmethod
    def of_unavailable(cls, one: UnavailableSite, issued: FilePair | None) -> _Wanted:
        """Its names answer 503, by a certificate that its viewers trust, and by HTTP/1.1."""
        names = tuple(name.lower() for name in one.names)
        pair = (one.certificate_file, one.key_file) if one.certificate_file else issued
        return cls(names, "TLSv1", pair, False)


def _wanted(config: Config) -> list[_Wanted]:
    """One for each enabled distribution, those that answer 503 last."""

    def issued(id: str) -> FilePair | None:
        """What control has got for it, if it has."""
        path = str(site_certificate_path(config.state_dir, id))
        return (path, path) if config.certificates == "acme" and os.path.exists(path) else None

    wanted = [_Wanted.of(one, issued(one.id)) for one in config.distributions if one.enabled]
    rest = [one for one in config.unavailable if one.enabled]
    wanted += [_Wanted.of_unavailable(one, issued(one.id)) for one in rest]
    return wanted + _of_zone(config)


def _of_zone(config: Config) -> list[_Wanted]:
    """Of names of distributions in the operator's zone: by one certificate for all."""
    dns = config.dns
    if dns is None or not dns.certificate_file:
        return []
    zone, names = dns.zone.rstrip(".").lower(), dict[bool, list[str]]()
    for one in config.distributions:
        if one.enabled:
            label = distribution_label(one.id, one.domain_name)
            names.setdefault(allows_http2(one.http_version), []).append(f"{label}.{zone}")
    for site in config.unavailable:
        if site.enabled:
            given = next((name for name in site.names if name.endswith(".cloudfront.net")), "")
            names.setdefault(False, []).append(f"{distribution_label(site.id, given)}.{zone}")
    pair = dns.certificate_file, dns.key_file
    return [_Wanted(tuple(held), ZONE_POLICY, pair, http2) for http2, held in sorted(names.items())]


@dataclass(frozen=True, slots=True)
class _Source:
    """PEM bytes of a certificate and of its key, a policy, and the file it is from, if any."""

    certificate: bytes
    key: bytes
    policy: str
    http2: bool
    file: str = ""

    def loaded(
        self,
        names: frozenset[bytes],
        known: Mapping[Hashable, Certificate],
        identity: Hashable = None,
    ) -> Certificate:
        """The certificate in a context of its own, or in the one that is known."""
        identity = identity or (self, names)
        if identity in known:
            return known[identity]
        minimum, suites = POLICIES.get(self.policy, POLICIES["TLSv1.3_2025"])
        context = context_of(minimum, suites)
        with _file_of(self.certificate) as path, _file_of(self.key) as key:
            context.load_cert_chain(path, key)
        found = leaf_of(self.certificate)
        listed = alternative_names(found)
        covers = names | frozenset(_bytes(listed))
        name = min(listed, key=lambda one: (one.encode() not in names, len(one), one), default="")
        begins, ends = found.not_valid_before_utc, found.not_valid_after_utc
        pem = self.certificate, self.key
        return Certificate(
            context,
            minimum,
            names,
            covers,
            identity,
            ends,
            self.file,
            name,
            begins,
            self.http2,
            pem,
        )


def _from_files(
    wanted: Sequence[_Wanted], files: CertificateFiles, known: Mapping[Hashable, Certificate]
) -> tuple[Certificate, ...]:
    """One for each content, policy and `http2`, for the names of all that share it."""
    pairs = dict.fromkeys(one.pair for one in wanted if one.pair is not None)
    read = {pair: files.read(pair) for pair in pairs}
    files.forget_all_but(pairs)
    sources: dict[tuple[bytes, bytes, str, bool], _Source] = {}
    names: dict[_Source, set[bytes]] = {}
    for one in wanted:
        found = None if one.pair is None else read[one.pair]
        if one.pair is None or found is None:
            continue
        source = _Source(*found, one.policy, one.http2, one.pair[0])
        source = sources.setdefault((*found, one.policy, one.http2), source)
        names.setdefault(source, set()).update(_bytes(one.names))
    shared = tuple(source.loaded(frozenset(held), known) for source, held in names.items())
    first = next(iter(names), None)
    if first is None or not first.http2 or all(one.http2 for one in wanted):
        return shared
    return (replace(first, http2=False).loaded(frozenset(), known), *shared)


def _development(
    one: _Wanted, made: DevelopmentCertificate, known: Mapping[Hashable, Certificate]
) -> Certificate:
    """Of a distribution's own names; the authority's key says whose it is."""
    identity = (one.names, one.policy, one.http2, made.default)
    if identity in known:
        return known[identity]
    local = LOCAL if "*" in one.names or not one.names else ()
    pem = made.certificate((*one.names, *local))
    source = _Source(pem, pem, one.policy, one.http2)
    return source.loaded(frozenset(_bytes(one.names)), known, identity)


@contextmanager
def _file_of(data: bytes) -> Iterator[str]:
    """A path to bytes that are on no disk: OpenSSL's readers want one."""
    descriptor = os.memfd_create("edgecache-tls")
    try:
        with os.fdopen(descriptor, "wb", closefd=False) as file:
            file.write(data)
        yield f"/proc/self/fd/{descriptor}"
    finally:
        os.close(descriptor)


def _bytes(names: Iterable[str]) -> Iterable[bytes]:
    return (name.lower().encode("ascii") for name in names)
