"""Sections 1 to 3: every input whole, a byte at a time, cut at every offset; memo on and off."""

from __future__ import annotations

import pytest

from tests.hostile.message import Message, attempt, cuts, stage, victims
from tests.hostile.rows_framing import CHUNKS, FRAMING, PIPELINED
from tests.hostile.rows_target import TARGETS

ROWS = [*FRAMING, *PIPELINED, *CHUNKS, *TARGETS]


def _parameters() -> list[object]:
    seen: dict[str, int] = {}
    found: list[object] = []
    for row in ROWS:
        seen[row.id] = seen.get(row.id, 0) + 1
        marks = [pytest.mark.xfail(strict=True, reason=row.wrong)] if row.wrong else []
        found.append(pytest.param(row, id=f"{row.id}-{seen[row.id]}", marks=marks))
    return found


@pytest.mark.parametrize("memo", [True, False], ids=["memo", "no-memo"])
@pytest.mark.parametrize("row", _parameters())
def test_the_answer_is_the_same_however_it_is_cut(row: Message, memo: bool) -> None:
    play = stage(memo)
    try:
        for pieces in cuts(row.data, 1 if memo else 7):
            attempt(play, row, pieces)
        victims(play)
    finally:
        play.close()
