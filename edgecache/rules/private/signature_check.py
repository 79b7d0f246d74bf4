"""Signature checks: whether a signed URL or cookie opens what is asked for.

Law: nothing outside this file decides that a signature opens a URL. CloudFront Developer Guide,
"Use signed URLs" and "Use signed cookies": the order of the checks, and the code each failure has.
"""

from __future__ import annotations

from collections.abc import Mapping, MutableMapping
from dataclasses import dataclass, field

from cachetools import LRUCache
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import (
    decode_dss_signature,
    encode_dss_signature,
)

from edgecache.config.public_keys import PublicKeyObject
from edgecache.http.message import Request, first_value
from edgecache.rules.private.signature_fields import (
    PresentedSignature,
    SignatureFault,
    SignatureRefused,
    in_url,
    presented,
    signed_url,
    without_signature,
)
from edgecache.rules.private.signed_policy import SignedPolicy, parse_policy

PROVEN_MAX = 16_384  # signatures remembered; about a kilobyte each, and only genuine ones
URLS_MAX = 16_384  # URLs that one of them opened; the same
_Url = tuple[bytes, bytes, bytes, bytes]  # scheme, Host as sent, path, query with the signature


@dataclass(frozen=True, slots=True)
class SignatureAccepted:
    """The signature opens the URL until `until` (wall clock, epoch seconds).

    `by_address`: for some viewers only. `in_url`: the URL carried it, and `query` is the rest.
    """

    key_id: str
    until: float
    by_address: bool = False
    in_url: bool = False
    query: bytes | None = None


@dataclass(frozen=True, slots=True, eq=False)
class VerifiedSignatures:
    """Signatures verified with the keys of one generation, and nothing else.

    Strangers cannot fill it. A URL that was opened needs no more than its place here, the time
    and the address; a signature in cookies is judged for each URL.
    """

    signed: MutableMapping[PresentedSignature, SignedPolicy] = field(
        default_factory=lambda: LRUCache(PROVEN_MAX)
    )
    urls: MutableMapping[_Url, tuple[SignedPolicy, SignatureAccepted]] = field(
        default_factory=lambda: LRUCache(URLS_MAX)
    )


def open_signed(
    request: Request,
    keys: Mapping[str, PublicKeyObject],
    now: float,
    client: str,
    proven: VerifiedSignatures | None = None,
) -> SignatureAccepted | SignatureRefused:
    """Whether what `request` carries opens its URL; `keys` are those the behavior trusts."""
    if proven is None:
        return _judged(request, keys, now, client, VerifiedSignatures())
    known = proven.urls.get(_url(request))
    if known is None or known[1].key_id not in keys:
        return _judged(request, keys, now, client, proven)
    untimely = known[0].untimely(now, client)
    if untimely is not None:
        return SignatureRefused(SignatureFault.ACCESS_DENIED, untimely)
    return known[1]


def _url(request: Request) -> _Url:
    host = first_value(request.fields, b"host") or request.host
    return request.scheme, host, request.path, request.query or b""


def _judged(
    request: Request,
    keys: Mapping[str, PublicKeyObject],
    now: float,
    client: str,
    proven: VerifiedSignatures,
) -> SignatureAccepted | SignatureRefused:
    """Whether a URL that is not known to be open is."""
    token = presented(request)
    if isinstance(token, SignatureRefused):
        return token
    policy = _policy_of(token, keys, proven.signed)
    if isinstance(policy, SignatureRefused):
        return policy
    objection = policy.objection(signed_url(request), now, client)
    if objection is not None:
        return SignatureRefused(SignatureFault.ACCESS_DENIED, objection)
    by_address = policy.network is not None
    if not in_url(request):
        return SignatureAccepted(token.key_id, policy.before, by_address)
    bare = without_signature(request).query
    opened = SignatureAccepted(token.key_id, policy.before, by_address, True, bare)
    proven.urls[_url(request)] = policy, opened
    return opened


def _policy_of(
    token: PresentedSignature,
    keys: Mapping[str, PublicKeyObject],
    proven: MutableMapping[PresentedSignature, SignedPolicy],
) -> SignedPolicy | SignatureRefused:
    key = keys.get(token.key_id)
    if key is None:
        return SignatureRefused(SignatureFault.INVALID_KEY, f"{token.key_id} is not trusted here")
    policy = proven.get(token)
    if policy is not None:
        return policy
    policy = parse_policy(token)
    if policy is None:
        return SignatureRefused(SignatureFault.MALFORMED_POLICY, "not a policy of one statement")
    if not verified(token, key):
        return SignatureRefused(SignatureFault.ACCESS_DENIED, "the signature is not this key's")
    proven[token] = policy
    return policy


def verified(token: PresentedSignature, key: PublicKeyObject) -> bool:
    """Whether `token` was signed with the private half of `key`."""
    algorithm = hashes.SHA256() if token.sha256 else hashes.SHA1()
    try:
        if isinstance(key, rsa.RSAPublicKey):
            key.verify(token.signature, token.policy, padding.PKCS1v15(), algorithm)
        else:
            numbers = decode_dss_signature(token.signature)
            if encode_dss_signature(*numbers) != token.signature:
                return False  # a second spelling of the same numbers
            key.verify(token.signature, token.policy, ec.ECDSA(algorithm))
    except (InvalidSignature, ValueError):
        return False
    return True
