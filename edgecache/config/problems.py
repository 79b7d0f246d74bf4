"""Problems of a configuration, each with its path in the file. Law: of one place only the first."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

BROKEN_LINES_MAX = 8  # told of one file; people mend it and ask again

_BARE_KEY = re.compile(r"[A-Za-z0-9_-]+")


class ProblemCode(StrEnum):
    """What sort of problem it is, where callers of the API get different errors for them."""

    INVALID = "invalid"
    TOO_MANY = "too-many"  # of a list, or of its characters
    UNKNOWN = "unknown"  # it names what does not exist
    TAKEN = "taken"  # the name is another's already
    CONFLICT = "conflict"  # one of two members that exclude each other
    ORDER = "order"  # numbers that must not decrease


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing wrong: `where` is its path in the file (`locations[0].listen`), or empty.

    `file` is named where a configuration has several; `position` is `FILE:LINE:COLUMN` of what a
    file spells, from 1.
    """

    where: str
    message: str
    code: ProblemCode = ProblemCode.INVALID
    file: str = ""
    position: str = ""

    def __str__(self) -> str:
        return ": ".join(filter(None, (self.file, self.where, self.message)))

    @property
    def shown(self) -> str:
        """A line for people, whose editors go to the position."""
        return ": ".join(filter(None, (self.position or self.file, self.where, self.message)))


class ConfigError(Exception):
    """A file that cannot be used, with every problem in it (at least one)."""

    def __init__(self, path: Path, problems: Iterable[Problem]) -> None:
        self.path = path
        self.problems = list(problems)
        super().__init__(path, self.problems)

    def __str__(self) -> str:
        """One line that names the file when the file itself is the problem, else one for each."""
        if len(self.problems) == 1 and not (self.problems[0].where or self.problems[0].file):
            return f"{self.path}: {self.problems[0].message}"
        count = len(self.problems)
        head = f"{self.path}: {count} problem{'s' if count > 1 else ''}"
        return "\n".join([head, *(f"  {problem.shown}" for problem in self.problems)])


class BrokenLinesError(ValueError):
    """Lines of a file that cannot be used: the first few by number, from 1, and what is wrong."""

    def __init__(self, lines: Sequence[tuple[int, str]]) -> None:
        self.lines = tuple(lines[:BROKEN_LINES_MAX])
        self.more = len(lines) - len(self.lines)  # how many others are broken
        super().__init__("; ".join(f"line {number}: {why}" for number, why in self.lines))


@dataclass(slots=True)
class Problems:
    """Problems as they are found. What stands under a place already reported is not reported."""

    found: list[Problem] = field(default_factory=list)
    _suppressed: set[str] = field(default_factory=set)

    def add(
        self,
        where: str,
        message: str,
        code: ProblemCode = ProblemCode.INVALID,
        *,
        position: str = "",
    ) -> None:
        """Report `where`, unless it or a place it stands in is suppressed.

        `position` is one that the place does not tell: of what cannot be read.
        """
        if not self.is_suppressed(where):
            self.found.append(Problem(where, message, code, position=position))
            self._suppressed.add(where)

    def suppress(self, where: str) -> None:
        """Report nothing at `where` or under it: it was judged elsewhere."""
        self._suppressed.add(where)

    def is_suppressed(self, where: str) -> bool:
        return any(place in self._suppressed for place in enclosing(where))


def enclosing(where: str) -> list[str]:
    """The places a place stands in, and itself: `a.b[0]` → `a`, `a.b`, `a.b[0]`."""
    ends = [i for i, char in enumerate(where) if char in ".["]
    return [where[:end] for end in (*ends, len(where))]


def quoted(text: str) -> str:
    """Text as a file would write it: in double quotes, control characters visible."""
    return '"' + repr(text)[1:-1].replace('"', '\\"').replace("\\'", "'") + '"'


def listed(names: Iterable[str]) -> str:
    """`"a", "b"`, in order."""
    return ", ".join(quoted(name) for name in names)


def suggestion(name: str, known: Mapping[str, object]) -> str:
    """` (did you mean "x"?)` when a known name is close, else nothing."""
    close = difflib.get_close_matches(name, list(known), n=1, cutoff=0.7)
    return f" (did you mean {quoted(close[0])}?)" if close else ""


def joined(where: str, key: str) -> str:
    """The place of `key` in the table at `where`; a key TOML would quote is quoted."""
    spelled = key if _BARE_KEY.fullmatch(key) else quoted(key)
    return f"{where}.{spelled}" if where else spelled
