"""Tokens of our own: what they open, to whom, until when; and their one spelling."""

from __future__ import annotations

import pytest

from edgecache.http.message import Request
from edgecache.rules.private.native_token import (
    TokenGrant,
    issued,
    native_signer,
    open_native,
    without_token,
)
from edgecache.rules.private.signature_check import SignatureAccepted
from edgecache.rules.private.signature_fields import SignatureRefused
from tests.rules.pieces import NOW, asks

SIGNERS = {"k1": native_signer("1" * 32), "k2": native_signer("2" * 32)}
END = int(NOW) + 60


def token(grant: TokenGrant, key_id: str = "k1", signed_by: str = "k1") -> str:
    return issued(grant, key_id, SIGNERS[signed_by]).decode()


def carrying(said: str, target: str = "/v/a.mp4", **more: object) -> Request:
    mark = "&" if "?" in target else "?"
    return asks(f"{target}{mark}edgecache-token={said}", **more)  # type: ignore[arg-type]


def told(request: Request, now: float = NOW) -> str:
    found = open_native(request, SIGNERS, now)
    return "opens" if isinstance(found, SignatureAccepted) else f"{found.fault}: {found.detail}"


FILE = TokenGrant(END, "site.test", "/v/a.mp4")
FOLDER = TokenGrant(END, "site.test", "/v/", prefix=True)
HERE = TokenGrant(END, "site.test", "/v/a.mp4", address="192.0.2.0/24")


@pytest.mark.parametrize(
    ("grant", "target", "expected"),
    [
        (FILE, "/v/a.mp4", "opens"),
        (FILE, "/v/a.mp4?x=1", "AccessDenied: the token is for /v/a.mp4"),
        (FILE, "/v/A.mp4", "AccessDenied: the token is for /v/a.mp4"),
        (FILE, "/v/%61.mp4", "AccessDenied: the token is for /v/a.mp4"),
        (TokenGrant(END, "site.test", "/v/a.mp4?x=1&y"), "/v/a.mp4?x=1&y", "opens"),
        (FOLDER, "/v/", "opens"),
        (FOLDER, "/v/b/c.ts?x=1", "opens"),
        (FOLDER, "/v", "AccessDenied: the path is not under /v/"),
        (FOLDER, "/w/v/", "AccessDenied: the path is not under /v/"),
        (FOLDER, "/v/../w", "AccessDenied: the path is not under /v/"),
        (FOLDER, "/v/%2E%2e/w", "AccessDenied: the path is not under /v/"),
        (FOLDER, "/v/x%2f..%2f..%2fw", "AccessDenied: the path is not under /v/"),
        (FOLDER, "/v/..\\w", "AccessDenied: the path is not under /v/"),
        (FOLDER, "/v/..;/w", "AccessDenied: the path is not under /v/"),
        (FOLDER, "/v/%252e%252e/w", "AccessDenied: the path is not under /v/"),
        (FOLDER, "/v/..%00/w", "AccessDenied: the path is not under /v/"),
        (FOLDER, "/v/%C3%A4%20b;c=1", "opens"),
        (TokenGrant(END, "site.test", "/v;1", prefix=True), "/v;1/a", "opens"),
        (TokenGrant(END, "site.test", "/v%20w/", prefix=True), "/v%20w/a", "opens"),
        (FOLDER, "/v/...", "opens"),
        (TokenGrant(END, "b.test", "/v/a.mp4"), "/v/a.mp4", "AccessDenied: the host is not b.test"),
    ],
)  # fmt: skip
def test_what_a_token_opens(grant: TokenGrant, target: str, expected: str) -> None:
    assert told(carrying(token(grant), target)) == expected


@pytest.mark.parametrize(
    ("client", "expected"),
    [
        ("192.0.2.9", "opens"),
        ("::ffff:192.0.2.9", "opens"),
        ("198.51.100.1", "AccessDenied: the address is not in 192.0.2.0/24"),
        ("2001:db8::1", "AccessDenied: the address is not in 192.0.2.0/24"),
        ("", "AccessDenied: the address is not in 192.0.2.0/24"),
    ],
)
def test_to_whom(client: str, expected: str) -> None:
    assert told(carrying(token(HERE), client=(client, 1))) == expected


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [(59, "opens"), (60, "AccessDenied: expired 0 s ago"), (72, "AccessDenied: expired 12 s ago")],
)
def test_until_when(seconds: float, expected: str) -> None:
    assert told(carrying(token(FILE)), NOW + seconds) == expected


def test_what_depends_on_the_address_says_so() -> None:
    found = open_native(carrying(token(HERE), client=("192.0.2.9", 1)), SIGNERS, NOW)
    assert found == SignatureAccepted("k1", END, by_address=True)
    assert open_native(carrying(token(FILE, "k2", "k2")), SIGNERS, NOW) == SignatureAccepted(
        "k2", END
    )


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ("", "MalformedSignature: not one token of our form"),
        ("k1.e30", "MalformedSignature: not one token of our form"),
        (token(FILE, "k3"), "InvalidKey: k3 is not trusted here"),
        (token(FILE, "k1", "k2"), "AccessDenied: the signature is not this key's"),
        (token(FILE) + "=", "MalformedSignature: not one token of our form"),
        (f"{token(FILE)}&edgecache-token={token(FILE)}",
         "MalformedSignature: not one token of our form"),
    ],
)  # fmt: skip
def test_other_tokens(said: str, expected: str) -> None:
    assert told(carrying(said)) == expected


def test_a_token_has_one_spelling() -> None:
    said = token(FILE)
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    opening = [last for last in alphabet if told(carrying(said[:-1] + last)) == "opens"]
    assert opening == [said[-1]]


def test_the_url_counts_before_the_cookie() -> None:
    cookie = f"cookie: Edgecache-Token={token(FILE)}"
    assert told(asks("/v/a.mp4", cookie)) == "opens"
    assert told(asks("/v/a.mp4?edgecache-token=x", cookie)).startswith("MalformedSignature")
    assert told(asks("/v/a.mp4")) == "MissingKey: no token in URL or cookies"


def test_what_is_signed_but_says_nothing_known() -> None:
    for text in ("", "e30", "WzEsMl0", "WzEsImEiLCIvIiwwLCJ4Il0"):  # {}, [1,2], a wrong address
        said = SIGNERS["k1"].sign(f"k1.{text or 'A'}").decode()
        found = open_native(carrying(said), SIGNERS, NOW)
        assert isinstance(found, SignatureRefused)
        assert found.fault == "MalformedPolicy"


@pytest.mark.parametrize(
    ("target", "cookie", "kept_target", "kept_cookie"),
    [
        ("/a?edgecache-token=x", "Edgecache-Token=x", "/a", None),
        ("/a?x=1&edgecache-token=x&y", "a=1; Edgecache-Token=x; b=2", "/a?x=1&y", "a=1; b=2"),
        ("/a?Edgecache-Token=x", "edgecache-token=x", "/a?Edgecache-Token=x", "edgecache-token=x"),
        ("/a?", "a=1;b=2", "/a?", "a=1;b=2"),
    ],
)
def test_tokens_go_no_further(
    target: str, cookie: str, kept_target: str, kept_cookie: str | None
) -> None:
    left = without_token(asks(target, f"cookie: {cookie}"))
    assert left.target.decode() == kept_target
    assert dict(left.fields).get(b"cookie") == (kept_cookie.encode() if kept_cookie else None)
