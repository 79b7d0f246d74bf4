"""Signers of our own make: key pairs, policies, URLs and cookies as AWS describes them."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa

from edgecache.rules.private.signature_fields import canned_policy, encoded_token


@dataclass(frozen=True)
class Signer:
    """A key pair under its id."""

    key_id: str
    private: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey

    @cached_property
    def public_pem(self) -> str:
        form = serialization.PublicFormat.SubjectPublicKeyInfo
        return self.private.public_key().public_bytes(serialization.Encoding.PEM, form).decode()

    @cached_property
    def private_pem(self) -> str:
        return self.private.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.TraditionalOpenSSL,
            serialization.NoEncryption(),
        ).decode()

    def sign(self, data: bytes, *, sha256: bool = False) -> bytes:
        algorithm = hashes.SHA256() if sha256 else hashes.SHA1()
        if isinstance(self.private, rsa.RSAPrivateKey):
            return self.private.sign(data, padding.PKCS1v15(), algorithm)
        return self.private.sign(data, ec.ECDSA(algorithm))

    @staticmethod
    def policy(
        resource: str, before: int, *, after: int | None = None, address: str = ""
    ) -> bytes:  # fmt: skip
        condition: dict[str, Any] = {"DateLessThan": {"AWS:EpochTime": before}}
        if after is not None:
            condition["DateGreaterThan"] = {"AWS:EpochTime": after}
        if address:
            condition["IpAddress"] = {"AWS:SourceIp": address}
        statement = {"Resource": resource, "Condition": condition}
        return json.dumps({"Statement": [statement]}, separators=(",", ":")).encode()


RSA = Signer("KTESTRSA000009", rsa.generate_private_key(65_537, 2_048))
EC = Signer("KTESTEC0000009", ec.generate_private_key(ec.SECP256R1()))


def parts(
    signer: Signer, url: str, expires: int | None, policy: bytes, *, sha256: bool = False
) -> list[tuple[str, str]]:  # fmt: skip
    """The signing parameters: canned with `expires`, else custom."""
    text = policy if expires is None else canned_policy(url.encode(), b"%d" % expires)
    said = ("Policy", encoded_token(text).decode())
    if expires is not None:
        said = ("Expires", str(expires))
    signature = encoded_token(signer.sign(text, sha256=sha256)).decode()
    found = [said, ("Signature", signature), ("Key-Pair-Id", signer.key_id)]
    return [*found, ("Hash-Algorithm", "SHA256")] if sha256 else found


def in_url(
    signer: Signer, url: str, expires: int | None = None, *, policy: bytes = b"",
    sha256: bool = False,
) -> str:  # fmt: skip
    """`url` signed."""
    pairs = parts(signer, url, expires, policy, sha256=sha256)
    return url + ("&" if "?" in url else "?") + "&".join(f"{name}={value}" for name, value in pairs)


def in_cookies(
    signer: Signer, url: str = "", expires: int | None = None, *, policy: bytes = b""
) -> str:  # fmt: skip
    """The cookies that open what `policy` says, or just `url`."""
    pairs = parts(signer, url, expires, policy)
    return "; ".join(f"CloudFront-{name}={value}" for name, value in pairs)
