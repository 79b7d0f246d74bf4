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
SHORT_S = 2
EXPIRED_S = 5
NATIVE_KEY = "k1"
ELSEWHERE = "127.0.0.77/32"  # where no viewer of ours comes from


def _signer(key_id: str) -> Signer:
    return Signer(key_id, ec.generate_private_key(ec.SECP256R1()))


@dataclass(frozen=True, slots=True)
class Ticket:
    """What is asked for with a signature: the target, a Cookie, until when it is good."""

    target: str
    cookie: str = ""
    until: float = 0.0


@dataclass(slots=True)
class Keys:
    """The key the sites trust, and one under the same id that they do not.

    The same is signed once: its bytes can come again.
    """

    ours: Signer = field(default_factory=lambda: _signer("KADVERSARY0001"))
    strangers: Signer = field(default_factory=lambda: _signer("KADVERSARY0001"))
    native: str = ""  # the secret of NATIVE_KEY
    wall: Callable[[], float] = time.time
    _signed: dict[tuple[str, str], Ticket] = field(default_factory=dict)

    def signed(self, how: Signed, host: str, target: str, *, secure: bool) -> tuple[str, str, bool]:
        """The target, a Cookie, and whether that opens it now."""
        if not how:
            return target, "", False
        base = f"{'https' if secure else 'http'}://{host}"
        known = self._signed.get((how, base + target))
        if known is None:
            make = self._native if how.startswith("native") else self._paired
            known = self._signed[how, base + target] = make(how, base, target)
        return known.target, known.cookie, self.wall() < known.until

    def _paired(self, how: Signed, base: str, target: str) -> Ticket:
        now, url = int(self.wall()), base + target
        good, bare = now + LASTS_S, url.partition("?")[0]
        ours = self.ours

        def policy(resource: str, after: int | None = None, address: str = "") -> str:
            text = Signer.policy(resource, good, after=after, address=address)
            return in_url(ours, url, policy=text)[len(base) :]

        match how:
            case "url":
                return Ticket(in_url(ours, url, good)[len(base) :], until=good)
            case "cookies":
                return Ticket(target, in_cookies(ours, url, good), good)
            case "short":
                until = now + SHORT_S
                return Ticket(in_url(ours, url, until)[len(base) :], until=until)
            case "expired":
                return Ticket(in_url(ours, url, now - EXPIRED_S)[len(base) :])
            case "stranger":
                return Ticket(in_url(self.strangers, url, good)[len(base) :])
            case "tampered":
                old = f"Expires={now - EXPIRED_S}"
                signed = in_url(ours, url, now - EXPIRED_S)[len(base) :]
                return Ticket(signed.replace(old, f"Expires={good}"))
            case "address":
                return Ticket(policy(bare + "*", address=ELSEWHERE))
            case "early":
                return Ticket(policy(bare + "*", after=now + LASTS_S // 2))
            case "prefix":
                return Ticket(policy(f"{bare}/below/*"))
            case "host":
                return Ticket(policy(bare.replace(".test/", ".elsewhere/") + "*"))
            case _:
                other = in_url(ours, bare + "-other", good)
                mark = "&" if "?" in target else "?"
                return Ticket(f"{target}{mark}{other.partition('?')[2]}")

    def _native(self, how: Signed, base: str, target: str) -> Ticket:
        now, host = int(self.wall()), base.partition("://")[2]
        until, secret, path = now + LASTS_S, self.native, target
        if how == "native expired":
            until = now - EXPIRED_S
        elif how == "native stranger":
            secret = "a secret that is nobody's, of enough letters"
        elif how == "native another":
            path = target + "-other"
        token = issued(TokenGrant(until, host, path), NATIVE_KEY, native_signer(secret)).decode()
        opens = how == "native" and self.native
        return Ticket(target, f"Edgecache-Token={token}", until if opens else 0.0)
