"""Rate limit of answers by datagram: a token bucket for each prefix that asks.

Law: who is beyond it is sent no more bytes than came from there. The address of a datagram may be
made up, so each second answer that is over is a truncated one, by which a resolver that is real
comes again by TCP, and the others are none (response rate limiting with `slip 2`, as BIND and NSD
do it). Prefixes are /24 of IPv4 and /56 of IPv6, BIND's defaults.
"""

from __future__ import annotations

from enum import Enum

PREFIXES_MAX = 65_536
PREFIX_BYTES = 300  # of a bucket with its key
BURST_S = 1.0  # a bucket holds so many seconds' answers
SLIP = 2


class RateVerdict(Enum):
    """What becomes of a query."""

    ANSWER = "answer"
    TRUNCATE = "truncate"
    DROP = "drop"


def prefix_of(address: str) -> str:
    """The prefix of an address as text; a whole IPv6 address may be shorter than its prefix."""
    if ":" not in address:
        return address.rpartition(".")[0]
    groups = address.partition("%")[0].split(":")
    head = groups[: groups.index("")] if "" in groups else groups
    return ":".join((*head, "0", "0", "0", "0")[:3]) + ":" + ([*head, "0", "0", "0", "0"][3][:-2])


class ResponseRates:
    """Buckets of all prefixes, at most PREFIXES_MAX; `per_s` answers a second each, 0: no limit.

    The oldest half goes where there is no room: a bucket not asked for a second is full anyway.
    """

    def __init__(self, per_s: float) -> None:
        self.per_s = per_s
        self._buckets: dict[str, list[float]] = {}  # tokens, when, and how many were over

    def __len__(self) -> int:
        return len(self._buckets)

    @property
    def size_bytes(self) -> int:
        """What the buckets hold, as estimated."""
        return len(self._buckets) * PREFIX_BYTES

    def take(self, address: str, now: float) -> RateVerdict:
        """The verdict on a query from `address` at `now` (seconds of any steady clock)."""
        if not self.per_s:
            return RateVerdict.ANSWER
        key = prefix_of(address)
        bucket = self._buckets.get(key)
        if bucket is None:
            if len(self._buckets) >= PREFIXES_MAX:
                for old in [*self._buckets][: PREFIXES_MAX // 2]:
                    del self._buckets[old]
            bucket = self._buckets[key] = [max(1.0, self.per_s * BURST_S), now, 0.0]
        most = max(1.0, self.per_s * BURST_S)
        bucket[0] = min(most, bucket[0] + max(0.0, now - bucket[1]) * self.per_s)
        bucket[1] = now
        if bucket[0] >= 1:
            bucket[0] -= 1
            return RateVerdict.ANSWER
        bucket[2] = (bucket[2] + 1) % SLIP
        return RateVerdict.DROP if bucket[2] else RateVerdict.TRUNCATE
