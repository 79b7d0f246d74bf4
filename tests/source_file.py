"""A Python file as the laws of the layout look at it: read once, its nodes by kind."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path
from typing import TypeVar

_N = TypeVar("_N", bound=ast.AST)
DATA = ("Struct", "Enum", "StrEnum", "IntEnum", "NamedTuple", "Protocol", "Exception", "Model")
CACHE_MAKERS = {"cache", "lru_cache", "cached"}
Function = ast.FunctionDef | ast.AsyncFunctionDef


class SourceFile:
    """The tree of a file. Who looks at many keeps none: all together are hundreds of megabytes."""

    def __init__(self, path: Path, text: str | None = None) -> None:
        """`text` instead of what the file holds. SyntaxError where it is not Python."""
        self.path = path
        self.text = path.read_text() if text is None else text
        self.tree = ast.parse(self.text)
        self._nodes: dict[type[ast.AST], list[ast.AST]] = {}
        for node in ast.walk(self.tree):
            self._nodes.setdefault(type(node), []).append(node)

    def all(self, kind: type[_N]) -> list[_N]:
        """Every node of exactly this kind, the outer ones first."""
        return [node for node in self._nodes.get(kind, ()) if isinstance(node, kind)]

    @property
    def functions(self) -> list[Function]:
        """Every function and method."""
        return [*self.all(ast.FunctionDef), *self.all(ast.AsyncFunctionDef)]

    @property
    def classes(self) -> list[ast.ClassDef]:
        """The classes of the module itself."""
        return [node for node in self.tree.body if isinstance(node, ast.ClassDef)]

    @property
    def imported(self) -> list[str]:
        """The modules it names in imports, wherever they stand."""
        plain = [alias.name for node in self.all(ast.Import) for alias in node.names]
        return plain + [node.module for node in self.all(ast.ImportFrom) if node.module]

    @property
    def doc(self) -> str:
        """Its docstring."""
        return ast.get_docstring(self.tree) or ""


def words_of(node: ast.expr) -> Iterator[str]:
    """The names and texts in an expression."""
    for one in ast.walk(node):
        if isinstance(one, ast.Name | ast.Attribute):
            yield one.id if isinstance(one, ast.Name) else one.attr
        elif isinstance(one, ast.Constant | ast.arg | ast.keyword):
            yield str(one.value if isinstance(one, ast.Constant) else one.arg)


def cached_functions(source: SourceFile) -> list[ast.FunctionDef]:
    """The functions of a module whose results `functools` remembers, however it is put on."""
    functions = {node.name: node for node in source.all(ast.FunctionDef)}
    found = []
    for function in functions.values():
        marks = [ast.unparse(mark) for mark in function.decorator_list]
        if any(
            "lru_cache" in mark or mark.split("(")[0].endswith(("cache", "cached"))
            for mark in marks
        ):
            found.append(function)
    for node in source.all(ast.Call):
        if any("cache" in word for word in words_of(node.func)):
            names = [ast.unparse(argument) for argument in node.args]
            found += [functions[name] for name in names if name in functions]
    return found


def is_data(node: ast.ClassDef) -> bool:
    """Whether a class is no more than data."""
    bases = [ast.unparse(base).split(".")[-1].split("[")[0] for base in node.bases]
    marks = [ast.unparse(mark) for mark in node.decorator_list]
    data = any(base in DATA or base.endswith("Error") for base in bases)
    return data or any("dataclass" in mark for mark in marks)


def made_caches(source: SourceFile) -> int:
    """How many places make a cache of a process."""
    bare = [mark for node in source.all(ast.FunctionDef) for mark in node.decorator_list]
    names = [*bare, *(node.func for node in source.all(ast.Call))]
    return sum(isinstance(one, ast.Name) and one.id in CACHE_MAKERS for one in names)
