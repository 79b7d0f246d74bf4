"""In which settings a row is played: both semantics, the memo on and off, one tier and two.

The product is played where `EDGECACHE_TESTS=long`. Else every row is played under CloudFront's
rules in each setting, and by the letter of RFC 9111 in one, chosen by its name and a fixed seed; a
row that says by which rules it is played, by those in each. What takes seconds, by real processes
or by thousands of repetitions, is played by one set of rules: half of such rows by either.
"""

from __future__ import annotations

import os
import random
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from edgecache.config.model import SemanticsName
from tests.world.wire import SEED

LONG = os.environ.get("EDGECACHE_TESTS") == "long"
BOTH: tuple[SemanticsName, ...] = ("cloudfront", "rfc9111")
MEMO = ("memo", "no-memo")


class Setting(NamedTuple):
    """One of a row's: "memo", "no-memo", "two-tiers"; and by which rules."""

    how: str
    semantics: SemanticsName

    def __str__(self) -> str:
        return f"{self.how}-{self.semantics}"


def settings_of(
    row: str, hows: Sequence[str] = MEMO, *, own: SemanticsName | None = None
) -> list[Setting]:
    """The settings of one row; `own`: the rules it says itself."""
    if own is not None or LONG:
        return [Setting(how, rules) for rules in ((own,) if own else BOTH) for how in hows]
    chosen = random.Random(f"{SEED} {row}").choice(list(hows))
    return [*(Setting(how, "cloudfront") for how in hows), Setting(chosen, "rfc9111")]


def in_turns(rows: Iterable[str]) -> list[tuple[str, SemanticsName]]:
    """Rows that take seconds, each with the rules it is played by; all of one set come first.

    Shuffled by the seed they take turns.
    """
    names = [*rows]
    order = random.Random(f"{SEED} {names}").sample(names, len(names))
    return [
        (name, rules)
        for turn, rules in enumerate(BOTH)
        for name in names
        if LONG or order.index(name) % len(BOTH) == turn
    ]
