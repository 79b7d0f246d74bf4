"""Tokens of Retry: good for an address, an id and some seconds; RFC 9000 §8.1.3, §8.1.4."""

from __future__ import annotations

import pytest

from edgecache.server.http3.retry_tokens import AHEAD_S, KEY_S, LIFETIME_S, RetryOrigin, RetryTokens

TOKENS = RetryTokens(b"secret")
ORIGIN = RetryOrigin(("192.0.2.1", 443), b"retry id")
NOW = 1_800_000_000.0


@pytest.mark.parametrize("original", [b"8 bytes.", b"x" * 20])
@pytest.mark.parametrize("host", ["192.0.2.1", "2001:db8::1", "fe80::1%eth0"])
def test_a_token_gives_back_what_it_was_made_of(original: bytes, host: str) -> None:
    origin = ORIGIN._replace(client=(host, 443))
    token = TOKENS.make(origin, original, NOW)
    assert RetryTokens(b"secret").original_id(token, origin, NOW + 3) == original


@pytest.mark.parametrize(
    ("origin", "later_s"),
    [
        (ORIGIN._replace(client=("192.0.2.2", 443)), 0),
        (ORIGIN._replace(client=("192.0.2.1", 444)), 0),
        (ORIGIN._replace(retry_id=b"other id"), 0),
        (ORIGIN, LIFETIME_S + 1),
        (ORIGIN, -AHEAD_S - 1),
        (ORIGIN, KEY_S),
    ],
)
def test_for_another_address_id_or_time_it_is_none(origin: RetryOrigin, later_s: float) -> None:
    token = TOKENS.make(ORIGIN, b"8 bytes.", NOW)
    assert TOKENS.original_id(token, origin, NOW + later_s) is None


def test_a_changed_token_is_none() -> None:
    token = TOKENS.make(ORIGIN, b"8 bytes.", NOW)
    for at in range(len(token)):
        changed = token[:at] + bytes((token[at] ^ 1,)) + token[at + 1 :]
        assert TOKENS.original_id(changed, ORIGIN, NOW) is None
    for wrong in (b"", token[:-1], token + b"x", b"\1" * 22, bytes(60)):
        assert TOKENS.original_id(wrong, ORIGIN, NOW) is None
    assert RetryTokens(b"another").original_id(token, ORIGIN, NOW) is None
