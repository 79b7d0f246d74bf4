"""Ten thousand near misses: whatever differs from what was signed by one byte opens nothing."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgecache.http.message import Fields, Request
from edgecache.rules.private.key_ring import TrustedKeys
from edgecache.rules.private.native_token import COOKIE, TokenGrant, issued, native_signer
from edgecache.rules.private.signature_check import SignatureAccepted, VerifiedSignatures
from edgecache.rules.private.signature_fields import COOKIE_PREFIX, NAMES, SignatureFault
from tests.rules.private.signers import EC, RSA, in_cookies, in_url

NOW = 1_800_000_000.0
BASE = "http://site.test/a/video.mp4"
END = int(NOW) + 3_600
SIGNERS = {"n1": native_signer("s" * 32), "n2": native_signer("t" * 32)}
PUBLIC = {signer.key_id: signer.private.public_key() for signer in (RSA, EC)}
TRUST = TrustedKeys(PUBLIC, SIGNERS, VerifiedSignatures())
TOKEN = issued(TokenGrant(END, "site.test", "/a/video.mp4"), "n1", SIGNERS["n1"]).decode()
EXACT = RSA.policy(BASE, END, after=int(NOW) - 9, address="192.0.2.0/24")
IN_URL = {
    "canned-rsa": in_url(RSA, BASE, END),
    "canned-ecdsa-sha256": in_url(EC, f"{BASE}?x=1&y", END, sha256=True),
    "custom": in_url(RSA, BASE, policy=EXACT),
    "native": f"{BASE}?edgecache-token={TOKEN}",
}
IN_COOKIES = {
    "canned": in_cookies(RSA, BASE, END),
    "custom": in_cookies(EC, policy=EC.policy(BASE, END)),
    "native": f"Edgecache-Token={TOKEN}",
}
NAMES_OF_COOKIES = {COOKIE, *(COOKIE_PREFIX + name for name in NAMES)}
BYTES = st.sampled_from([bytes([code]) for code in range(0x21, 0x7F)])
LETTERS = st.sampled_from([bytes([code]) for code in b"abcXYZ019-_~"])


def opens(target: bytes, cookie: bytes = b"") -> bool:
    path, mark, query = target.partition(b"?")
    fields: Fields = ((b"host", b"site.test"),)
    fields += ((b"cookie", cookie),) if cookie else ()
    asked = Request(
        b"GET", path, query if mark else None, fields, b"site.test", client=("192.0.2.7", 1)
    )
    found = TRUST.opens(asked, NOW)
    assert isinstance(found, SignatureAccepted) or found.fault in SignatureFault
    return isinstance(found, SignatureAccepted)


@st.composite
def mutated(draw: st.DrawFn, original: bytes, alphabet: st.SearchStrategy[bytes]) -> bytes:
    """`original` with one byte replaced, put in, taken out, or a stretch repeated."""
    at = draw(st.integers(0, len(original) - 1))
    kind = draw(st.sampled_from(["replace", "insert", "delete", "repeat", "cut"]))
    before, after = original[:at], original[at:]
    if kind == "replace":
        return before + draw(alphabet) + after[1:]
    if kind == "insert":
        return before + draw(alphabet) + after
    if kind == "delete":
        return before + after[1:]
    if kind == "repeat":
        return before + after[: draw(st.integers(1, 40))] + after
    return before or b"/"


@pytest.mark.parametrize("name", IN_URL)
def test_no_other_url_opens(name: str) -> None:
    signed = IN_URL[name].removeprefix("http://site.test").encode()
    assert opens(signed)

    @settings(max_examples=1_600, deadline=None, database=None)
    @given(mutated(signed, BYTES))
    def refuses(target: bytes) -> None:
        assert opens(target) == (target == signed), target

    refuses()


def ours(cookie: bytes) -> list[bytes]:
    """The cookies of a token; another beside them is another's."""
    parts = [part.strip() for part in cookie.split(b";")]
    return sorted(part for part in parts if part.partition(b"=")[0] in NAMES_OF_COOKIES)


@pytest.mark.parametrize("name", IN_COOKIES)
def test_no_other_cookies_open(name: str) -> None:
    signed = IN_COOKIES[name].encode()
    assert opens(b"/a/video.mp4", signed)

    @settings(max_examples=1_200, deadline=None, database=None)
    @given(mutated(signed, LETTERS))
    def refuses(cookie: bytes) -> None:
        assert opens(b"/a/video.mp4", cookie) == (ours(cookie) == ours(signed)), cookie

    refuses()


@given(st.binary(max_size=300), st.binary(max_size=300))
def test_noise_is_refused_and_breaks_nothing(query: bytes, cookie: bytes) -> None:
    assert not opens(b"/a?" + query, cookie)
    for name in (b"Policy", b"Signature", b"edgecache-token"):
        assert not opens(b"/a?Key-Pair-Id=K1&" + name + b"=" + query, cookie)
