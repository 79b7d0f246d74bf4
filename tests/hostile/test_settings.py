"""What is not played as a product is shared out by the seed, the same each time."""

from __future__ import annotations

from itertools import product

import pytest

from tests.hostile import settings
from tests.hostile.settings import BOTH, MEMO, in_turns, settings_of

ROWS = [f"row {number}" for number in range(9)]


def test_rows_that_take_seconds_are_half_by_either_set_of_rules(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(settings, "LONG", False)
    some = in_turns(ROWS)
    assert some == in_turns(ROWS)
    assert sorted(name for name, _ in some) == sorted(ROWS)
    assert [rules for _, rules in some] == ["cloudfront"] * 5 + ["rfc9111"] * 4


def test_long_runs_play_the_product(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(settings, "LONG", True)
    assert set(in_turns(ROWS)) == set(product(ROWS, BOTH))
    assert set(settings_of(ROWS[0])) == set(product(MEMO, BOTH))
