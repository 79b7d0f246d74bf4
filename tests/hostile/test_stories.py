"""Sections 4 to 10, 12 and 14: what is kept and for whom, and origins that misbehave."""

from __future__ import annotations

import pytest

from tests.hostile.rows_cache import DECEPTION, HOPS, KEYS, POISON
from tests.hostile.rows_origin import CONTENT, MISBEHAVING, RANGES
from tests.hostile.rows_signed import SIGNED
from tests.hostile.story import Story, perform

ROWS = [*HOPS, *POISON, *DECEPTION, *KEYS, *RANGES, *CONTENT, *MISBEHAVING, *SIGNED]


def _parameters() -> list[object]:
    found: list[object] = []
    for number, row in enumerate(ROWS):
        marks = [pytest.mark.xfail(strict=True, reason=row.wrong)] if row.wrong else []
        found.append(pytest.param(row, id=f"{row.id}-{number}", marks=marks))
    return found


@pytest.mark.parametrize("setting", ["memo", "no-memo", "two-tiers"])
@pytest.mark.parametrize("row", _parameters())
def test_each_gets_its_own_answer_and_nothing_else(row: Story, setting: str) -> None:
    perform(row, setting != "no-memo", two_tiers=setting == "two-tiers")
