"""Keys of signed zones, made of secrets (`dnssec` of `secrets.json`): one of each kind a secret.

Law: everybody who has a secret has the same keys of a zone, and nobody else has any. There is
nothing else to keep: a zone that comes has its keys, and one that comes back has those it had.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from edgecache.dns.dnssec import ENTRY_FLAG, ZONE_FLAG, dnskey_data
from edgecache.dns.names import to_text
from edgecache.dns.zone_signer import SignatureMemo, ZoneSigner

ENTRY, ZONE = "key-signing", "zone-signing"
_ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551  # of P-256
_DERIVED_BYTES = 48  # 128 bits more than the order has: no number is likelier (FIPS 186-5, A.2.1)
_HASH = ec.ECDSA(hashes.SHA256())
NO_SECRET = "there is no key to sign it by; run: edgecache dns ds"


class ZoneKey:
    """A key of a zone (`ZoneSigningKey`), ECDSA P-256. `use`: `ENTRY` or `ZONE`."""

    def __init__(self, secret: str, apex: bytes, use: str) -> None:
        info = f"edgecache dnssec {use} {to_text(apex)}".encode()
        derived = HKDF(hashes.SHA256(), _DERIVED_BYTES, None, info).derive(secret.encode())
        number = int.from_bytes(derived, "big") % (_ORDER - 1) + 1
        self._key = ec.derive_private_key(number, ec.SECP256R1())
        point = self._key.public_key().public_numbers()
        public = point.x.to_bytes(32, "big") + point.y.to_bytes(32, "big")
        self.dnskey = dnskey_data(public, ZONE_FLAG | (ENTRY_FLAG if use == ENTRY else 0))

    def sign(self, data: bytes) -> bytes:
        """See `ZoneSigningKey`."""
        r, s = decode_dss_signature(self._key.sign(data, _HASH))
        return r.to_bytes(32, "big") + s.to_bytes(32, "big")


class ZoneKeys:
    """Signers of zones by their apex, as long as secrets stay the same. `memo` keeps signatures."""

    def __init__(self, memo: SignatureMemo) -> None:
        self.memo = memo
        self._secrets: dict[str, str] = {}
        self._signers: dict[bytes, ZoneSigner] = {}

    def use(self, secrets: Mapping[str, str]) -> bool:
        """Sign by these from now on; whether they are others than before."""
        if dict(secrets) == self._secrets:
            return False
        self._secrets = dict(secrets)
        self._signers.clear()
        self.memo.clear()
        return True

    def signer(self, apex: bytes) -> ZoneSigner:
        """The signer of a zone. ValueError: there is no secret."""
        if not self._secrets:
            raise ValueError(NO_SECRET)
        if apex not in self._signers:
            self._signers[apex] = zone_signer(apex, self._secrets, self.memo)
        return self._signers[apex]

    def keep(self, apexes: set[bytes]) -> None:
        """Forget the signers of zones that are gone."""
        self._signers = {apex: one for apex, one in self._signers.items() if apex in apexes}


def zone_signer(apex: bytes, secrets: Mapping[str, str], memo: SignatureMemo) -> ZoneSigner:
    """The signer of one zone, by secrets by id."""
    made: dict[str, list[ZoneKey]] = {
        use: [ZoneKey(secret, apex, use) for secret in secrets.values()] for use in (ENTRY, ZONE)
    }
    return ZoneSigner(apex, made[ENTRY], made[ZONE], memo)


SignerOf = Callable[[bytes], ZoneSigner]
"""The signer of the zone of an apex. ValueError: it cannot be signed."""
