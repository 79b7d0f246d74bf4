"""Private content. Law: nothing outside this file decides that a signature opens a URL.

CloudFront Developer Guide, "Use signed URLs" and "Use signed cookies": the order of the checks, and
the code each failure has.
"""

from __future__ import annotations

from collections.abc import Mapping, MutableMapping
from dataclasses import dataclass

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import (
    decode_dss_signature,
    encode_dss_signature,
)

from edgecache.config.public_key import PublicKey
from edgecache.http.message import Request
from edgecache.rules.signed_policy import Policy, parse_policy
from edgecache.rules.signed_request import (
    Presented,
    SignatureFault,
    SignatureRefused,
    presented,
    signed_url,
)


@dataclass(frozen=True, slots=True)
class Opened:
    """The signature opens the URL until `until` (wall clock, epoch seconds).

    `by_address`: for some viewers only.
    """

    key_id: str
    until: float
    by_address: bool = False


def open_signed(
    request: Request,
    keys: Mapping[str, PublicKey],
    now: float,
    client: str,
    proven: MutableMapping[Presented, Policy] | None = None,
) -> Opened | SignatureRefused:
    """Whether what `request` carries opens its URL; `keys` are those the behavior trusts.

    `proven` remembers what these keys were found to have signed, and nothing else: strangers
    cannot fill it. Whether the URL, the time and the address are right is asked each time.
    """
    token = presented(request)
    if isinstance(token, SignatureRefused):
        return token
    policy = _policy_of(token, keys, {} if proven is None else proven)
    if isinstance(policy, SignatureRefused):
        return policy
    objection = policy.objection(signed_url(request), now, client)
    if objection is not None:
        return SignatureRefused(SignatureFault.ACCESS_DENIED, objection)
    return Opened(token.key_id, policy.before, policy.network is not None)


def _policy_of(
    token: Presented, keys: Mapping[str, PublicKey], proven: MutableMapping[Presented, Policy]
) -> Policy | SignatureRefused:
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


def verified(token: Presented, key: PublicKey) -> bool:
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
