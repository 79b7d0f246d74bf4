"""Signatures of a zone, made when they are asked for and kept (RFC 4035 §2.2).

Law: a signature that is given is good for longer than any resolver keeps what it signs, unless its
TTL is longer than two days. One is made anew while it is still good, each at a time of its own.
What strangers make up (names that are not there) is kept apart: it displaces nothing else.

Every key signs: while an old one and a new one are both there, a resolver that knows either is
content (RFC 6781 §4.1.1.2, §4.1.2).
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Sequence
from typing import Protocol

from edgecache.dns.dnssec import (
    CDNSKEY,
    CDS,
    DNSKEY,
    RRSIG,
    SIGNATURE_BYTES,
    ds_data,
    key_tag,
    rrsig_head,
    signed_data,
)
from edgecache.dns.records import RecordData, record_data, record_tail

LIFE_S = 7 * 86_400  # of a signature
CLOCK_SKEW_S = 3 * 3_600  # resolvers whose clocks are late
REFRESH_S = 3 * 86_400  # after which one is made anew; of each up to a day later
REFRESH_SPREAD_S = 86_400
SIGNATURES_MAX = 32_768
MADE_UP_MAX = 4_096
SIGNATURE_ENTRY_BYTES = 480  # of one, with its key
KEY_TTL_S = 3_600  # of DNSKEY, CDS and CDNSKEY


class ZoneSigningKey(Protocol):
    """A key of a zone: the data of its DNSKEY record, and signatures by it, of 64 bytes."""

    @property
    def dnskey(self) -> bytes: ...

    def sign(self, data: bytes) -> bytes: ...


_Kept = OrderedDict[object, tuple[float, tuple[bytes, ...]]]


class SignatureMemo:
    """Signatures of all zones of a process. `clock`: epoch seconds; `draw`: chance, in [0, 1)."""

    def __init__(self, clock: Callable[[], float], draw: Callable[[], float]) -> None:
        self.clock = clock
        self._draw = draw
        self._kept: _Kept = OrderedDict()
        self._made_up: _Kept = OrderedDict()

    @property
    def size_bytes(self) -> int:
        """What is held, as estimated."""
        return (len(self._kept) + len(self._made_up)) * SIGNATURE_ENTRY_BYTES

    def clear(self) -> None:
        """Forget all: there are other keys."""
        self._kept.clear()
        self._made_up.clear()

    def find(
        self, key: object, make: Callable[[float], tuple[bytes, ...]], *, made_up: bool
    ) -> tuple[bytes, ...]:
        """What is kept of `key`, or what `make` makes of the time now. `made_up`: by who asks."""
        kept, most = (self._made_up, MADE_UP_MAX) if made_up else (self._kept, SIGNATURES_MAX)
        now = self.clock()
        known = kept.get(key)
        if known is not None and now < known[0]:
            kept.move_to_end(key)
            return known[1]
        made = make(now)
        if known is None and len(kept) >= most:
            kept.popitem(last=False)
        kept[key] = now + REFRESH_S + self._draw() * REFRESH_SPREAD_S, made
        return made


class ZoneSigner:
    """Signs one zone: its keys by `entry_keys`, which the parent names, all else by `zone_keys`."""

    def __init__(
        self,
        apex: bytes,
        entry_keys: Sequence[ZoneSigningKey],
        zone_keys: Sequence[ZoneSigningKey],
        memo: SignatureMemo,
    ) -> None:
        self.apex = apex
        self._entry_keys = [(key_tag(key.dnskey), key) for key in entry_keys]
        self._zone_keys = [(key_tag(key.dnskey), key) for key in zone_keys]
        self._memo = memo

    def key_records(self) -> tuple[RecordData, ...]:
        """The records of keys that stand at the apex: DNSKEY, and what a parent is to have of them
        (CDS and CDNSKEY, RFC 7344).
        """
        entries = [key.dnskey for _, key in self._entry_keys]
        every = entries + [key.dnskey for _, key in self._zone_keys]
        return (
            record_data(DNSKEY, KEY_TTL_S, every),
            record_data(CDS, KEY_TTL_S, self.ds_values()),
            record_data(CDNSKEY, KEY_TTL_S, entries),
        )

    def ds_values(self) -> list[bytes]:
        """The data of the DS records that the parent is to have."""
        return [ds_data(self.apex, key.dnskey) for _, key in self._entry_keys]

    def signatures(
        self, owner: bytes, data: RecordData, *, made_up: bool = False
    ) -> tuple[bytes, ...]:
        """The RRSIG records of a record set of `owner` (in lower case), without their owner."""
        key = self.apex, owner, data.type, data.ttl_s, data.values

        def make(now: float) -> tuple[bytes, ...]:
            return self._signed(owner, data, now)

        return self._memo.find(key, make, made_up=made_up)

    def _signed(self, owner: bytes, data: RecordData, now: float) -> tuple[bytes, ...]:
        times = int(now) - CLOCK_SKEW_S, int(now) + LIFE_S
        keys = self._entry_keys if data.type in (DNSKEY, CDS, CDNSKEY) else self._zone_keys
        tails = []
        for tag, key in keys:
            head = rrsig_head(data.type, owner, data.ttl_s, times, tag, self.apex)
            signature = key.sign(signed_data(head, owner, data.type, data.ttl_s, data.values))
            assert len(signature) == SIGNATURE_BYTES
            tails.append(record_tail(RRSIG, data.ttl_s, head + signature))
        return tuple(tails)
