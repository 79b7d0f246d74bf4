"""The identity: what opens, and that nothing else does."""

from __future__ import annotations

import hashlib

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from itsdangerous import Signer

from edgecache.origin.identity import (
    HEADER,
    IdentitySigner,
    IdentityVerdict,
    IdentityVerifier,
    host_key,
    host_keys,
    identity_named,
)

NOW = 1_700_000_000.5
KEYS = {"old": "an old secret of ours", "new": "a new secret of ours"}
SIGNED = (b"GET", b"bucket.test:8070", b"/a%20b/c.js?v=1&w=")


def signer(keys: dict[str, str] = KEYS, now: float = NOW) -> IdentitySigner:
    return IdentitySigner(keys, lambda: now, lambda count: b"\x07" * count)


def verifier(keys: dict[str, str] = KEYS, now: float = NOW) -> IdentityVerifier:
    return IdentityVerifier(keys, lambda: now, window_s=60)


def value(
    method: bytes = b"GET", host: bytes = SIGNED[1], target: bytes = SIGNED[2], now: float = NOW
) -> bytes:
    ((name, found),) = signer(now=now).sign(method, host, target)
    assert name == HEADER
    return found


def test_what_was_signed_opens() -> None:
    assert verifier().verify(*SIGNED, value()) is IdentityVerdict.OK


def test_the_value_names_key_time_run_and_number() -> None:
    made = signer()
    for number in (b"1", b"2"):
        ((_, signed),) = made.sign(*SIGNED)
        *said, signature = signed.split(b".")
        assert said == [b"new", b"1700000000", b"07" * 8, number]
        assert len(signature) == 43


GOOD = value()
MALFORMED = IdentityVerdict.MALFORMED


@pytest.mark.parametrize(
    ("given_value", "verdict"),
    [
        (None, IdentityVerdict.MISSING),
        (b"", MALFORMED),
        (b"new", MALFORMED),
        (b"new.1700000000", MALFORMED),
        (b".1700000000." + b"A" * 43, MALFORMED),
        (b"new.17e8." + b"A" * 43, MALFORMED),
        (b"new.-1." + b"A" * 43, MALFORMED),
        (b"new.1700000000." + b"A" * 42, MALFORMED),
        (b"new.1700000000." + b"A" * 44, MALFORMED),
        (GOOD + b"=", MALFORMED),
        (GOOD + b"\n", MALFORMED),
        (b" " + GOOD, MALFORMED),
        (b"x" * 10_000, MALFORMED),
        (b"none.1700000000." + b"A" * 43, IdentityVerdict.UNKNOWN_KEY),
        (b"old" + GOOD[3:], IdentityVerdict.BAD_SIGNATURE),
        (b"new.1700000000." + b"A" * 43, IdentityVerdict.FORMER),
        (GOOD[:-43] + b"A" * 43, IdentityVerdict.BAD_SIGNATURE),
        (GOOD.replace(b".1.", b".2."), IdentityVerdict.BAD_SIGNATURE),
        (GOOD.replace(b".0707", b".0708"), IdentityVerdict.BAD_SIGNATURE),
        (GOOD.replace(b".1700000000.", b".01700000000."), IdentityVerdict.BAD_SIGNATURE),
        (GOOD, IdentityVerdict.OK),
    ],
)
def test_verdicts(given_value: bytes | None, verdict: IdentityVerdict) -> None:
    assert verifier().verify(*SIGNED, given_value) is verdict


@pytest.mark.parametrize(
    ("later_s", "verdict"),
    [
        (-62, IdentityVerdict.FROM_THE_FUTURE),
        (-60, IdentityVerdict.OK),
        (0, IdentityVerdict.OK),
        (59, IdentityVerdict.OK),
        (61, IdentityVerdict.EXPIRED),
        (86_400, IdentityVerdict.EXPIRED),
    ],
)
def test_the_window(later_s: float, verdict: IdentityVerdict) -> None:
    assert verifier(now=NOW + later_s).verify(*SIGNED, value()) is verdict


@pytest.mark.parametrize(
    ("signs", "accepts", "verdict"),
    [
        ({"a": "1"}, {"a": "1", "b": "2"}, IdentityVerdict.OK),  # the gate learns a key first
        ({"a": "1", "b": "2"}, {"a": "1", "b": "2"}, IdentityVerdict.OK),
        ({"a": "1", "b": "2"}, {"b": "2"}, IdentityVerdict.OK),  # the newest signs
        ({"a": "1", "b": "2"}, {"a": "1"}, IdentityVerdict.UNKNOWN_KEY),
        ({"a": "1"}, {"a": "2"}, IdentityVerdict.BAD_SIGNATURE),
    ],
)
def test_rotation(signs: dict[str, str], accepts: dict[str, str], verdict: IdentityVerdict) -> None:
    ((_, signed),) = signer(signs).sign(*SIGNED)
    assert verifier(accepts).verify(*SIGNED, signed) is verdict


