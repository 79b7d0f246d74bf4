"""Sections 1 to 3: every input whole, a byte at a time, cut at every offset; memo on and off."""

from __future__ import annotations

import pytest

from tests.hostile.message import Message, attempt, cuts, stage, victims
from tests.hostile.rows_framing import CHUNKS, FRAMING, PIPELINED
from tests.hostile.rows_target import TARGETS
from tests.hostile.settings import LONG, Setting, settings_of
from tests.hostile.stage import under

ROWS = [*FRAMING, *PIPELINED, *CHUNKS, *TARGETS]
FEW = 7  # every so many offsets where another setting takes each


def _parameters() -> list[object]:
    seen: dict[str, int] = {}
    found: list[object] = []
    for row in ROWS:
        seen[row.id] = seen.get(row.id, 0) + 1
        name = f"{row.id}-{seen[row.id]}"
        marks = [pytest.mark.xfail(strict=True, reason=row.wrong)] if row.wrong else []
        found += [
            pytest.param(row, setting, id=f"{name}-{setting}", marks=marks)
            for setting in settings_of(name, own=row.only)
        ]
    return found


@pytest.mark.parametrize(("row", "setting"), _parameters())
def test_the_answer_is_the_same_however_it_is_cut(row: Message, setting: Setting) -> None:
    every = LONG or setting == Setting("memo", "cloudfront")
    with under(setting.semantics):
        play = stage(setting.how == "memo")
    try:
        for pieces in cuts(row.data, 1 if every else FEW):
            attempt(play, row, pieces)
        victims(play)
    finally:
        play.close()
