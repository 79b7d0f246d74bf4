"""AWS Signature Version 4A, checked for who calls us: ECDSA over P-256, for every region at once.

Law: as in `sigv4.py`, what is not signed proves nothing. Both sides derive the same key pair from
an access key; the scope names no region, which the signed field X-Amz-Region-Set has instead. IAM
User Guide, "AWS Signature Version 4 for API requests"; the derivation is that of the AWS Common
Runtime (aws-c-auth, key_derivation.c: NIST SP 800-108 in counter mode). Pure: the time is an
argument.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Callable

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec

from edgecache.http.function_cache import CONFIGURED_BYTES, cached
from edgecache.rules.sigv4 import (
    IncomingRequest,
    RejectionReason,
    SignatureRejected,
    SignatureVerified,
    canonical_request,
    misdated,
    one_field,
    signed_in_time,
    signed_input,
    unsigned_part,
)

ALGORITHM = "AWS4-ECDSA-P256-SHA256"
COUNTERS = range(1, 255)  # tries, each good but once in 2^32
_ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551  # of P-256 (FIPS 186-4)
_AUTHORIZATION = re.compile(
    r"AWS4-ECDSA-P256-SHA256\s+Credential=(?P<key>[A-Za-z0-9_]{1,128})/(?P<day>\d{8})"
    r"/(?P<service>[a-z0-9-]{1,64})/aws4_request"
    r"\s*,\s*SignedHeaders=(?P<names>[a-z0-9!#$%&'*+.^_`|~;-]+)"
    r"\s*,\s*Signature=(?P<signature>(?:[0-9a-f]{2}){8,72})"
)
REGIONS = "x-amz-region-set"


def verify_asymmetric(
    request: IncomingRequest, secret_of: Callable[[str], str | None], service: str, now: float
) -> SignatureVerified | SignatureRejected:
    """The verified signer of `request`, for `service`; `now` is wall clock, epoch seconds."""
    given = one_field(request.fields, b"authorization")
    if given is None or not given.startswith(ALGORITHM):
        return SignatureRejected(RejectionReason.ABSENT, "the request is not signed")
    match = _AUTHORIZATION.fullmatch(given)
    if match is None or match["service"] != service:
        return SignatureRejected(
            RejectionReason.MALFORMED, f"not a signature for {service} of the form {ALGORITHM}"
        )
    names = match["names"].split(";")
    stamp = one_field(request.fields, b"x-amz-date")
    problem = unsigned_part(request, names) or misdated(stamp, match["day"])
    if not problem and REGIONS not in names:
        problem = f"{REGIONS} is not signed"
    if problem:
        return SignatureRejected(RejectionReason.MALFORMED, problem)
    assert stamp is not None
    secret = secret_of(match["key"])
    to_sign = signed_input(request, names)
    digest = hashlib.sha256(canonical_request(to_sign, to_sign.fields, service)).hexdigest()
    text = f"{ALGORITHM}\n{stamp}\n{stamp[:8]}/{service}/aws4_request\n{digest}".encode()
    # One unknown is checked as well, against nothing, so that the time tells nothing of ids.
    key = derived_key(match["key"], secret or "-").public_key()
    good = _is_of(key, bytes.fromhex(match["signature"]), text)
    if not good or secret is None:
        why = RejectionReason.UNKNOWN_KEY if secret is None else RejectionReason.WRONG
        return SignatureRejected(why, "the signature is not one this request would have")
    return signed_in_time(match["key"], stamp, now)


def _is_of(key: ec.EllipticCurvePublicKey, signature: bytes, text: bytes) -> bool:
    try:
        key.verify(signature, text, ec.ECDSA(hashes.SHA256()))
    except InvalidSignature:
        return False
    return True


@cached(64, CONFIGURED_BYTES)
def derived_key(access_key_id: str, secret_access_key: str) -> ec.EllipticCurvePrivateKey:
    """The private key that an access key gives."""
    for counter in COUNTERS:
        fixed = (
            b"\x00\x00\x00\x01" + ALGORITHM.encode() + b"\x00"
            + access_key_id.encode() + bytes([counter]) + b"\x00\x00\x01\x00"
        )  # fmt: skip
        made = hmac.new(f"AWS4A{secret_access_key}".encode(), fixed, hashlib.sha256).digest()
        number = int.from_bytes(made, "big")
        if number <= _ORDER - 2:
            return ec.derive_private_key(number + 1, ec.SECP256R1())
    raise AssertionError("no key in 254 tries")  # once in 2^8128
