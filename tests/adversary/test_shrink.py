"""A finding is shown by the least list of actions that shows it."""

from __future__ import annotations

import asyncio
from pathlib import Path

from tests.adversary.actions import Ask, Episode, Page, Replay, Wait, read_replay, write_replay
from tests.adversary.shrink import shrunk

BAD = Ask(credentials=("cookie",), who="bob", times=3)
EPISODE: Episode = (Page(), Ask(), Wait(seconds=1.0), Page(cache="no-store"), Ask(), BAD, Ask())


async def shows(episode: Episode, tries: int) -> list[str]:
    """A page that may not be kept, and later somebody with a cookie."""
    seen = False
    for action in episode:
        seen = seen or (isinstance(action, Page) and action.cache == "no-store")
        if seen and isinstance(action, Ask) and action.credentials:
            return ["wrong"]
    return []


def test_what_is_not_needed_goes() -> None:
    least = asyncio.run(shrunk(EPISODE, shows))
    assert least == (Page(cache="no-store"), Ask(credentials=("cookie",)))


def test_no_more_plays_than_allowed() -> None:
    assert asyncio.run(shrunk(EPISODE, shows, plays_max=0)) == EPISODE


def test_a_replay_is_read_as_it_was_written(tmp_path: Path) -> None:
    replay = Replay(finding="wrong", seed="1:sharing:2", actions=EPISODE)
    write_replay(tmp_path / "a.json", replay)
    assert read_replay(tmp_path / "a.json") == replay
    write_replay(tmp_path / "b.json", Replay(actions=EPISODE))
    assert read_replay(tmp_path / "b.json").actions == EPISODE
