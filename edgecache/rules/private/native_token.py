"""Native tokens: private content by HMAC, without AWS's keys.

Law: an accepted token has one spelling.

`KEY-ID.PAYLOAD.SIGNATURE`: the payload is a JSON list in base64url, the signature itsdangerous's
(HMAC-SHA-256 under a key derived for this use alone). It opens one target of one host, or every
path of it under a prefix, over http and https alike.
"""

from __future__ import annotations

import hashlib
import json
import re
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Mapping
from dataclasses import dataclass
from hmac import compare_digest
from ipaddress import ip_network

from itsdangerous import Signer
from msgspec.structs import replace

from edgecache.http.message import Request, cookie_pairs, field_values, query_pairs
from edgecache.http.target import holds_in_every_reading
from edgecache.rules.private.signature_check import SignatureAccepted
from edgecache.rules.private.signature_fields import SignatureFault, SignatureRefused
from edgecache.rules.private.signed_policy import within

PARAMETER = b"edgecache-token"
COOKIE = b"Edgecache-Token"
TOKEN_BYTES_MAX = 4_096  # as much as a policy of CloudFront's may have here
_TOKEN = re.compile(rb"([A-Za-z0-9_-]{1,64})\.([A-Za-z0-9_-]+)\.[A-Za-z0-9_-]+")


@dataclass(frozen=True, slots=True)
class TokenGrant:
    """The path or prefix a token opens, until `until` (wall clock, epoch seconds).

    `target` is path and query as they will be asked for, or with `prefix` what the path begins
    with. `address`: of one viewer or network; empty: of all.
    """

    until: int
    host: str
    target: str
    prefix: bool = False
    address: str = ""

    def objection(self, request: Request, now: float) -> str | None:
        """Why `request` is not what was granted; None when it is."""
        if now >= self.until:
            return f"expired {int(now - self.until)} s ago"
        if self.address and not within(request.client[0], ip_network(self.address, strict=False)):
            return f"the address is not in {self.address}"
        if request.host != self.host.encode():
            return f"the host is not {self.host}"
        wanted = self.target.encode("latin-1")
        if self.prefix:
            inside = holds_in_every_reading(_begins, wanted, request.path)
            return None if inside else f"the path is not under {self.target}"
        asked = without_token(request).target
        return None if asked == wanted else f"the token is for {self.target}"


def _begins(prefix: bytes, path: bytes) -> bool:
    return path.startswith(prefix)


def native_signer(secret: str) -> Signer:
    """The signer and verifier of one secret."""
    salt = b"edgecache native token"
    return Signer(secret, salt, key_derivation="hmac", digest_method=hashlib.sha256)


def issued(grant: TokenGrant, key_id: str, signer: Signer) -> bytes:
    """The token that says `grant`."""
    said = [grant.until, grant.host, grant.target, int(grant.prefix), grant.address]
    text = json.dumps(said, separators=(",", ":")).encode()
    return signer.sign(key_id.encode() + b"." + urlsafe_b64encode(text).rstrip(b"="))


def open_native(
    request: Request, signers: Mapping[str, Signer], now: float
) -> SignatureAccepted | SignatureRefused:
    """Whether the token of `request` opens it; one in the URL counts before one in a cookie."""
    found = _tokens(request)
    if not found:
        return SignatureRefused(SignatureFault.MISSING_KEY, "no token in URL or cookies")
    token = found[0]
    form = _TOKEN.fullmatch(token)
    if len(found) > 1 or form is None or len(token) > TOKEN_BYTES_MAX:
        return SignatureRefused(SignatureFault.MALFORMED_SIGNATURE, "not one token of our form")
    key_id = form[1].decode()
    signer = signers.get(key_id)
    if signer is None:
        return SignatureRefused(SignatureFault.INVALID_KEY, f"{key_id} is not trusted here")
    signed = form[1] + b"." + form[2]
    if not compare_digest(signer.sign(signed), token):  # itsdangerous takes loose base64
        return SignatureRefused(SignatureFault.ACCESS_DENIED, "the signature is not this key's")
    grant = _grant(form[2])
    if grant is None:
        return SignatureRefused(SignatureFault.MALFORMED_POLICY, "the token says nothing known")
    objection = grant.objection(request, now)
    if objection is not None:
        return SignatureRefused(SignatureFault.ACCESS_DENIED, objection)
    return SignatureAccepted(key_id, grant.until, bool(grant.address))


def without_token(request: Request) -> Request:
    """The request as the key and the origin know it: without tokens in URL and cookies."""
    query = request.query
    if query:
        kept = [part for part in query.split(b"&") if part.partition(b"=")[0] != PARAMETER]
        query = b"&".join(kept) if kept else None
    fields = tuple(
        (name, _other_cookies(value)) if name == b"cookie" and COOKIE in value else (name, value)
        for name, value in request.fields
    )
    return replace(request, query=query, fields=tuple(f for f in fields if f != (b"cookie", b"")))


def _other_cookies(value: bytes) -> bytes:
    parts = (part.strip(b" \t") for part in value.split(b";"))
    return b"; ".join(part for part in parts if part.partition(b"=")[0] != COOKIE)


def _tokens(request: Request) -> list[bytes]:
    pairs = query_pairs(request.query or b"")
    in_url = [value or b"" for name, value in pairs if name == PARAMETER]
    return in_url or [
        value or b""
        for line in field_values(request.fields, b"cookie")
        for name, value in cookie_pairs(line)
        if name == COOKIE
    ]


def _grant(payload: bytes) -> TokenGrant | None:
    try:
        until, host, target, prefix, address = json.loads(
            urlsafe_b64decode(payload + b"=" * (-len(payload) % 4)).decode("utf-8")
        )
        grant = TokenGrant(int(until), str(host), str(target), bool(prefix), str(address))
        if grant.address:
            ip_network(grant.address, strict=False)
        grant.target.encode("latin-1")
    except (ValueError, TypeError):
        return None
    return grant
