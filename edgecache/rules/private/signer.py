"""Signer of URLs and cookies: canned and custom policies under a private key.

CloudFront Developer Guide, "Create a signed URL using a canned policy" and "... a custom policy".
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from edgecache.rules.private.signature_fields import COOKIE_PREFIX, canned_policy, encoded_token

PrivateKey = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey


@dataclass(frozen=True, slots=True)
class SigningTerms:
    """Terms of a policy: canned when only `before` is set, else custom. Times are epoch seconds."""

    resource: str
    before: int
    after: int | None = None
    address: str = ""
    custom: bool = False

    @property
    def canned(self) -> bool:
        return not self.custom and self.after is None and not self.address

    def text(self) -> bytes:
        """The bytes that are signed."""
        if self.canned:
            return canned_policy(self.resource.encode(), b"%d" % self.before)
        condition: dict[str, Any] = {"DateLessThan": {"AWS:EpochTime": self.before}}
        if self.after is not None:
            condition["DateGreaterThan"] = {"AWS:EpochTime": self.after}
        if self.address:
            condition["IpAddress"] = {"AWS:SourceIp": self.address}
        statement = {"Resource": self.resource, "Condition": condition}
        return json.dumps({"Statement": [statement]}, separators=(",", ":")).encode()


@dataclass(frozen=True, slots=True)
class Signer:
    """A private key under the id its public half has here."""

    key_id: str
    key: PrivateKey
    sha256: bool = False

    def parameters(self, terms: SigningTerms) -> list[tuple[str, str]]:
        """The signing parameters of a URL; cookies have the same, each with a prefix."""
        text = terms.text()
        said = ("Policy", encoded_token(text).decode())
        if terms.canned:
            said = ("Expires", str(terms.before))
        signature = encoded_token(self._signature(text)).decode()
        found = [said, ("Signature", signature), ("Key-Pair-Id", self.key_id)]
        return [*found, ("Hash-Algorithm", "SHA256")] if self.sha256 else found

    def url(self, url: str, terms: SigningTerms) -> str:
        """`url` signed."""
        return with_parameters(url, self.parameters(terms))

    def cookies(self, terms: SigningTerms) -> list[tuple[str, str]]:
        """Names and values of the cookies."""
        prefix = COOKIE_PREFIX.decode()
        return [(prefix + name, value) for name, value in self.parameters(terms)]

    def _signature(self, text: bytes) -> bytes:
        algorithm = hashes.SHA256() if self.sha256 else hashes.SHA1()
        if isinstance(self.key, rsa.RSAPrivateKey):
            return self.key.sign(text, padding.PKCS1v15(), algorithm)
        return self.key.sign(text, ec.ECDSA(algorithm))


def with_parameters(url: str, pairs: list[tuple[str, str]]) -> str:
    """`url` with parameters after its own; a fragment never reaches a server and goes."""
    bare = url.partition("#")[0]
    joint = "?" if "?" not in bare else "" if bare.endswith(("?", "&")) else "&"
    return bare + joint + "&".join(f"{name}={value}" for name, value in pairs)


def load_private_key(pem: bytes) -> PrivateKey:
    """RSA or P-256, not encrypted. ValueError says what else it is."""
    try:
        key = load_pem_private_key(pem, None)
    except (TypeError, ValueError, UnsupportedAlgorithm) as error:
        raise ValueError("not the PEM of a private key without a password") from error
    if isinstance(key, rsa.RSAPrivateKey):
        return key
    if isinstance(key, ec.EllipticCurvePrivateKey) and isinstance(key.curve, ec.SECP256R1):
        return key
    raise ValueError("not an RSA key, nor an ECDSA key on P-256")
