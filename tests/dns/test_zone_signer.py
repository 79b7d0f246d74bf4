"""Signatures over time: how long they are good, when they are made anew, and how many are kept."""

from __future__ import annotations

import random

import dns.rdata
import dns.rdatatype
import dns.rdtypes.ANY.RRSIG
import pytest

from edgecache.dns import zone_signer as module
from edgecache.dns.dnssec import RRSIG
from edgecache.dns.names import absolute_wire
from edgecache.dns.records import A, record_data
from edgecache.dns.zone_signer import (
    CLOCK_SKEW_S,
    LIFE_S,
    REFRESH_S,
    REFRESH_SPREAD_S,
    SignatureMemo,
    ZoneSigner,
)
from edgecache.node.zone_keys import zone_signer

APEX = absolute_wire("example.test")
WWW = absolute_wire("www.example.test")
DATA = record_data(A, 300, [b"\xc0\0\2\1"])
DAY_S = 86_400


class Clock:
    now = 1_800_000_000.0

    def __call__(self) -> float:
        return self.now


def made(draw: float = 0.5) -> tuple[ZoneSigner, SignatureMemo, Clock]:
    clock = Clock()
    memo = SignatureMemo(clock, lambda: draw)
    return zone_signer(APEX, {"k1": "a secret of a test that is long"}, memo), memo, clock


def times(tail: bytes) -> tuple[int, int]:
    """When a signature begins and ends to be good."""
    record = dns.rdata.from_wire("IN", dns.rdatatype.RdataType(RRSIG), tail, 10, len(tail) - 10)
    assert isinstance(record, dns.rdtypes.ANY.RRSIG.RRSIG)
    return record.inception, record.expiration


def test_a_signature_begins_before_now_for_clocks_that_are_late() -> None:
    signer, _, clock = made()
    (tail,) = signer.signatures(WWW, DATA)
    assert times(tail) == (int(clock.now) - CLOCK_SKEW_S, int(clock.now) + LIFE_S)


@pytest.mark.parametrize("draw", [0.0, 0.5, 0.999])
def test_one_is_made_anew_while_it_is_good_at_a_time_of_its_own(draw: float) -> None:
    signer, _, clock = made(draw)
    first, began = signer.signatures(WWW, DATA), clock.now
    clock.now = began + REFRESH_S + draw * REFRESH_SPREAD_S - 1
    assert signer.signatures(WWW, DATA) is first
    assert times(first[0])[1] - clock.now > 2 * DAY_S  # longer than any TTL of ours
    clock.now += 2
    second = signer.signatures(WWW, DATA)
    assert times(second[0])[1] == int(clock.now) + LIFE_S
    assert signer.signatures(WWW, DATA) is second


def test_what_is_signed_is_told_apart_by_all_of_it() -> None:
    signer, memo, _ = made()
    others = [
        (absolute_wire("other.example.test"), DATA),
        (WWW, record_data(A, 301, DATA.values)),
        (WWW, record_data(A, 300, [b"\xc0\0\2\2"])),
        (WWW, record_data(16, 300, DATA.values)),
    ]
    found = {signer.signatures(WWW, DATA), *(signer.signatures(*one) for one in others)}
    other = zone_signer(WWW, {"k1": "a secret of a test that is long"}, memo)
    found.add(other.signatures(WWW, DATA))  # of the zone above, and of its own
    assert len(found) == 6
    same = record_data(A, 300, [b"\xc0\0\2\1"])  # as made of the next configuration
    assert signer.signatures(WWW, same) in found


def test_the_ones_used_last_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "SIGNATURES_MAX", 4)
    monkeypatch.setattr(module, "MADE_UP_MAX", 2)
    signer, memo, _ = made()
    first = signer.signatures(WWW, DATA)
    for number in range(20):
        signer.signatures(absolute_wire(f"n{number}.example.test"), DATA)
        signer.signatures(absolute_wire(f"m{number}.example.test"), DATA, made_up=True)
        assert signer.signatures(WWW, DATA) is first
        assert memo.size_bytes <= 6 * module.SIGNATURE_ENTRY_BYTES
    memo.clear()
    assert memo.size_bytes == 0


def test_an_entry_takes_about_what_is_counted() -> None:
    import tracemalloc

    signer, memo, _ = made(random.Random(1).random())
    tracemalloc.start()
    try:
        for number in range(1_000):
            owner = absolute_wire(f"a-name-of-a-site-{number}.example.test")
            signer.signatures(owner, record_data(A, 300, [number.to_bytes(4, "big")]))
        taken, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert taken / 1.5 < memo.size_bytes < taken * 1.5
