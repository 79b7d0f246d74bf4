"""Signatures viewers present: ours, expired, of a stranger's key, tampered with, of another URL."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field

from cryptography.hazmat.primitives.asymmetric import ec

from edgecache.rules.private.native_token import TokenGrant, issued, native_signer
from tests.adversary.actions import Signed
from tests.rules.private.signers import Signer, in_cookies, in_url

LASTS_S = 600
EXPIRED_S = 5
NATIVE_KEY = "k1"


def _signer(key_id: str) -> Signer:
    return Signer(key_id, ec.generate_private_key(ec.SECP256R1()))


@dataclass(slots=True)
class Keys:
    """The key the sites trust, and one under the same id that they do not."""

    ours: Signer = field(default_factory=lambda: _signer("KADVERSARY0001"))
    strangers: Signer = field(default_factory=lambda: _signer("KADVERSARY0001"))
    native: str = ""  # the secret of NATIVE_KEY
    wall: Callable[[], float] = time.time

    def signed(self, how: Signed, host: str, target: str, *, secure: bool) -> tuple[str, str, bool]:
        """The target, a Cookie, and whether that opens it now."""
        if not how:
            return target, "", False
        now = int(self.wall())
        url = f"{'https' if secure else 'http'}://{host}{target}"
        base = len(url) - len(target)
        good = now + LASTS_S
        match how:
            case "url":
                return in_url(self.ours, url, good)[base:], "", True
            case "cookies":
                return target, in_cookies(self.ours, url, good), True
            case "native":
                grant = TokenGrant(good, host, target)
                token = issued(grant, NATIVE_KEY, native_signer(self.native)).decode()
                return target, f"Edgecache-Token={token}", bool(self.native)
            case "expired":
                return in_url(self.ours, url, now - EXPIRED_S)[base:], "", False
            case "stranger":
                return in_url(self.strangers, url, good)[base:], "", False
            case "tampered":
                signed = in_url(self.ours, url, now - EXPIRED_S)[base:]
                return signed.replace(f"Expires={now - EXPIRED_S}", f"Expires={good}"), "", False
            case "another":
                other = in_url(self.ours, url.partition("?")[0] + "-other", good)
                mark = "&" if "?" in target else "?"
                return f"{target}{mark}{other.partition('?')[2]}", "", False
