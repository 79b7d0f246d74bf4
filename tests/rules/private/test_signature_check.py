"""Signed URLs and cookies (CloudFront Developer Guide; vectors made with openssl)."""

from __future__ import annotations

import json
from urllib.parse import urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgecache.config.public_keys import load_public_key
from edgecache.http.message import Fields, Request
from edgecache.rules.private.signature_check import (
    SignatureAccepted,
    VerifiedSignatures,
    open_signed,
)
from edgecache.rules.private.signature_fields import (
    PresentedSignature,
    SignatureFault,
    SignatureRefused,
    decoded_token,
    encoded_token,
    signed_url,
    without_signature,
)
from edgecache.rules.private.signed_policy import parse_policy, resource_matches
from tests.rules.private.signature_vectors import (
    CANNED_SHA1,
    CANNED_SHA256,
    CUSTOM_EC,
    EC_KEY,
    RSA_KEY,
)
from tests.rules.private.signers import Signer

NOW = 1_800_000_000.0
INSIDE = "192.0.2.7"
RSA, EC = load_public_key(RSA_KEY), load_public_key(EC_KEY)


def asked(url: str, *, cookies: str = "", method: bytes = b"GET") -> Request:
    parts = urlsplit(url)
    fields: Fields = ((b"host", parts.netloc.encode()),)
    if cookies:
        fields += ((b"cookie", cookies.encode()),)
    query = parts.query.encode() if "?" in url else None
    host = (parts.hostname or "").encode()
    return Request(method, parts.path.encode(), query, fields, host, parts.scheme.encode())


def key_of(url: str) -> str:
    return url.partition("Key-Pair-Id=")[2].partition("&")[0]


PROVEN = VerifiedSignatures()


def outcome(url: str, now: float = NOW, client: str = INSIDE, cookies: str = "") -> str:
    keys = {key_of(CANNED_SHA1): RSA, key_of(CUSTOM_EC): EC}
    keys[key_of(CANNED_SHA256)] = RSA
    request = asked(url, cookies=cookies)
    found = open_signed(request, keys, now, client)
    open_signed(request, keys, NOW, INSIDE, PROVEN)  # seen or not, the outcome is one
    assert open_signed(request, keys, now, client, PROVEN) == found
    return "opened" if isinstance(found, SignatureAccepted) else str(found.fault)


def cookies_of(url: str) -> tuple[str, str]:
    """The bare URL, and its signing parameters as cookies."""
    bare = signed_url(asked(url)).decode()
    names = ("Expires", "Policy", "Signature", "Key-Pair-Id", "Hash-Algorithm")
    pairs = [part.split("=", 1) for part in urlsplit(url).query.split("&")]
    return bare, "; ".join(f"CloudFront-{name}={value}" for name, value in pairs if name in names)


@pytest.mark.parametrize("url", [CANNED_SHA1, CANNED_SHA256, CUSTOM_EC])
def test_what_other_signers_made_opens(url: str) -> None:
    assert outcome(url) == "opened"
    bare, cookies = cookies_of(url)
    assert outcome(bare, cookies=cookies) == "opened"
    assert outcome(bare + ("&" if "?" in bare else "?") + "Expires=1", cookies=cookies) != "opened"


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("https://cdn.example.test/private/a.html?x=1", "MissingKey"),
        (CANNED_SHA1.replace("Key-Pair-Id=", "Key-Pair-Ix="), "MissingKey"),
        (CANNED_SHA1.replace(key_of(CANNED_SHA1), "KXXXX"), "InvalidKey"),
        (CANNED_SHA1.replace("Signature=", "Signature=%%%"), "MalformedSignature"),
        (CANNED_SHA1.replace("Signature=L", "Signature=M"), "AccessDenied"),
        (CANNED_SHA1 + "&y=2", "AccessDenied"),
        (CANNED_SHA1.replace("a.html?x=1", "a.html?x=2"), "AccessDenied"),
        (CANNED_SHA1.replace("/a.html", "/%61.html"), "AccessDenied"),
        (CANNED_SHA1.replace("https:", "http:"), "AccessDenied"),
        (CANNED_SHA1.replace("Expires=4102444800", "Expires=4102444801"), "AccessDenied"),
        (CANNED_SHA1.replace("Expires=4102444800", "Expires=04102444800"), "MalformedPolicy"),
        (CANNED_SHA1.replace("Expires=4102444800", "Expires=4102444800000"), "MalformedPolicy"),
        (CANNED_SHA1 + "&Expires=4102444800", "MalformedPolicy"),
        (CANNED_SHA1 + "&Policy=eyJ9", "MalformedPolicy"),
        (CANNED_SHA256.replace("&Hash-Algorithm=SHA256", ""), "AccessDenied"),
        (CANNED_SHA256.replace("SHA256", "SHA512"), "MalformedSignature"),
        (CUSTOM_EC.replace("https:", "http:"), "opened"),
        (CUSTOM_EC + "&y=2", "opened"),
    ],
)
def test_each_failure_has_its_code(url: str, expected: str) -> None:
    assert outcome(url) == expected


@pytest.mark.parametrize(
    ("now", "expected"),
    [
        (4_102_444_799.5, "opened"),
        (4_102_444_800.0, "AccessDenied"),  # DateLessThan: equality refuses
        (1_577_836_800.0, "AccessDenied"),  # DateGreaterThan: refused on or before it
        (1_577_836_800.5, "opened"),
    ],
)
def test_the_bounds_of_time_are_exclusive(now: float, expected: str) -> None:
    assert outcome(CUSTOM_EC, now) == expected


