"""The watch: what an episode costs the processes and a bystander, and what trouble they tell."""

from __future__ import annotations

from dataclasses import dataclass

from tests.adversary.actions import Episode
from tests.adversary.site import Target

TROUBLE = ("Traceback", "never retrieved", "Task was destroyed", "was never awaited")


@dataclass(slots=True)
class Watch:
    """Looks at one target."""

    target: Target
    _said: int = 0

    def quiet(self) -> None:
        """Nothing is under way."""

    def begins(self) -> None:
        """A loud episode is about to begin."""

    async def ends(self, episode: Episode) -> list[str]:
        """What was wrong with it."""
        return self.trouble()

    def trouble(self) -> list[str]:
        """What the processes have said of trouble since the last time."""
        said = self.target.said()
        new, self._said = said[self._said :], len(said)
        return [line for line in new.splitlines() if any(word in line for word in TROUBLE)]
