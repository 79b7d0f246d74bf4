"""Positions in documents: the line and column of each place that a problem may name."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from edgecache.config.json_positions import JsonPositions
from edgecache.config.toml_positions import Position
from tests.config.test_toml_positions import places

TEXT = """{
  "Enabled": true, "Comment": "a \\"} [,: b",
  "Aliases": {"Quantity": 2, "Items": ["a", {"x": [[1], [-2.5e3, null]]}]},
  "Origins": {
    "Items": [
      {
        "Id": "web"
      } , {"Id":"second", "Custom\\u0048eaders":{}}
    ]
  },
  "with space": [],
  "twice": 1, "empty": {}, "last": {"deep":
false},
  "twice": 2
}
"""


@pytest.mark.parametrize(
    ("where", "position"),
    [
        ("Enabled", (2, 3)),
        ("Comment", (2, 20)),
        ("Aliases", (3, 3)),
        ("Aliases.Quantity", (3, 15)),
        ("Aliases.Items[0]", (3, 40)),
        ("Aliases.Items[1].x[1][1]", (3, 66)),
        ("Origins.Items[0]", (6, 7)),
        ("Origins.Items[0].Id", (7, 9)),
        ("Origins.Items[1]", (8, 11)),
        ("Origins.Items[1].CustomHeaders", (8, 27)),
        ("Origins.Items[1].CustomHeaders.Items[3].HeaderName", (8, 27)),
        ("Origins.Items[2]", (5, 5)),
        ('"with space"', (11, 3)),
        ("empty.missing", (12, 15)),
        ("last.deep", (12, 37)),
        ("twice", (14, 3)),
        ("nowhere.at[0].all", None),
        ("", None),
    ],
)
def test_a_place_is_found_or_what_it_stands_in(where: str, position: Position | None) -> None:
    assert JsonPositions(TEXT).position(where) == position


@pytest.mark.parametrize("indent", [None, 0, 2], ids=str)
@pytest.mark.parametrize("separators", [(",", ":"), (" , ", " : ")], ids=["close", "wide"])
def test_each_member_is_found_at_its_name(indent: int | None, separators: tuple[str, str]) -> None:
    """All places of a document, however it is spaced."""
    text = json.dumps(json.loads(TEXT), indent=indent, separators=separators)
    positions, lines = JsonPositions(text), text.splitlines()
    for where in places(json.loads(TEXT)):
        found = positions.position(where)
        assert found is not None, where
        line, column = found
        name = where.rpartition(".")[2].strip('"')
        if "[" not in name:
            assert lines[line - 1][column - 1 :].startswith(json.dumps(name)), where


@pytest.mark.parametrize(
    "text", ["", "{", '{"a"', '{"a": ', '{"a": [1, ', '["', "[" * 10_000, '{"a" 1}', "{a: 1}", "]"]
)
def test_what_is_no_json_is_passed_over(text: str) -> None:
    positions = JsonPositions(text)
    assert positions.position("a[0]") in (None, (1, 2), (1, 8))
    assert positions.position("b") is None


def test_documents_that_are_there(request: pytest.FixtureRequest) -> None:
    """Every place of every JSON document of the examples is found."""
    for path in sorted((Path(request.config.rootpath) / "examples").rglob("*.json")):
        document = json.loads(path.read_text())
        positions = JsonPositions(path.read_text())
        missing = [where for where in places(document) if positions.position(where) is None]
        assert not missing, path
