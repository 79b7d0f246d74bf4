"""Sections 4 to 10, 12 and 14: what is kept and for whom, and origins that misbehave."""

from __future__ import annotations

import pytest

from tests.hostile.rows_cache import DECEPTION, HOPS, KEYS, POISON
from tests.hostile.rows_origin import CONTENT, MISBEHAVING, RANGES
from tests.hostile.rows_signed import SIGNED
from tests.hostile.settings import Setting, settings_of
from tests.hostile.stage import under
from tests.hostile.story import Story, perform

ROWS = [*HOPS, *POISON, *DECEPTION, *KEYS, *RANGES, *CONTENT, *MISBEHAVING, *SIGNED]


HOWS = ("memo", "no-memo", "two-tiers")


def _parameters() -> list[object]:
    found: list[object] = []
    for number, row in enumerate(ROWS):
        name = f"{row.id}-{number}"
        marks = [pytest.mark.xfail(strict=True, reason=row.wrong)] if row.wrong else []
        found += [
            pytest.param(row, setting, id=f"{name}-{setting}", marks=marks)
            for setting in settings_of(name, HOWS, own=row.scene.get("semantics"))
        ]
    return found


@pytest.mark.parametrize(("row", "setting"), _parameters())
def test_each_gets_its_own_answer_and_nothing_else(row: Story, setting: Setting) -> None:
    with under(setting.semantics):
        perform(row, setting.how != "no-memo", two_tiers=setting.how == "two-tiers")
