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
    beside: tuple[tuple[str, str, str], ...] = ()  # what else goes: file, code, what is there then

    @property
    def files(self) -> list[str]:
        """The files that are changed."""
        return sorted({self.file, *(file for file, _, _ in self.beside)})

    def taken_from(self, file: str, text: str) -> str:
        """The `text` of a file without it. AssertionError: it is not there, or twice."""
        for where, code, without in ((self.file, self.code, self.without), *self.beside):
            if where == file:
                assert text.count(code) == 1, f"{file} has the guard no more, or twice"
                text = text.replace(code, without or "# gone")
        return text
