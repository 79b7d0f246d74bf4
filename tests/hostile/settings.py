"""In which settings a row is played: both semantics, the memo on and off, one tier and two.

The product is played where `EDGECACHE_TESTS=long`. Else every row is played in two settings that
differ in both, chosen by its name and a fixed seed, so that many rows have each pair of them; a row
that says by which rules it is played, in each by those.
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
    one, other = random.Random(f"{SEED} {row}").sample(list(hows), 2)
    return [Setting(one, "cloudfront"), Setting(other, "rfc9111")]
