"""Public keys out of their PEM. CloudFront Developer Guide, "Specify signers": what it takes."""

from __future__ import annotations

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import load_pem_public_key

PublicKey = rsa.RSAPublicKey | ec.EllipticCurvePublicKey
RSA_BITS_MIN = 1_024  # CloudFront takes 2,048 today; keys made before are still about
RSA_EXPONENT_MIN = 65_537  # below it, forged paddings have been made (CVE-2006-4339)


def load_public_key(pem: str) -> PublicKey:
    """A key CloudFront would take: RSA of at least 1,024 bits, or ECDSA on P-256. ValueError."""
    try:
        key = load_pem_public_key(pem.encode())
    except (ValueError, UnsupportedAlgorithm) as error:
        raise ValueError("not the PEM of a public key") from error
    if isinstance(key, rsa.RSAPublicKey):
        if key.key_size < RSA_BITS_MIN or key.public_numbers().e < RSA_EXPONENT_MIN:
            raise ValueError("an RSA key needs 1,024 bits and an exponent of at least 65537")
        return key
    if isinstance(key, ec.EllipticCurvePublicKey) and isinstance(key.curve, ec.SECP256R1):
        return key
    raise ValueError("not an RSA key, nor an ECDSA key on P-256")