@pytest.mark.parametrize(
    ("signed", "received", "opens"),
    [
        (b"/a?", b"/a", True),  # all that ASGI tells of an empty query
        (b"/a", b"/a?", True),
        (b"/a??", b"/a", False),
        (b"/a?b", b"/a", False),
        (b"/a?b?", b"/a?b", False),
        (b"/%61", b"/a", False),
        (b"/a/", b"/a", False),
        (b"", b"", True),
    ],
)
def test_targets(signed: bytes, received: bytes, opens: bool) -> None:
    verdict = verifier().verify(b"GET", b"h", received, value(b"GET", b"h", signed))
    assert verdict is (IdentityVerdict.OK if opens else IdentityVerdict.BAD_SIGNATURE)


@pytest.mark.parametrize(
    "keys",
    [
        {},
        {"": "s"},
        {"a.b": "s"},
        {"a" * 65: "s"},
        {"a\n": "s"},
        {"é": "s"},
        {"a": ""},
        {"a": "hosts:a=b"},
        {"a": host_keys("s", ["a"]) + ",b"},
    ],
)
def test_odd_keys_are_refused(keys: dict[str, str]) -> None:
    with pytest.raises(ValueError, match="identity key"):
        IdentitySigner(keys, lambda: NOW)
    with pytest.raises(ValueError, match="identity key"):
        IdentityVerifier(keys, lambda: NOW)


def test_too_many_keys_are_refused() -> None:
    with pytest.raises(ValueError, match="17 given"):
        IdentityVerifier({f"k{i}": "s" for i in range(17)}, lambda: NOW)


@given(part=st.integers(0, 3), at=st.integers(0, 200), byte=st.integers(0, 255))
def test_any_changed_byte_is_refused(part: int, at: int, byte: int) -> None:
    parts = [*SIGNED, GOOD]
    changed = bytearray(parts[part])
    at %= len(changed)
    assume(changed[at] != byte)
    changed[at] = byte
    parts[part] = bytes(changed)
    method, host, target, presented = parts
    assert verifier().verify(method, host, target, presented) is not IdentityVerdict.OK


@given(
    signed=st.tuples(*[st.binary(max_size=12)] * 3), asked=st.tuples(*[st.binary(max_size=12)] * 3)
)
def test_no_other_request_is_opened(
    signed: tuple[bytes, bytes, bytes], asked: tuple[bytes, bytes, bytes]
) -> None:
    assume(signed[:2] != asked[:2] or signed[2].rstrip(b"?") != asked[2].rstrip(b"?"))
    assert verifier().verify(*asked, value(*signed)) is IdentityVerdict.BAD_SIGNATURE


@given(st.binary(max_size=20), st.binary(max_size=20), st.binary(max_size=20))
def test_bytes_may_not_wander_between_the_parts(left: bytes, middle: bytes, right: bytes) -> None:
    assume(middle and b"?" not in left + middle + right)
    presented = value(left + middle, right, b"/")
    verdict = verifier().verify(left, middle + right, b"/", presented)
    assert verdict is IdentityVerdict.BAD_SIGNATURE


@given(st.binary(max_size=80))
def test_arbitrary_values_do_no_harm(presented: bytes) -> None:
    assert verifier().verify(*SIGNED, presented) is not IdentityVerdict.OK


def test_an_identity_is_named_and_bound() -> None:
    ((_, named),) = signer().sign(*SIGNED, "E2QWRUHAPOMQZL")
    assert verifier().verify(*SIGNED, named) is IdentityVerdict.OK
    assert identity_named(named) == "E2QWRUHAPOMQZL"
    for other in (named.replace(b"E2Q", b"E3Q"), named.replace(b".E2QWRUHAPOMQZL", b"")):
        assert verifier().verify(*SIGNED, other) is IdentityVerdict.BAD_SIGNATURE
    *said, signature = GOOD.split(b".")
    claimed = b".".join((*said, b"E2QWRUHAPOMQZL", signature))
    assert verifier().verify(*SIGNED, claimed) is IdentityVerdict.BAD_SIGNATURE


@pytest.mark.parametrize("value_", [GOOD, b"", b"k.1.E1", b"a.b.c.d.e"])
def test_no_identity_is_named(value_: bytes) -> None:
    assert identity_named(value_) == ""


