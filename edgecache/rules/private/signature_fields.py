"""Signature parameters and cookies of a request, read. Law: an accepted token has one spelling.

CloudFront Developer Guide, "Serve private content with signed URLs and signed cookies". Percent
encoding inside the parameters, doubled names, other alphabets and loose padding are refused.
"""

from __future__ import annotations

import re
from base64 import b64decode, b64encode
from dataclasses import dataclass
from enum import StrEnum

from msgspec.structs import replace

from edgecache.http.message import Request, cookie_pairs, field_values, first_value, query_pairs

NAMES = (b"Expires", b"Policy", b"Signature", b"Key-Pair-Id", b"Hash-Algorithm")
COOKIE_PREFIX = b"CloudFront-"
POLICY_BYTES_MAX = 4_096  # fits a URL of CloudFront's 8,192 bytes with room for the rest
EPOCH_S_MAX = 10**11  # beyond it somebody wrote milliseconds
_ALPHABET = bytes.maketrans(b"-_~", b"+=/")
_TOKEN = re.compile(rb"[A-Za-z0-9\-~]+_{0,2}")
_KEY_ID = re.compile(rb"[A-Za-z0-9]{1,64}")
_EPOCH = re.compile(rb"0|[1-9][0-9]{0,11}")


class SignatureFault(StrEnum):
    """Why private content stays shut; the words are the codes of CloudFront's 403 bodies."""

    MISSING_KEY = "MissingKey"
    INVALID_KEY = "InvalidKey"
    MALFORMED_SIGNATURE = "MalformedSignature"
    MALFORMED_POLICY = "MalformedPolicy"
    ACCESS_DENIED = "AccessDenied"


@dataclass(frozen=True, slots=True)
class SignatureRefused:
    """A refusal: the code a viewer sees, and what failed, for the operator."""

    fault: SignatureFault
    detail: str


@dataclass(frozen=True, slots=True)
class PresentedSignature:
    """A signature as presented, decoded but not verified.

    `policy` is the exact text that was signed. `expires` is set when it was rebuilt from Expires
    (a canned policy); else the text says it.
    """

    key_id: str
    signature: bytes
    policy: bytes
    sha256: bool
    expires: int | None = None


def in_url(request: Request) -> bool:
    """Whether the URL names a signing parameter, and so counts before cookies."""
    return any(name in NAMES for name, _ in query_pairs(request.query or b""))


def presented(request: Request) -> PresentedSignature | SignatureRefused:
    """The signature in the URL, else the one in the cookies; the URL wins even when it is wrong."""
    in_url = [pair for pair in query_pairs(request.query or b"") if pair[0] in NAMES]
    if in_url:
        return _decoded(in_url, request)
    cookies = [
        (name.removeprefix(COOKIE_PREFIX), value)
        for line in field_values(request.fields, b"cookie")
        for name, value in cookie_pairs(line)
        if name.startswith(COOKIE_PREFIX) and name.removeprefix(COOKIE_PREFIX) in NAMES
    ]
    return _decoded(cookies, request)


def without_signature(request: Request) -> Request:
    """The request as the key and the origin know it: signing parameters and cookies taken out."""
    query = request.query
    if query:
        kept = [part for part in query.split(b"&") if part.partition(b"=")[0] not in NAMES]
        query = b"&".join(kept) if kept else None
    fields = tuple(
        (name, _unsigned_cookies(value)) if name == b"cookie" else (name, value)
        for name, value in request.fields
    )
    return replace(request, query=query, fields=tuple(f for f in fields if f != (b"cookie", b"")))


def _unsigned_cookies(value: bytes) -> bytes:
    kept = []
    for part in value.split(b";"):
        name = part.strip(b" \t").partition(b"=")[0]
        if not (name.startswith(COOKIE_PREFIX) and name.removeprefix(COOKIE_PREFIX) in NAMES):
            kept.append(part.strip(b" \t"))
    return b"; ".join(kept)


def signed_url(request: Request) -> bytes:
    """The URL a signature covers: scheme, Host as sent, raw path, query without signing names."""
    host = first_value(request.fields, b"host") or request.host
    bare = without_signature(request)
    query = b"" if bare.query is None else b"?" + bare.query
    return request.scheme + b"://" + host + request.path + query


def canned_policy(resource: bytes, expires: bytes) -> bytes:
    """The exact text a canned policy stands for."""
    return (
        b'{"Statement":[{"Resource":"%b","Condition":{"DateLessThan":{"AWS:EpochTime":%b}}}]}'
        % (resource, expires)
    )


def _decoded(
    pairs: list[tuple[bytes, bytes | None]], request: Request
) -> PresentedSignature | SignatureRefused:
    named = dict(pairs)
    if len(named) != len(pairs):
        return _refused(SignatureFault.MALFORMED_POLICY, "a signing parameter is given twice")
    key_id = named.get(b"Key-Pair-Id")
    if not key_id:
        return _refused(SignatureFault.MISSING_KEY, "no Key-Pair-Id in URL or cookies")
    if not _KEY_ID.fullmatch(key_id):
        return _refused(SignatureFault.INVALID_KEY, "Key-Pair-Id is not a key id")
    algorithm = named.get(b"Hash-Algorithm", b"SHA1")
    if algorithm not in (b"SHA1", b"SHA256"):
        return _refused(SignatureFault.MALFORMED_SIGNATURE, "Hash-Algorithm is not SHA1 or SHA256")
    signature = decoded_token(named.get(b"Signature") or b"")
    if signature is None:
        return _refused(SignatureFault.MALFORMED_SIGNATURE, "Signature is not in the alphabet")
    policy = _policy_text(named, request)
    if isinstance(policy, SignatureRefused):
        return policy
    expires = None if b"Policy" in named else int(named[b"Expires"] or b"0")
    return PresentedSignature(key_id.decode(), signature, policy, algorithm == b"SHA256", expires)


def _policy_text(named: dict[bytes, bytes | None], request: Request) -> bytes | SignatureRefused:
    expires, policy = named.get(b"Expires"), named.get(b"Policy")
    if b"Policy" in named and b"Expires" in named:
        return _refused(SignatureFault.MALFORMED_POLICY, "both Policy and Expires are given")
    if b"Policy" in named:
        text = decoded_token(policy or b"")
        if text is None or len(text) > POLICY_BYTES_MAX:
            return _refused(SignatureFault.MALFORMED_POLICY, "Policy is not in the alphabet")
        return text
    if not expires or not _EPOCH.fullmatch(expires) or int(expires) >= EPOCH_S_MAX:
        return _refused(SignatureFault.MALFORMED_POLICY, "Expires is not epoch seconds")
    return canned_policy(signed_url(request), expires)


def decoded_token(value: bytes) -> bytes | None:
    """Bytes of CloudFront's base64 (`-`, `~`, `_` for `+`, `/`, `=`); None unless canonical."""
    if not _TOKEN.fullmatch(value) or len(value) % 4:
        return None
    plain = value.translate(_ALPHABET)
    decoded = b64decode(plain, validate=True)
    return decoded if b64encode(decoded) == plain else None


def encoded_token(data: bytes) -> bytes:
    """`data` in CloudFront's base64."""
    return b64encode(data).translate(bytes.maketrans(b"+=/", b"-_~"))


def _refused(fault: SignatureFault, detail: str) -> SignatureRefused:
    return SignatureRefused(fault, detail)
