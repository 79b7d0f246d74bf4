"""Sections 10, 11 and 14, where time or number is the weapon: bounded, answered, cleaned up."""

from __future__ import annotations

import pytest

from tests.hostile.trial import Trial
from tests.hostile.trials import TRIALS


@pytest.mark.parametrize("memo", [True, False], ids=["memo", "no-memo"])
@pytest.mark.parametrize(
    "trial",
    [
        pytest.param(
            trial,
            id=trial.id,
            marks=[pytest.mark.xfail(strict=True, reason=trial.wrong)] if trial.wrong else [],
        )
        for trial in TRIALS
    ],
)
def test_what_is_taken_is_bounded(trial: Trial, memo: bool) -> None:
    assert trial.play(memo)
