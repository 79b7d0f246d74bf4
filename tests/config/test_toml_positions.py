"""Positions: the line and column of each place that a problem may name."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

from edgecache.config.problems import joined
from edgecache.config.toml_positions import Position, TomlPositions

TEXT = '''# [not] = "a table"
brand = "a # b"   # c
"a.b" = { x = 1, "y z" = [1, [2, 3], { w = "]" }] }
c.d.'e' = """
[no] "" x = 1
"""
list = [ # of [tables
  { n = 1 }, # one
  { n = 2,
    m = "\\"}" },
]

[[locations]]
name = 'L'
disk = { bytes_max = "1 GiB" }

  [ locations.flow_log ]
  retention = 1979-05-27T07:32:00Z

[[locations]]
"list\\u0065n" = "x"

[[locations.rules]]
n = -1_0.5e3
[[locations.rules]]
n = true
'''


@pytest.mark.parametrize(
    ("where", "position"),
    [
        ("brand", (2, 1)),
        ('"a.b"', (3, 1)),
        ('"a.b".x', (3, 11)),
        ('"a.b"."y z"[1][0]', (3, 31)),
        ('"a.b"."y z"[2].w', (3, 40)),
        ("c.d.e", (4, 1)),
        ("list[0].n", (8, 5)),
        ("list[1]", (9, 3)),
        ("list[1].m", (10, 5)),
        ("locations", (13, 1)),
        ("locations[0]", (13, 1)),
        ("locations[0].name", (14, 1)),
        ("locations[0].disk.bytes_max", (15, 10)),
        ("locations[0].flow_log.retention", (18, 3)),
        ("locations[0].flow_log.missing", (17, 3)),
        ("locations[1].listen", (21, 1)),
        ("locations[1].rules[1].n", (26, 1)),
        ("locations[1].rules[1].missing.deeper[3]", (25, 1)),
        ("nowhere.at[0].all", None),
        ("", None),
    ],
)
def test_a_place_is_found_or_what_it_stands_in(where: str, position: Position | None) -> None:
    found = TomlPositions(TEXT).position(where)
    assert found == position


def places(value: object, where: str = "") -> list[str]:
    """Every place in a table, as problems name them."""
    found = [where] if where else []
    if isinstance(value, dict):
        for key, inner in value.items():
            found += places(inner, joined(where, key))
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            found += places(inner, f"{where}[{index}]")
    return found


SAMPLES = sorted((Path(__file__).parents[2] / "config").glob("*.toml"))


@pytest.mark.parametrize("path", SAMPLES, ids=lambda path: path.name)
def test_every_place_of_a_file_is_found_where_its_key_stands(path: Path) -> None:
    text = path.read_text()
    positions, lines = TomlPositions(text), text.splitlines()
    for where in places(tomllib.loads(text)):
        position = positions.position(where)
        assert position is not None, where
        line, column = position
        key = where.rpartition(".")[2].partition("[")[0]
        shown = lines[line - 1][column - 1 :]
        assert where.endswith("]") or shown.startswith((key, "[", "'", '"')) or key in shown, where
    assert len(places(tomllib.loads(text))) > 3


@pytest.mark.parametrize(
    "text", ["", "a", "a = ", "[", "[[a", "a = [", "a = {", 'a = "', "\0", "="]
)
def test_text_that_is_no_toml_has_the_places_that_come_before(text: str) -> None:
    assert TomlPositions("b = 1\n" + text).position("b") == (1, 1)


def test_what_is_too_deep_has_the_position_of_what_it_stands_in() -> None:
    assert TomlPositions("a = " + "[" * 500 + "]" * 500).position("a" + "[0]" * 400) is not None
