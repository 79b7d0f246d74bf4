"""The switches of both semantics: one table, one page, and nobody who asks for the name instead."""

from __future__ import annotations

import ast
from pathlib import Path
from typing import get_args

import pytest

import edgecache
from edgecache.config.model import SemanticsName
from edgecache.rules.semantics import CLOUDFRONT, RFC9111, SEMANTICS, switches
from tests.rules.pieces import site_of
from tests.rules.semantics_page import PAGE, page

PACKAGE = Path(edgecache.__file__).parent
NAMES: tuple[SemanticsName, ...] = get_args(SemanticsName)
SOURCES = {path: path.read_text() for path in sorted(PACKAGE.rglob("*.py"))}
COMPARED = (ast.Compare, ast.MatchValue)


def compared_words(tree: ast.Module) -> set[object]:
    """Every literal of a comparison, a membership or a pattern."""
    return {
        leaf.value
        for node in ast.walk(tree)
        if isinstance(node, COMPARED)
        for leaf in ast.walk(node)
        if isinstance(leaf, ast.Constant)
    }


def test_every_semantics_has_its_table() -> None:
    assert set(SEMANTICS) == set(NAMES)
    assert (SEMANTICS["rfc9111"], SEMANTICS["cloudfront"]) == (RFC9111, CLOUDFRONT)


@pytest.mark.parametrize("name", NAMES)
def test_a_route_has_the_switches_of_its_distribution(name: SemanticsName) -> None:
    assert site_of(semantics=name).semantics is SEMANTICS[name]


@pytest.mark.parametrize("switch", switches())
def test_a_switch_is_on_where_it_says_and_something_asks_for_it(switch: str) -> None:
    row = switches()[switch]
    assert [name for name in NAMES if getattr(SEMANTICS[name], switch)] == [row.on]
    assert row.source
    assert row.meaning.endswith(".")
    assert any(f".{switch}" in text for text in SOURCES.values()), "a switch without a reader"


def test_the_page_is_what_the_table_gives() -> None:
    assert PAGE.read_text() == page(), "python -m tests.rules.semantics_page makes it anew"


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_only_the_configuration_asks_for_the_name(path: Path) -> None:
    if path.is_relative_to(PACKAGE / "config"):
        return
    assert not compared_words(ast.parse(SOURCES[path])) & set(NAMES)
