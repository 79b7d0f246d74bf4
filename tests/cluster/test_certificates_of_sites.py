"""What edges are told of ACME: tokens, key authorizations, certificates sealed for one place."""

from __future__ import annotations

import pytest

from edgecache.cluster.certificates import challenge_token, is_challenge, seal, unseal
from edgecache.cluster.credentials import part_of

SECRETS = {"k1": "a" * 43, "k2": "b" * 43}
PLACE = "edge-LHR50"
LONG = "LoqXcYV8q5ONbJQxbmR7SCTNo3tiAXDfowyjxAjEuX0"  # RFC 8555 §8.3
HERE = "/.well-known/acme-challenge/"


@pytest.mark.parametrize(
    ("path", "token"),
    [
        (f"{HERE}{LONG}", LONG),
        (f"{HERE}{'a' * 128}", "a" * 128),
        (f"{HERE}{'a' * 129}", ""),
        (HERE, ""),
        (f"{HERE}a/b", ""),
        (f"{HERE}..", ""),
        (f"{HERE}a%2e", ""),
        (f"{HERE}a=", ""),
        (f"{HERE}a\n", ""),
        (f"/x{HERE}a", ""),
        ("/.WELL-KNOWN/acme-challenge/a", ""),
    ],
)  # fmt: skip
def test_a_token_is_base64url_and_nothing_else(path: str, token: str) -> None:
    assert challenge_token(path.encode()) == token


@pytest.mark.parametrize(
    ("token", "answer", "good"),
    [
        ("abc", "abc.9jg46WB3rR_AHD-EBXdN7cBkH1WOu0tA3M9fm21mqTI", True),
        ("abc", "abd.9jg46WB3rR_AHD-EBXdN7cBkH1WOu0tA3M9fm21mqTI", False),
        ("abc", "abc", False),
        ("abc", "abc.", False),
        ("abc", "abc.x\n", False),
        ("abc", "abc.<script>", False),
        ("abc", f"abc.{'x' * 129}", False),
    ],
)
def test_a_key_authorization_is_its_tokens(token: str, answer: str, good: bool) -> None:
    assert is_challenge(token, answer) is good


def test_what_is_sealed_is_opened_by_its_place_alone() -> None:
    sealed = seal(b"a key", "E1", PLACE, SECRETS)
    assert "a key" not in sealed
    assert sealed != seal(b"a key", "E1", PLACE, SECRETS)
    assert unseal(sealed, "E1", PLACE, SECRETS) == b"a key"
    part = {key_id: part_of(secret, PLACE) for key_id, secret in SECRETS.items()}
    assert unseal(sealed, "E1", PLACE, part) == b"a key"
    other = {key_id: part_of(secret, "edge-NRT57") for key_id, secret in SECRETS.items()}
    for id, place, secrets in (
        ("E2", PLACE, SECRETS),
        ("E1", "edge-NRT57", SECRETS),
        ("E1", "edge-NRT57", other),
        ("E1", PLACE, other),
        ("E1", PLACE, {"k1": SECRETS["k1"]}),
        ("E1", PLACE, {"k2": SECRETS["k1"]}),
    ):
        with pytest.raises(ValueError, match=r"sealed|a part for"):
            unseal(sealed, id, place, secrets)
    with pytest.raises(ValueError, match=r"base64|padding"):
        unseal("k2.!!", "E1", PLACE, SECRETS)
