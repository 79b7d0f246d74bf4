"""Positions in the JSON documents that a configuration names: `distributions[0](x.json).Origins`.

Law: which document a place is in, the file's own table says (`file = "x.json"`); what stands in
parentheses, the document's name or its distribution's, is for people.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from edgecache.config.json_positions import JsonPositions

DOCUMENT_BYTES_MAX = 16 * 1024 * 1024  # as the file that names it
START = 1, 1

_STEP = re.compile(r"(?:^|\.)([A-Za-z0-9_-]+)|\[([0-9]+)\]")


@dataclass(slots=True)
class DocumentPositions:
    """Where members of documents are; relative names are of `folder`."""

    folder: Path
    _positions: dict[str, JsonPositions | None] = field(default_factory=dict)  # by name

    def position(self, table: Mapping[str, Any], where: str) -> str:
        """`FILE:LINE:COLUMN` of a place in a document; empty: it is in none, or not there."""
        outer, parenthesis, rest = where.partition("(")
        name = _document_of(table, outer) if parenthesis else None
        if name is None:
            return ""
        whole = rest.startswith(f"{name}).")  # a document's name may have parentheses, an id not
        member = rest[len(name) + 2 :] if whole else rest.partition(").")[2]
        if name not in self._positions:
            self._positions[name] = _read(self.folder / name)
        positions = self._positions[name]
        if positions is None:
            return ""
        found = positions.position(member) or (START if whole else None)
        return f"{name}:{found[0]}:{found[1]}" if found else ""


def _document_of(table: Mapping[str, Any], place: str) -> str | None:
    """The document that the table at a place names; None: there is none."""
    found: Any = table
    for key, index in _STEP.findall(place):
        if key and isinstance(found, dict):
            found = found.get(key)
        elif index and isinstance(found, list) and int(index) < len(found):
            found = found[int(index)]
        else:
            return None
    name = found.get("file") if isinstance(found, dict) else None
    return name if isinstance(name, str) else None


def _read(file: Path) -> JsonPositions | None:
    """Where the values of a document are, which was read before; None: it is gone."""
    try:
        with file.open("rb") as opened:
            return JsonPositions(opened.read(DOCUMENT_BYTES_MAX).decode("utf-8-sig"))
    except (OSError, UnicodeDecodeError):
        return None
