"""Public keys of signed URLs: PEM files read at load, and the keys CloudFront would take.

Nodes elsewhere get the configuration from control, so a key travels in it and not by its path.
CloudFront Developer Guide, "Specify signers".
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from msgspec.structs import replace

from edgecache.config.model import Config, PublicKey
from edgecache.config.problems import Problems, quoted

if TYPE_CHECKING:  # the command line reads a configuration without it
    from cryptography.hazmat.primitives.asymmetric import ec, rsa

PEM_BYTES_MAX = 16_384  # an RSA key of 16,384 bits, the most OpenSSL verifies, has 3 KB
RSA_BITS_MIN = 1_024  # CloudFront takes 2,048 today; keys made before are still about
RSA_EXPONENT_MIN = 65_537  # below it, forged paddings have been made (CVE-2006-4339)

PublicKeyObject: TypeAlias = "rsa.RSAPublicKey | ec.EllipticCurvePublicKey"


def read_pem_files(config: Config, folder: Path, problems: Problems) -> Config:
    """`config` with every `pem_file` read; paths are relative to `folder`."""
    keys = [
        _with_pem(key, folder, f"public_keys[{index}].pem_file", problems)
        for index, key in enumerate(config.public_keys)
    ]
    return replace(config, public_keys=tuple(keys))


def load_public_key(pem: str) -> PublicKeyObject:
    """A key CloudFront would take: RSA of at least 1,024 bits, or ECDSA on P-256. ValueError."""
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.asymmetric import ec, rsa
    from cryptography.hazmat.primitives.serialization import load_pem_public_key

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


def _with_pem(key: PublicKey, folder: Path, where: str, problems: Problems) -> PublicKey:
    if not key.pem_file:
        return key
    if key.pem:
        problems.add(where, "not used with pem")
        return replace(key, pem_file="")
    return replace(key, pem=_read(folder / key.pem_file, where, problems), pem_file="")


def _read(path: Path, where: str, problems: Problems) -> str:
    """The file's text; what is no text has a problem of its own, and none of the key's."""
    try:
        with path.open("rb") as opened:
            data = opened.read(PEM_BYTES_MAX + 1)
        if len(data) > PEM_BYTES_MAX:
            raise ValueError(f"larger than {PEM_BYTES_MAX} bytes")
        return data.decode("ascii")
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        problems.add(where, f"{quoted(path.name)}: {reason}")
    except UnicodeDecodeError:
        problems.add(where, f"{quoted(path.name)} is not PEM")
    except ValueError as error:  # a null byte in the name, or a large file
        problems.add(where, f"{quoted(path.name)}: {error}")
    problems.suppress(where.removesuffix("_file"))
    return ""
