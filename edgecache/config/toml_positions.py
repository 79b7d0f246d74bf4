"""Positions of values in a TOML file: the line and column of each place that a problem may name.

Law: it is asked about text that `tomllib` has read, so it judges nothing; what it does not
understand has the position of what it stands in. TOML 1.0.0.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from edgecache.config.problems import enclosing, joined

Position = tuple[int, int]
"""Line and column, from 1."""

_BLANK = re.compile(r"(?:[ \t\r\n]|#[^\n]*)*")
_KEY = re.compile(r"""[ \t]*(?:([A-Za-z0-9_-]+)|"((?:\\.|[^"\\\n])*)"|'([^'\n]*)')[ \t]*""")
_STRING = re.compile(
    r'"""(?:\\.|[^\\])*?"{3,5}|' r"'''.*?'{3,5}|" r'"(?:\\.|[^"\\\n])*"|' r"'[^'\n]*'", re.DOTALL
)
_SCALAR = re.compile(r"[^,\]}#\n]*")
_ESCAPE = re.compile(r'\\(?:u([0-9A-Fa-f]{4})|U([0-9A-Fa-f]{8})|(["\\]))')
_DEPTH_MAX = 64  # of values in each other


class _LostError(Exception):
    """The text is not what was expected."""


@dataclass(slots=True)
class TomlPositions:
    """Where each place of a file is: `locations[0].listen` by the path a problem has for it."""

    text: str
    _found: dict[str, int] = field(default_factory=dict)  # to the offset of its key or value
    _tables: dict[str, int] = field(default_factory=dict)  # how many of `[[name]]` there are
    _at: int = 0

    def __post_init__(self) -> None:
        try:
            self._file()
        except (_LostError, IndexError):
            return  # what was found until then is known

    def position(self, where: str) -> Position | None:
        """Of a place, or of the closest one that it stands in; None: of the file as a whole."""
        return closest_position(self.text, self._found, where)

    def _file(self) -> None:
        table = ""
        while True:
            self._skip_blank()
            if self._at >= len(self.text):
                return
            if self.text[self._at] == "[":
                table = self._header()
            else:
                self._pair(table, 0)

    def _header(self) -> str:
        """`[a.b]` or `[[a.b]]`: the place that follows."""
        start, many = self._at, self.text.startswith("[[", self._at)
        self._at += 2 if many else 1
        *outer, last = self._keys()
        place = ""
        for key in outer:
            place = self._entered(joined(place, key))
        place = joined(place, last)
        if many:
            index = self._tables.get(place, 0)
            self._tables[place] = index + 1
            self._found.setdefault(place, start)
            place = f"{place}[{index}]"
        self._found.setdefault(place, start)
        self._expect("]")
        if many:
            self._expect("]")
        return place

    def _entered(self, place: str) -> str:
        """A table by its name; of a list of tables the last one."""
        count = self._tables.get(place, 0)
        return f"{place}[{count - 1}]" if count else place

    def _keys(self) -> list[str]:
        keys = []
        while True:
            match = _KEY.match(self.text, self._at)
            if match is None:
                raise _LostError
            self._at = match.end()
            keys.append(
                _unescaped(match[2]) if match[2] is not None else match[1] or match[3] or ""
            )
            if not self.text.startswith(".", self._at):
                return keys
            self._at += 1

    def _pair(self, table: str, depth: int) -> None:
        self._skip_blank()
        start, place = self._at, table
        for key in self._keys():
            place = joined(place, key)
            self._found.setdefault(place, start)
        self._expect("=")
        self._value(place, depth + 1)

    def _value(self, place: str, depth: int) -> None:
        if depth > _DEPTH_MAX:
            raise _LostError
        self._skip_blank()
        first = self.text[self._at]
        if first == "{":
            self._items("}", lambda _: self._pair(place, depth))
        elif first == "[":
            self._items("]", lambda index: self._item(f"{place}[{index}]", depth))
        else:
            match = (_STRING if first in "\"'" else _SCALAR).match(self.text, self._at)
            if match is None:
                raise _LostError
            self._at = match.end()

    def _item(self, place: str, depth: int) -> None:
        self._found.setdefault(place, self._at)
        self._value(place, depth + 1)

    def _items(self, end: str, read: Callable[[int], None]) -> None:
        self._at += 1
        for index in range(len(self.text)):
            self._skip_blank()
            if self.text[self._at] == end:
                break
            read(index)
            self._skip_blank()
            if self.text[self._at] == ",":
                self._at += 1
        self._expect(end)

    def _skip_blank(self) -> None:
        match = _BLANK.match(self.text, self._at)
        assert match is not None, "it may be empty"
        self._at = match.end()

    def _expect(self, mark: str) -> None:
        if not self.text.startswith(mark, self._at):
            raise _LostError
        self._at += len(mark)


def closest_position(text: str, found: Mapping[str, int], where: str) -> Position | None:
    """Of a place by its offset in a text, or of the closest one it stands in; None: of neither."""
    for place in reversed(enclosing(where)):
        if place in found:
            before = text[: found[place]]
            return before.count("\n") + 1, len(before) - before.rfind("\n")
    return None


def _unescaped(text: str) -> str:
    """What a quoted key means; its other escapes are in no key of a configuration."""
    return _ESCAPE.sub(lambda one: one[3] or chr(int(one[1] or one[2], 16)), text)
