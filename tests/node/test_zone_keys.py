"""Keys of zones: the same for everybody who has the secret, and of nobody else."""

from __future__ import annotations

import random

import pytest

from edgecache.dns.names import absolute_wire
from edgecache.dns.records import A, record_data
from edgecache.dns.zone_signer import SignatureMemo
from edgecache.node.zone_keys import ENTRY, ZONE, ZoneKey, ZoneKeys

SECRET = "a secret of a test that is long enough"
APEX, OTHER = absolute_wire("example.test"), absolute_wire("other.test")


def keys_of(**secrets: str) -> ZoneKeys:
    keys = ZoneKeys(SignatureMemo(lambda: 1_800_000_000.0, random.Random(1).random))
    keys.use(secrets)
    return keys


def test_a_secret_has_the_same_keys_everywhere_and_always() -> None:
    # Pinned: a zone whose keys change with a release is not believed any more.
    known = "0101030dc6ac18014f143f79bf74093ecb61d8bbec72e27c"
    assert ZoneKey(SECRET, APEX, ENTRY).dnskey == ZoneKey(SECRET, APEX, ENTRY).dnskey
    assert ZoneKey(SECRET, APEX, ENTRY).dnskey.hex()[:48] == known
    public = {
        ZoneKey(secret, apex, use).dnskey[4:]
        for secret in (SECRET, SECRET + "!")
        for apex in (APEX, OTHER)
        for use in (ENTRY, ZONE)
    }
    assert len(public) == 8


def test_flags_say_which_key_the_parent_names() -> None:
    assert [ZoneKey(SECRET, APEX, use).dnskey[:2] for use in (ENTRY, ZONE)] == [
        b"\x01\x01", b"\x01\x00",
    ]  # fmt: skip


def test_without_a_secret_nothing_is_signed() -> None:
    with pytest.raises(ValueError, match="edgecache dns ds"):
        keys_of().signer(APEX)


def test_signers_stay_until_secrets_change() -> None:
    keys = keys_of(k1=SECRET)
    signer, data = keys.signer(APEX), record_data(A, 60, [b"1234"])
    signer.signatures(APEX, data)
    assert not keys.use({"k1": SECRET})
    assert keys.signer(APEX) is signer
    assert keys.memo.size_bytes
    assert keys.use({"k1": SECRET, "k2": SECRET + "!"})
    assert keys.signer(APEX) is not signer
    assert not keys.memo.size_bytes
    assert len(keys.signer(APEX).ds_values()) == 2


def test_signers_of_zones_that_are_gone_are_forgotten() -> None:
    keys = keys_of(k1=SECRET)
    kept, gone = keys.signer(APEX), keys.signer(OTHER)
    keys.keep({APEX})
    assert keys.signer(APEX) is kept
    assert keys.signer(OTHER) is not gone
