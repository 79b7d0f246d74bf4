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
    beside: tuple[tuple[str, str], ...] = ()  # what else goes with it, of the same file

    def taken_from(self, code: str) -> str:
        """The file's `code` without it. AssertionError: it is not there, or twice."""
        for one, without in ((self.code, self.without), *self.beside):
            assert code.count(one) == 1, f"{self.file} has the guard no more, or twice"
            code = code.replace(one, without or "# gone")
        return code
