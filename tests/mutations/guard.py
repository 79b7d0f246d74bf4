"""A guard: what of the code must stand, and the play that needs it."""

from __future__ import annotations

from dataclasses import dataclass

RACES = "tests/plays/test_invalidation_races.py"


@dataclass(frozen=True, slots=True)
class Guard:
    """A piece of code, what is there when it is taken away, and the play that then fails."""

    name: str
    file: str
    code: str
    without: str
    play: str
    plays: str = RACES
