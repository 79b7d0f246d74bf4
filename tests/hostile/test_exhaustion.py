"""Sections 10, 11 and 14, where time or number is the weapon: bounded, answered, cleaned up."""

from __future__ import annotations

import pytest

from tests.hostile.rows_slow import SLOW
from tests.hostile.settings import Setting, settings_of
from tests.hostile.stage import under
from tests.hostile.trial import Trial, over_tls
from tests.hostile.trials import TRIALS


def _parameters() -> list[object]:
    return [
        pytest.param(
            trial,
            setting,
            id=f"{trial.id}-{setting}",
            marks=[pytest.mark.xfail(strict=True, reason=trial.wrong)] if trial.wrong else [],
        )
        for trial in TRIALS
        for setting in settings_of(f"{trial.id} {trial.what}")
    ]


@pytest.mark.parametrize(("trial", "setting"), _parameters())
def test_what_is_taken_is_bounded(trial: Trial, setting: Setting) -> None:
    with under(setting.semantics):
        assert trial.play(setting.how == "memo")


def _slow_parameters() -> list[object]:
    return [
        pytest.param(trial, setting, id=f"{trial.what.replace(' ', '-')}-{setting}")
        for trial in SLOW
        for setting in settings_of(f"TLS {trial.what}")
    ]


@pytest.mark.parametrize(("trial", "setting"), _slow_parameters())
def test_over_tls_slow_viewers_are_bounded_as_well(trial: Trial, setting: Setting) -> None:
    with under(setting.semantics), over_tls():
        assert trial.play(setting.how == "memo")
