"""Profiles: the same seed gives the same episodes, and every row they name is there."""

from __future__ import annotations

from pathlib import Path
from random import Random

import pytest

from tests.adversary.actions import (
    Ask,
    Attack,
    Disturb,
    Invalidate,
    Replay,
    is_loud,
    read_replay,
    write_replay,
)
from tests.adversary.attacks import ATTACKS
from tests.adversary.campaign import runs_of
from tests.adversary.disturbances import DISTURBANCES
from tests.adversary.profiles import PROFILES, SUBJECTS

SEEDS = Path(__file__).with_name("seeds.toml")
EPISODES = 300
CI_S_MAX = 62


@pytest.mark.parametrize("profile", PROFILES)
def test_a_seed_gives_the_same_episodes_and_all_they_name_is_there(
    profile: str, tmp_path: Path
) -> None:
    make = PROFILES[profile]
    for number in range(EPISODES):
        episode = make(Random(f"1:{profile}:{number}"))
        assert episode == make(Random(f"1:{profile}:{number}"))
        for action in episode:
            assert not isinstance(action, Attack) or action.what in ATTACKS
            assert not isinstance(action, Disturb) or action.what in DISTURBANCES
    write_replay(tmp_path / "a.json", Replay(actions=episode))
    assert read_replay(tmp_path / "a.json").actions == episode


def test_what_others_would_feel_is_played_alone() -> None:
    assert is_loud((Attack(what="slow readers"),))
    assert not is_loud(PROFILES["sharing"](Random(1)))


def test_a_first_look_has_something_of_every_kind_and_is_short() -> None:
    episodes = [PROFILES["quick"](Random(f"1:quick:{number}")) for number in range(EPISODES)]
    floods = [one for episode in episodes for one in episode if isinstance(one, Attack)]
    assert 0 < len(floods) < EPISODES / 20
    assert all(one.seconds <= 2 for one in floods)
    assert not any(isinstance(one, Disturb) for episode in episodes for one in episode)
    asked = [one for episode in episodes for one in episode if isinstance(one, Ask)]
    assert {"", "url", "stranger"} < {one.signed for one in asked}
    assert any("private" in one.path and "%" in one.path for one in asked)
    assert any(isinstance(one, Invalidate) for episode in episodes for one in episode)


def test_ci_plays_every_profile_within_its_minute() -> None:
    runs = runs_of(SEEDS)
    assert {run.profile for run in runs} == set(SUBJECTS)
    assert sum(run.seconds for run in runs) <= CI_S_MAX
