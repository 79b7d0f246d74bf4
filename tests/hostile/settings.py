"""In which settings a row is played: both semantics, the memo on and off, one tier and two.

The product is played where `EDGECACHE_TESTS=long`. Else every row is played under CloudFront's
rules in each setting, and by the letter of RFC 9111 in one, chosen by its name and a fixed seed; a
row that says by which rules it is played, by those in each.
"""

from __future__ import annotations

import os
import random
from collections.abc import Sequence
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
