"""What somebody new asks is answered by the file and the name that docs/questions.toml says."""

from __future__ import annotations

import ast
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
QUESTIONS = tomllib.loads((ROOT / "docs/questions.toml").read_text())["question"]


def names_in(body: list[ast.stmt], owner: str = "") -> set[str]:
    """Constants, functions and classes, and what classes hold, as `Class.member`."""
    names = set()
    for node in body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            names.add(owner + node.name)
        elif isinstance(node, ast.ClassDef):
            names |= {node.name} | names_in(node.body, f"{node.name}.")
        elif isinstance(node, ast.AnnAssign):
            names.add(owner + ast.unparse(node.target))
        elif isinstance(node, ast.Assign):
            names |= {owner + ast.unparse(target) for target in node.targets}
    return names


def test_there_are_fifty() -> None:
    assert len({question["asks"] for question in QUESTIONS}) == 50


@pytest.mark.parametrize("question", QUESTIONS, ids=lambda question: question["asks"])
def test_the_file_has_the_name(question: dict[str, str]) -> None:
    tree = ast.parse((ROOT / "edgecache" / question["file"]).read_text())
    assert question["name"] in names_in(tree.body)
