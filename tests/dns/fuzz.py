"""Fuzzing of the query parser and the responder: `python -m tests.dns.fuzz --messages 1000000`.

Messages are made of real queries, of which bytes are changed, cut, repeated or exchanged. Whatever
comes, an answer is silence or one that dnspython reads, with the query's id, and no larger than the
query allows. Each is put to a zone that is signed as well.
"""

from __future__ import annotations

import argparse
import random
import time
from functools import cache

import dns.edns
import dns.exception
import dns.message
import dns.rdatatype

from edgecache.dns.message import PAYLOAD, read_query
from edgecache.dns.responder import Responder, ResponderWorld
from edgecache.dns.zone import sign_zone
from edgecache.dns.zone_signer import SignatureMemo
from edgecache.node.zone_keys import zone_signer
from tests.dns.zones import example_zone

INTERESTING = (0, 1, 0x0C, 0x29, 0x3F, 0x40, 0x7F, 0x80, 0xC0, 0xFF)
NAMES = ("example.test", "www.example.test", "a.b.wild.example.test", "sub.example.test", "x.test")
TYPES = ("A", "AAAA", "ANY", "NS", "DS", "SOA", "TXT", "AXFR", "TYPE41", "HTTPS")


@cache
def seeds() -> tuple[bytes, ...]:
    """Real queries."""
    made = []
    for name in NAMES:
        for type in TYPES:
            query = dns.message.make_query(name, dns.rdatatype.from_text(type), id=26)
            made.append(query.to_wire())
            query.use_edns(0, payload=1_232, options=[dns.edns.ECSOption("203.0.113.0", 24)])
            made.append(query.to_wire())
            query.want_dnssec()
            made.append(query.to_wire())
    return tuple(made)


def mutated(dice: random.Random, known: tuple[bytes, ...]) -> bytes:
    """One of them, with a few changes."""
    data = bytearray(dice.choice(known))
    for _ in range(dice.randint(1, 4)):
        at = dice.randrange(len(data) + 1)
        match dice.randrange(5):
            case 0:
                data[at : at + 1] = bytes([dice.randrange(256)])
            case 1:
                data[at : at + 1] = bytes([dice.choice(INTERESTING)])
            case 2:
                del data[at:]
            case 3:
                data[at:at] = data[: dice.randrange(20)]
            case 4:
                other = dice.choice(known)
                data[at:] = other[at:]
    return bytes(data)


def check(responder: Responder, data: bytes) -> None:
    """AssertionError where an answer is wrong."""
    answer = responder.answer(data, "192.0.2.53")
    query = read_query(data)
    assert (answer is None) == (query is None)
    if answer is None:
        return
    assert query is not None
    assert len(answer) <= max(512, min(query.payload, PAYLOAD))
    assert answer[:2] == data[:2]
    read = dns.message.from_wire(answer)
    assert read.flags & dns.flags.QR


def responder_of(dice: random.Random, *, is_signed: bool) -> Responder:
    """A name server of the example zone."""
    zone = example_zone()
    if is_signed:
        memo = SignatureMemo(time.time, dice.random)
        sign_zone(zone, zone_signer(zone.apex, {"k1": "a secret of a test, long enough"}, memo))
    responder = Responder(ResponderWorld(dice.random))
    responder.use([zone])
    return responder


def main() -> None:
    """Fuzz for so many messages, or so long."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--messages", type=int, default=1_000_000)
    options.add_argument("--seconds", type=float, default=3_600)
    options.add_argument("--seed", type=int, default=26)
    given = options.parse_args()
    dice = random.Random(given.seed)
    responders = [responder_of(dice, is_signed=is_signed) for is_signed in (False, True)]
    began, done = time.monotonic(), 0
    while done < given.messages and time.monotonic() - began < given.seconds:
        data = mutated(dice, seeds())
        try:
            for responder in responders:
                check(responder, data)
        except Exception as error:
            raise SystemExit(
                f"seed {given.seed}, message {done}: {data.hex()}: {error!r}"
            ) from error
        done += 1
    print(f"{done} messages in {time.monotonic() - began:.0f} s, none answered wrongly")


if __name__ == "__main__":
    main()
