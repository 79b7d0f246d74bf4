"""Shrinking: the fewest and plainest actions that show a finding still (delta debugging).

Zeller and Hildebrandt, "Simplifying and Isolating Failure-Inducing Input" (2002): remove chunks,
smaller and smaller ones; then each action left loses what it need not say.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator

import msgspec
from msgspec.structs import fields, replace

from tests.adversary.actions import Any, Episode

PLAYS_MAX = 60
TRIES = 2  # what shows itself only sometimes is not lost at once

Shows = Callable[[Episode, int], Awaitable[list[str]]]


async def shrunk(episode: Episode, shows: Shows, plays_max: int = PLAYS_MAX) -> Episode:
    """The least that `shows` gives something for, within so many plays."""
    left = [plays_max]

    async def still(some: Episode) -> bool:
        if left[0] <= 0 or not some:
            return False
        left[0] -= 1
        return bool(await shows(some, TRIES))

    episode = await _fewer(episode, still)
    return await _plainer(episode, still)


async def _fewer(episode: Episode, still: Callable[[Episode], Awaitable[bool]]) -> Episode:
    count = 2
    while len(episode) >= 2:
        size = max(1, len(episode) // count)
        for start in range(0, len(episode), size):
            rest = episode[:start] + episode[start + size :]
            if await still(rest):
                episode, count = rest, max(count - 1, 2)
                break
        else:
            if size == 1:
                break
            count = min(len(episode), count * 2)
    return episode


async def _plainer(episode: Episode, still: Callable[[Episode], Awaitable[bool]]) -> Episode:
    place = 0
    while place < len(episode):
        for plain in plainer(episode[place]):
            other = (*episode[:place], plain, *episode[place + 1 :])
            if await still(other):
                episode = other
                break
        else:
            place += 1
    return episode


def plainer(action: Any) -> Iterator[Any]:
    """The action with all that has a default at its default, then one thing after the other."""
    changed = {
        field.name: field.default
        for field in fields(action)
        if field.default is not msgspec.NODEFAULT
        and getattr(action, field.name) != field.default
        and field.name not in ("path", "site")
    }
    if len(changed) > 1:
        yield replace(action, **changed)
    for name, value in changed.items():
        yield replace(action, **{name: value})