@pytest.mark.parametrize(
    ("client", "expected"),
    [
        ("192.0.2.255", "opened"),
        ("::ffff:192.0.2.1", "opened"),
        ("198.51.100.1", "AccessDenied"),
        ("2001:db8::1", "AccessDenied"),
        ("", "AccessDenied"),
    ],
)
def test_the_address_is_the_peers(client: str, expected: str) -> None:
    assert outcome(CUSTOM_EC, client=client) == expected


RESOURCES = [
    ("*", "https://a.test/x?y=1", True),
    ("https://a.test/x", "https://a.test/x", True),
    ("https://a.test/x", "https://a.test/x?y=1", False),
    ("https://a.test/x*", "https://a.test/x?y=1", True),
    ("https://a.test/x*", "https://a.test/x/y/z.mp4", True),
    ("https://a.test/*.mp4", "https://a.test/v/1.mp4", True),
    ("https://a.test/*.mp4", "https://a.test/v/1.mp4?q=1", False),
    ("https://a.test/*.mp4?*", "https://a.test/v/1.mp4?q=1", True),
    ("https://a.test/*.mp4\\?q=1", "https://a.test/v/1.mp4?q=1", True),
    ("https://a.test/1?.mp4", "https://a.test/12.mp4", True),
    ("http*://a.test/x", "https://a.test/x", True),
    ("*://a.test/x", "http://a.test/x", True),
    ("https://a.test*", "https://a.test/any?thing", True),
    ("https://a.test*", "https://a.test.evil.com/", True),  # the guide's own trap: lint warns
    ("https://a.test/*", "https://a.test.evil.com/", False),
    ("https://*.a.test/*", "https://b.evil.com/c.a.test/", False),
    ("*a.test", "https://www.a.test/", True),
    ("a.test/x", "https://a.test/x", False),
    ("https://a.test/(x|y)", "https://a.test/x", False),
]


@pytest.mark.parametrize(("resource", "url", "expected"), RESOURCES)
def test_wildcards_stay_within_their_section(resource: str, url: str, expected: bool) -> None:
    assert resource_matches(resource.encode(), url.encode()) is expected


def test_signing_parameters_and_cookies_go_nowhere() -> None:
    request = asked(
        "https://a.test/x?b=2&Policy=p&a=1&Signature=s&Key-Pair-Id=k",
        cookies="s=1; CloudFront-Policy=p;CloudFront-Signature=s; t=2",
    )
    bare = without_signature(request)
    assert bare.query == b"b=2&a=1"
    assert bare.fields == ((b"host", b"a.test"), (b"cookie", b"s=1; t=2"))


POLICIES = [
    {"Statement": []},
    {"Statement": [{}, {}]},
    {"Statement": [{"Resource": "*", "Condition": {}}]},
    {"Statement": [{"Condition": {"DateLessThan": {"AWS:EpochTime": 4_102_444_800}}}]},
    {"Statement": [{"Resource": "*", "Condition": {"DateLessThan": {"AWS:EpochTime": "9"}}}]},
    {"Statement": [{"Resource": "*", "Condition": {"DateLessThan": {"AWS:EpochTime": 9.5}}}]},
    {"Statement": [{"Resource": "*", "Condition": {"DateLessThan": {"AWS:EpochTime": True}}}]},
]


@pytest.mark.parametrize(
    "policy", [*map(json.dumps, POLICIES), "[" * 3_000, "nan", '{"a":1,"a":1}']
)
def test_policies_of_another_form_are_refused(policy: str) -> None:
    token = encoded_token(policy.encode()).decode()
    url = f"https://a.test/x?Policy={token}&Signature=AAAA&Key-Pair-Id={key_of(CUSTOM_EC)}"
    assert outcome(url) == "MalformedPolicy"


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-32", "utf-8-sig"])
def test_a_policy_is_utf_8_without_a_mark(encoding: str) -> None:
    good = Signer.policy("*", 4_102_444_800).decode()
    for spelled, parsed in ((encoding, False), ("utf-8", True)):
        presented = PresentedSignature("K", b"", good.encode(spelled), False, None)
        assert (parse_policy(presented) is not None) is parsed


@given(st.binary(min_size=1, max_size=200))
def test_a_token_has_one_spelling(data: bytes) -> None:
    assert decoded_token(encoded_token(data)) == data


@given(
    st.sampled_from([CANNED_SHA1, CANNED_SHA256, CUSTOM_EC]),
    st.integers(0),
    st.binary(min_size=1, max_size=1),
)
def test_no_mutated_token_opens(url: str, place: int, byte: bytes) -> None:
    start = url.index("?") + 1
    at = start + place % (len(url) - start)
    mutated = url[:at] + byte.decode("latin-1") + url[at + 1 :]
    if mutated == url or not mutated.isascii() or not mutated.isprintable() or " " in mutated:
        return
    assert outcome(mutated) != "opened"


def test_forged_numbers_are_no_signature() -> None:
    zero = encoded_token(bytes.fromhex("3006020100020100")).decode()
    before, _, after = CUSTOM_EC.partition("Signature=")
    forged = f"{before}Signature={zero}&{after.partition('&')[2]}"
    assert outcome(forged) == "AccessDenied"


def test_a_refusal_says_what_failed() -> None:
    found = open_signed(asked(CUSTOM_EC), {key_of(CUSTOM_EC): EC}, 4_102_444_812, INSIDE)
    assert found == SignatureRefused(SignatureFault.ACCESS_DENIED, "expired 12 s ago")
