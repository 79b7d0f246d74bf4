"""Stories from seeds: no promise is broken, and the same seed tells the same story."""

from __future__ import annotations

import pytest

from tests.simulation.story import play


@pytest.mark.parametrize("seed", range(4))
def test_no_promise_is_broken(seed: int) -> None:
    told = play(seed, 500)
    assert told.tally.bound > 0
