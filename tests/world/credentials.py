"""Credentials as processes of one installation make and admit them, and stand-ins for these."""

from __future__ import annotations

from collections.abc import Callable

from edgecache.cluster.credentials import CredentialSigner, CredentialVerifier

SECRETS = {"k1": "k" * 32}


def random_run(count: int) -> bytes:
    """The same each time: a process that starts once."""
    return b"\x07" * count


def signer(
    name: str,
    to: str,
    clock: Callable[[], float],
    secrets: dict[str, str] | None = None,
    random_bytes: Callable[[int], bytes] = random_run,
) -> CredentialSigner:
    """One that was told the secrets."""
    made = CredentialSigner(name, to, clock, random_bytes)
    made.use(secrets or SECRETS)
    return made


def verifier(
    at: str, clock: Callable[[], float], secrets: dict[str, str] | None = None
) -> CredentialVerifier:
    """One that was told the secrets."""
    made = CredentialVerifier(at, clock)
    made.use(secrets or SECRETS)
    return made


def sent_by(**names: str) -> Callable[[bytes, bytes], str]:
    """A sender told by the credential alone, which is a word here: `sent_by(good="regional")`."""
    return lambda credential, _message: names.get(credential.decode("latin-1"), "")


def without_credential(head: bytes) -> bytes:
    """A head as it was before it was signed."""
    line, first, rest = head.split(b"\r\n", 2)
    assert first.startswith(b"Edgecache-Peer: "), head
    return line + b"\r\n" + rest


def signs(place: str) -> CredentialSigner:
    """What signs for control towards a place, long ago."""
    return signer("control", place, lambda: 1_000.0)
