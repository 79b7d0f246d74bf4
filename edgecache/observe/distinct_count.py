"""Count of distinct values in 4 KiB: HyperLogLog, mergeable.

Law: two counts of one value are one, wherever they were made: all processes use the same digest.
The standard error is 1.04 / √4096, 1.6 %: of three estimates two are nearer, of a thousand one is
further off than 5.4 %. Small counts are nearly exact.

Flajolet et al., "HyperLogLog: the analysis of a near-optimal cardinality estimation algorithm",
2007; with a digest of 64 bits, and so without its correction for large counts (Heule et al.,
"HyperLogLog in Practice", 2013).
"""

from __future__ import annotations

import base64
import binascii
import math
from collections.abc import Iterable

import xxhash

INDEX_BITS = 12
REGISTERS = 1 << INDEX_BITS
STANDARD_ERROR = 1.04 / math.sqrt(REGISTERS)
_REST_BITS = 64 - INDEX_BITS
_REST = (1 << _REST_BITS) - 1
_ALPHA = 0.7213 / (1 + 1.079 / REGISTERS)
_RANK_MAX = _REST_BITS + 1


class DistinctCount:
    """How many distinct values were added; what they were is not kept."""

    __slots__ = ("_registers",)

    def __init__(self) -> None:
        self._registers = bytearray(REGISTERS)

    def add(self, values: Iterable[bytes]) -> None:
        """Count values."""
        registers, digest = self._registers, xxhash.xxh3_64_intdigest
        for value in values:
            number = digest(value)
            index = number >> _REST_BITS
            rank = _REST_BITS - (number & _REST).bit_length() + 1
            if rank > registers[index]:
                registers[index] = rank

    def merge(self, sample: str) -> None:
        """Count what another one has counted. ValueError when it is none."""
        try:
            other = base64.b64decode(sample, validate=True)
        except binascii.Error as error:
            raise ValueError(str(error)) from error
        if len(other) != REGISTERS or max(other) > _RANK_MAX:
            raise ValueError(f"not {REGISTERS} registers")
        self._registers = bytearray(map(max, self._registers, other))

    def sample(self) -> str:
        """What was counted, as it travels."""
        return base64.b64encode(self._registers).decode("ascii")

    def estimate(self) -> int:
        """About how many distinct values there were."""
        total = sum(2.0**-rank for rank in self._registers)
        found = _ALPHA * REGISTERS * REGISTERS / total
        empty = self._registers.count(0)
        if found <= 2.5 * REGISTERS and empty:  # linear counting is nearer
            found = REGISTERS * math.log(REGISTERS / empty)
        return round(found)
