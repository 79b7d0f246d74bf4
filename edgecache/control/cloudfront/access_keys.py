"""Access keys: what an SDK signs its calls with. Law: who holds one can make no token of ours.

Each operator's secret in `secrets.json` gives one, by one-way derivation: nothing more is to be
kept or rotated, and a key that is in a script's environment does not sign for nodes.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import dataclass

ID_PREFIX = "EDGE"  # AWS's own begin with AKIA, which scanners for leaked keys look for


@dataclass(frozen=True, slots=True, repr=False)
class AccessKey:
    """A pair; `name` is the operator's in `secrets.json`. Its repr holds no secret."""

    name: str
    access_key_id: str
    secret_access_key: str

    def __repr__(self) -> str:
        return f"AccessKey({self.name}, {self.access_key_id})"


def access_key(name: str, secret: str) -> AccessKey:
    """The key of one operator: an id of AWS's length and alphabet, a secret of 43 letters."""
    id = base64.b32encode(_derived(secret, f"access key id of {name}"))[:16].decode()
    made = base64.urlsafe_b64encode(_derived(secret, f"secret access key of {name}"))
    return AccessKey(name, ID_PREFIX + id, made.decode().rstrip("="))


def access_keys(operators: Mapping[str, str]) -> list[AccessKey]:
    """One for each operator, the newest last."""
    return [access_key(name, secret) for name, secret in operators.items()]


def _derived(secret: str, purpose: str) -> bytes:
    return hmac.new(secret.encode(), f"edgecache {purpose}".encode(), hashlib.sha256).digest()
