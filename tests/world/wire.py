"""The wire between a play's origin and the tier before it: where each response is cut.

A response has seams everywhere: who comes between two segments must get what who comes afterwards
does. Plays whose origin sends its body by hand cut it themselves.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from enum import StrEnum
from itertools import pairwise
from typing import NamedTuple

SEED = 20_270_115
ONE_OF = 4  # plays: a handshake is some milliseconds
CUTS_MAX = 12  # of one body: each byte of a short one


class Wire(StrEnum):
    """How a response comes."""

    TOGETHER = "together"  # in one segment: the body is whole as the head is read
    READY = "ready"  # the body can be read as soon as the head
    HEAD_FIRST = "head-first"  # the head is acted on before any of the body is here
    PIECES = "pieces"  # so is a part of the body, and all of it before its end
    BYTES = "bytes"  # each byte by itself
    LATE = "late"  # the body comes when somebody looks at what has come, or time passes


class Setting(NamedTuple):
    """What a play runs with beside its scene; `tiers` None: as the scene says."""

    memo: bool
    wire: Wire
    tiers: int | None = None
    http2: bool = False
    http3: bool = False

    def __str__(self) -> str:
        tiers = [] if self.tiers is None else [("one-tier", "two-tiers")[self.tiers - 1]]
        version = [*["http2"] * self.http2, *["http3"] * self.http3]
        return "-".join([*version, "memo" if self.memo else "no-memo", *tiers, self.wire])


def over_http2(settings: tuple[Setting, ...]) -> tuple[Setting, ...]:
    """These, and the last of them once more with viewers who speak HTTP/2, and the head cache."""
    return (*settings, settings[-1]._replace(http2=True, memo=True))


NOT_OVER_HTTP3 = frozenset({
    "test_20_a_clock_that_is_set_back_changes_nothing",  # QUIC's is steady
    "test_what_is_withdrawn_is_gone_from_the_disk",  # megabytes, which take it seconds
})  # fmt: skip


def over_http3(test: str, settings: tuple[Setting, ...]) -> tuple[Setting, ...]:
    """These, and for one play of `ONE_OF` the last but one with viewers who speak HTTP/3."""
    skipped = test.rpartition("::")[2] in NOT_OVER_HTTP3
    if skipped or random.Random(f"{SEED} http3 {test}").randrange(ONE_OF):
        return settings
    return (*settings, settings[-2]._replace(http2=False, http3=True))


def settings_of(test: str, *, tiers: bool, late: bool = True) -> tuple[Setting, ...]:
    """The settings a play runs in, chosen by its name: pairwise over all plays, not multiplied.

    With `tiers` four, which pair the memo with one tier and two; else one with it, one without.
    `late`: among the wires is the one whose body stays away.
    """
    chance = random.Random(f"{SEED} {test}")
    wires = chance.sample([w for w in Wire if late or w is not Wire.LATE], 4 if tiers else 2)
    both = (Setting(True, wires[0]), Setting(False, wires[1]))
    if not tiers:
        return both
    return tuple(
        Setting(memo, wire, count)
        for wire, (memo, count) in zip(
            wires, ((True, 1), (False, 1), (True, 2), (False, 2)), strict=True
        )
    )


def cut(wire: Wire, data: bytes) -> Iterator[bytes]:
    """`data` as it comes after the head, piece by piece; the end, which is none, too."""
    if wire in (Wire.PIECES, Wire.BYTES) and data:
        count = min(len(data), 2 if wire is Wire.PIECES else CUTS_MAX)
        places = [len(data) * number // count for number in range(count + 1)]
        for first, after in pairwise(places):
            yield data[first:after]
    elif data:
        yield data
    yield b""