def test_a_signature_is_used_once() -> None:
    made, ours = signer(), verifier()
    first, second = (made.sign(*SIGNED)[0][1] for _ in range(2))
    assert ours.verify(*SIGNED, second) is IdentityVerdict.OK
    assert ours.verify(*SIGNED, first) is IdentityVerdict.OK
    for again in (first, second):
        assert ours.verify(*SIGNED, again) is IdentityVerdict.REPLAYED


def test_a_forged_use_does_not_use_it_up() -> None:
    ours = verifier()
    assert ours.verify(b"HEAD", *SIGNED[1:], GOOD) is IdentityVerdict.BAD_SIGNATURE
    assert ours.verify(*SIGNED, GOOD) is IdentityVerdict.OK


@pytest.mark.parametrize(
    ("hosts", "host", "verdict"),
    [
        ((), b"any.test", IdentityVerdict.OK),
        (("app.test",), b"app.test", IdentityVerdict.OK),
        (("app.test",), b"APP.test:8000", IdentityVerdict.OK),
        (("other.test", "app.test"), b"app.test", IdentityVerdict.OK),
        (("other.test",), b"app.test", IdentityVerdict.UNKNOWN_HOST),
        (("app.test",), b"app.test.other.test", IdentityVerdict.UNKNOWN_HOST),
        (("b\u00fccher.test",), b"xn--bcher-kva.test", IdentityVerdict.OK),
        (("[::1]",), b"[::1]:8000", IdentityVerdict.OK),
    ],
)
def test_hosts_are_pinned(hosts: tuple[str, ...], host: bytes, verdict: IdentityVerdict) -> None:
    ours = IdentityVerifier(KEYS, lambda: NOW, 60, hosts)
    assert ours.verify(b"GET", host, b"/", value(b"GET", host, b"/")) is verdict


def test_one_name_in_place_of_a_list_is_refused() -> None:
    with pytest.raises(ValueError, match="is one name, expected a list"):
        IdentityVerifier(KEYS, lambda: NOW, 60, "app.test")


def test_who_has_the_keys_of_its_hosts_admits_and_signs_for_no_other() -> None:
    own = {name: host_keys(secret, ["app.test", "[::1]"]) for name, secret in KEYS.items()}
    assert not any(KEYS[name] in spelled for name, spelled in own.items())
    for host, verdict in (
        (b"app.test", IdentityVerdict.OK),
        (b"[::1]:81", IdentityVerdict.OK),
        (b"other.test", IdentityVerdict.UNKNOWN_HOST),
    ):
        ours = IdentityVerifier(own, lambda: NOW)
        assert ours.verify(b"GET", host, b"/", value(b"GET", host, b"/")) is verdict
    ((_, signed),) = signer(own).sign(b"GET", b"app.test", b"/")
    assert verifier().verify(b"GET", b"app.test", b"/", signed) is IdentityVerdict.OK
    with pytest.raises(ValueError, match="no key for this host"):
        signer(own).sign(b"GET", b"other.test", b"/")


def test_the_key_of_one_host_opens_no_other() -> None:
    assert host_key("s", b"A.test:80") == host_key("s", b"a.test") != host_key("s", b"b.test")


def former(secret: str, claim: bytes, method: bytes, host: bytes, target: bytes) -> bytes:
    """A signature as version 0 made it."""
    bound = b"\n".join(
        (b"%d.%d.%d" % (len(claim), len(method), len(host)), claim, method, host, target)
    )
    salt, digest = b"edgecache.origin.identity", hashlib.sha256
    key = Signer(secret, salt=salt, key_derivation="hmac", digest_method=digest).derive_key()
    made = Signer(key, salt=salt, key_derivation="none", digest_method=digest)
    return claim + b"." + made.get_signature(bound)


def test_signatures_of_a_former_release_count_where_it_is_said() -> None:
    old = former(KEYS["new"], b"new.1700000000", *SIGNED)
    assert verifier().verify(*SIGNED, old) is IdentityVerdict.FORMER
    ours = IdentityVerifier(KEYS, lambda: NOW, accepts_former=True)
    assert ours.verify(*SIGNED, old) is IdentityVerdict.OK
    assert ours.verify(b"HEAD", *SIGNED[1:], old) is IdentityVerdict.BAD_SIGNATURE
    assert ours.verify(*SIGNED, value()) is IdentityVerdict.OK
    ((_, named),) = (("", former(KEYS["new"], b"new.1700000000.E2", *SIGNED)),)
    assert ours.verify(*SIGNED, named) is IdentityVerdict.OK
    assert identity_named(named) == "E2"
