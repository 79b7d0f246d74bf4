"""Positions of values in a JSON document: the line and column of each place a problem may name.

Law: it is asked about text that `json` has read, so it judges nothing; what it does not understand
has the position of what it stands in. RFC 8259.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field

from edgecache.config.problems import joined
from edgecache.config.toml_positions import Position, closest_position

_BLANK = re.compile(r"[ \t\r\n]*")
_STRING = re.compile(r'"(?:\\.|[^"\\])*"', re.DOTALL)
_SCALAR = re.compile(r"[^,\]}\s]+")
_DEPTH_MAX = 64  # of values in each other; CloudFront's documents have about ten


class _LostError(Exception):
    """The text is not what was expected."""


@dataclass(slots=True)
class JsonPositions:
    """Where each place of a document is: `Origins.Items[0].Id` by the path a problem has for it.

    That of a member is its name's. Of a name that comes twice the last one counts, as for `json`.
    """

    text: str
    _found: dict[str, int] = field(default_factory=dict)  # to the offset of its name or value
    _at: int = 0

    def __post_init__(self) -> None:
        try:
            self._value("", 0)
        except (_LostError, IndexError):
            return  # what was found until then is known

    def position(self, where: str) -> Position | None:
        """Of a place, or of the closest one that it stands in; None: of the document as a whole."""
        return closest_position(self.text, self._found, where)

    def _value(self, place: str, depth: int) -> None:
        if depth > _DEPTH_MAX:
            raise _LostError
        self._skip_blank()
        first = self.text[self._at]
        if first == "{":
            self._object(place, depth)
        elif first == "[":
            self._array(place, depth)
        else:
            self._match(_STRING if first == '"' else _SCALAR)

    def _object(self, place: str, depth: int) -> None:
        while self._goes_on("}"):
            start = self._at
            member = joined(place, json.loads(self._match(_STRING), strict=False))
            self._found[member] = start
            self._skip_blank()
            self._match(re.compile(":"))
            self._value(member, depth + 1)

    def _array(self, place: str, depth: int) -> None:
        index = 0
        while self._goes_on("]"):
            item = f"{place}[{index}]"
            self._found[item] = self._at
            self._value(item, depth + 1)
            index += 1

    def _goes_on(self, end: str) -> bool:
        """Pass over the bracket or comma that is here; whether an item follows."""
        self._skip_blank()
        if self.text[self._at] != end:
            self._at += 1
            self._skip_blank()
        if self.text[self._at] != end:
            return True
        self._at += 1
        return False

    def _match(self, pattern: re.Pattern[str]) -> str:
        match = pattern.match(self.text, self._at)
        if match is None:
            raise _LostError
        self._at = match.end()
        return match[0]

    def _skip_blank(self) -> None:
        match = _BLANK.match(self.text, self._at)
        assert match is not None, "it may be empty"
        self._at = match.end()
