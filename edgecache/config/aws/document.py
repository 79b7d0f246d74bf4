"""Reader of JSON documents: typed members with their places. Law: reading a member never raises."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from edgecache.config.decode import shown
from edgecache.config.problems import Problem, ProblemCode, Problems


class DocumentError(ValueError):
    """A document that cannot be used, with every problem in it (at least one)."""

    def __init__(self, problems: list[Problem]) -> None:
        self.problems = problems
        super().__init__("; ".join(map(str, problems)))


@dataclass(frozen=True, slots=True)
class DocumentNode:
    """An object of the document. A member of a wrong type is reported and read as its blank."""

    value: dict[str, Any]
    where: str
    problems: Problems

    def at(self, name: str) -> str:
        return f"{self.where}.{name}" if self.where and name else self.where or name

    def wrong(self, name: str, message: str, code: ProblemCode = ProblemCode.INVALID) -> None:
        self.problems.add(self.at(name), message, code)

    def has(self, name: str) -> bool:
        return self.value.get(name) is not None

    def text(self, name: str) -> str:
        return str(self._member(name, str, "text", ""))

    def number(self, name: str) -> int:
        return int(self._member(name, int, "a whole number", 0))

    def flag(self, name: str) -> bool:
        return bool(self._member(name, bool, "true or false", False))

    def child(self, name: str) -> DocumentNode:
        return DocumentNode(self._member(name, dict, "an object", {}), self.at(name), self.problems)

    def _member(self, name: str, kind: type, wanted: str, blank: object) -> Any:
        value = self.value.get(name)
        if value is None:
            self.wrong(name, "missing")
            return blank
        if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
            self.wrong(name, f"expected {wanted}, got {shown(value)}")
            return blank
        return value

    def items(self) -> list[Any]:
        """The `Items` of a list; its `Quantity` must be their number (InconsistentQuantities)."""
        items = self.value.get("Items")
        items = [] if items is None else items
        if not isinstance(items, list):
            self.wrong("Items", f"expected a list, got {shown(items)}")
            return []
        quantity = self.value.get("Quantity", len(items))
        if isinstance(quantity, bool) or quantity != len(items):
            self.wrong("Quantity", f"{shown(quantity)}, but there are {len(items)} items")
        return items

    def nodes(self, name: str) -> list[DocumentNode]:
        """The objects listed at `name`."""
        parent = self.child(name)
        children = []
        for index, item in enumerate(parent.items()):
            place = f"Items[{index}]"
            if isinstance(item, dict):
                children.append(DocumentNode(item, parent.at(place), self.problems))
            else:
                parent.wrong(place, f"expected an object, got {shown(item)}")
        return children

    def names(self, name: str) -> tuple[str, ...]:
        """The texts listed at `name`."""
        return tuple(str(item) for item in self._scalars(name, str, "text"))

    def numbers(self, name: str) -> tuple[int, ...]:
        """The whole numbers listed at `name`."""
        return tuple(int(item) for item in self._scalars(name, int, "a whole number"))

    def _scalars(self, name: str, kind: type, wanted: str) -> list[Any]:
        parent = self.child(name)
        scalars = []
        for index, item in enumerate(parent.items()):
            if isinstance(item, kind) and not isinstance(item, bool):
                scalars.append(item)
            else:
                parent.wrong(f"Items[{index}]", f"expected {wanted}, got {shown(item)}")
        return scalars


def listing(items: tuple[Any, ...] | list[Any]) -> dict[str, Any]:
    """A list as CloudFront writes it; an empty one has no `Items`."""
    if not items:
        return {"Quantity": 0}
    return {"Quantity": len(items), "Items": list(items)}


def raise_problems(problems: Problems) -> None:
    """DocumentError when anything was wrong."""
    if problems.found:
        raise DocumentError(problems.found)
