"""Enrollment of a machine: its join token, how it gets its certificate, and another in time.

Law: nothing secret is sent before control is known for who it is. The token carries the
fingerprint of control's authority; what control shows of it is compared first, as kubeadm does, and
then control proves by it that it is control.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cryptography import x509
from cryptography.hazmat.primitives import serialization

from edgecache.cluster.certificates import (
    CertificateFile,
    authority_path,
    certificate_path,
    certificate_request,
    server_name,
    write_private,
)
from edgecache.cluster.credentials import CONTROL, part_of, part_place
from edgecache.config.listen import tcp_address
from edgecache.config.secrets import peer_secrets, read_secrets, secrets_path

if TYPE_CHECKING:
    import httpx

PREFIX = "join1."  # so that a token is known for what it is wherever it turns up
TOKEN_CHARS_MAX = 1_024
ANSWER_S_MAX = 10.0
FORMER = ".before-enrollment"  # appended to the name of a file that is replaced
HOST = server_name(CONTROL)
NAMED = {"sni_hostname": HOST}  # httpcore's extension: asked for by SNI, and verified

_PLACE = re.compile(r"regional(-[A-Za-z0-9-]{1,64})?|edge-[A-Za-z0-9-]{1,64}|nameserver")
_FINGERPRINT = re.compile(r"[0-9a-f]{64}")


class NotEnrolledError(Exception):
    """A machine did not get its certificate: the message says why."""


@dataclass(frozen=True, slots=True, repr=False)
class JoinToken:
    """A one-time token: where control is, its authority's fingerprint, a place, and a secret."""

    control: str
    fingerprint: str
    place: str
    secret: str

    def spelled(self) -> str:
        """As an operator hands it over."""
        parts = [self.control, self.fingerprint, self.place, self.secret]
        return PREFIX + base64.urlsafe_b64encode(json.dumps(parts).encode()).rstrip(b"=").decode()


def read_join_token(text: str) -> JoinToken:
    """The token that `text` spells. ValueError when it is none."""
    body = text.strip().removeprefix(PREFIX)
    if len(text) > TOKEN_CHARS_MAX or not text.strip().startswith(PREFIX):
        raise ValueError(f"not a join token ({PREFIX}...), as `edgecache nodes token` prints it")
    try:
        parts = json.loads(base64.urlsafe_b64decode(body + "=" * (-len(body) % 4)))
        control, fingerprint, place, secret = map(str, parts)
        tcp_address(control)
    except (ValueError, TypeError):
        raise ValueError("a join token that is not whole: copy all of it") from None
    if not _FINGERPRINT.fullmatch(fingerprint) or not _PLACE.fullmatch(place):
        raise ValueError("a join token that is not whole: copy all of it")
    return JoinToken(control, fingerprint, place, secret)


def token_digest(secret: str) -> str:
    """By which control knows the secret of a token, which it does not keep."""
    return hashlib.sha256(secret.encode()).hexdigest()


def enroll(
    token: JoinToken, state_dir: str, names: tuple[str, ...], env: Mapping[str, str]
) -> list[Path]:
    """Get this machine's certificate and secrets by a token; the files written.

    Secrets of another installation, as a start before it has made them, are kept beside the new
    ones. NotEnrolledError, OSError, SecretsError.
    """
    import httpx

    secrets = secrets_path(state_dir, env)
    held = read_secrets(state_dir, env).peer if secrets.exists() else {}
    for secret in held.values():
        if (place := part_place(secret)) not in ("", token.place):
            raise NotEnrolledError(
                f"{secrets} is for {place}: {token.place} needs another state_dir"
            )
    base = f"https://{token.control}"
    authority = _trusted_authority(token, base)
    key, request = certificate_request(names)
    body = {"secret": token.secret, "request": request.decode()}
    verifying = ssl.create_default_context(cadata=authority)
    try:
        with httpx.Client(verify=verifying, trust_env=False, timeout=ANSWER_S_MAX) as client:
            answer = client.post(
                f"{base}/enroll", json=body, headers={"host": HOST}, extensions=NAMED
            )
            given = _document(answer)
    except httpx.HTTPError as error:
        raise NotEnrolledError(f"control at {token.control}: {error}") from error
    path, text = certificate_path(state_dir, token.place), str(given["secrets"])
    write_private(authority_path(state_dir), authority.encode())
    write_private(path, key + str(given["certificate"]).encode())
    if _covers(held, peer_secrets(text), token.place):
        return [path]
    if secrets.exists():
        secrets.rename(secrets.with_name(f"{secrets.name}{FORMER}"))
    write_private(secrets, text.encode())
    return [path, secrets]


def _covers(held: Mapping[str, str], given: Mapping[str, str], place: str) -> bool:
    """Whether secrets of peers that are here already are at least what control gives."""
    return all(
        name in held and (held[name] == one or part_of(held[name], place) == one)
        for name, one in given.items()
    )


def _trusted_authority(token: JoinToken, base: str) -> str:
    """Control's authority (PEM), whose fingerprint is the token's. Nothing of ours is sent."""
    import httpx

    unverified = ssl.create_default_context()
    unverified.check_hostname, unverified.verify_mode = False, ssl.CERT_NONE
    try:
        with httpx.Client(verify=unverified, trust_env=False, timeout=ANSWER_S_MAX) as client:
            answer = client.get(f"{base}/authority", headers={"host": HOST}, extensions=NAMED)
            certificate = x509.load_pem_x509_certificate(
                str(_document(answer)["certificate"]).encode()
            )
    except (httpx.HTTPError, ValueError) as error:
        raise NotEnrolledError(f"control at {token.control}: {error}") from error
    found = hashlib.sha256(certificate.public_bytes(serialization.Encoding.DER)).hexdigest()
    if found != token.fingerprint:
        raise NotEnrolledError(
            f"{token.control} is not the control of this token (its authority is {found[:16]}..., "
            f"not {token.fingerprint[:16]}...): nothing was sent"
        )
    return certificate.public_bytes(serialization.Encoding.PEM).decode()


async def renew(client: httpx.AsyncClient, held: CertificateFile) -> None:
    """Have another certificate for this machine put in its file.

    `client` shows the present one. NotEnrolledError, OSError.
    """
    import httpx

    key, request = certificate_request(requested_names(held.certificate))
    try:
        answer = await client.post(
            "/certificate",
            json={"request": request.decode()},
            headers={"host": HOST},
            extensions=NAMED,
            timeout=ANSWER_S_MAX,
        )
    except httpx.HTTPError as error:
        raise NotEnrolledError(str(error) or type(error).__name__) from error
    write_private(held.path, key + str(_document(answer)["certificate"]).encode())


def requested_names(certificate: x509.Certificate) -> tuple[str, ...]:
    """The names a machine asked for: all of its certificate but that of its place."""
    named = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    hosts = [name for name in named.get_values_for_type(x509.DNSName) if not _is_place(name)]
    return (*hosts, *(str(one) for one in named.get_values_for_type(x509.IPAddress)))


def _is_place(name: str) -> bool:
    return name.endswith(HOST.partition(".")[2])


def _document(answer: httpx.Response) -> dict[str, Any]:
    """What control answered. NotEnrolledError for a refusal."""
    try:
        document: dict[str, Any] = answer.json()
    except ValueError:
        document = {}
    if not answer.is_success:
        reason = document.get("error", f"it answered {answer.status_code}")
        raise NotEnrolledError(f"control refuses: {reason}")
    return document
