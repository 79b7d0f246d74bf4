"""Bounded XML trees. Law: no DTD, hence no entities; depth and number of elements are bounded.

What expands (billion laughs) and what fetches (external entities) both need a document type
declaration, which no client of the API sends.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from xml.parsers import expat

from edgecache.control.cloudfront.errors import ApiError

DEPTH_MAX = 32  # the deepest request of the model has 14
ELEMENTS_MAX = 100_000  # a distribution at every quota has some 30,000


@dataclass(slots=True)
class Element:
    """An element without its namespace and attributes: no request of the API has any that count."""

    name: str
    children: list[Element] = field(default_factory=list)
    pieces: list[str] = field(default_factory=list)

    @property
    def text(self) -> str:
        return "".join(self.pieces)

    def child(self, name: str) -> Element | None:
        return next((child for child in self.children if child.name == name), None)


class _Refused(Exception):
    """A document with something no request of the API holds."""


def parse(document: bytes) -> Element:
    """The root of a document. ApiError MalformedInput says what is wrong with it."""
    builder = _Builder()
    parser = expat.ParserCreate(namespace_separator=" ")
    parser.buffer_text = True
    parser.StartElementHandler = builder.start
    parser.EndElementHandler = builder.end
    parser.CharacterDataHandler = builder.characters
    parser.StartDoctypeDeclHandler = builder.doctype
    try:
        parser.Parse(document, True)
    except expat.ExpatError as error:
        raise ApiError("MalformedInput", f"the body is not XML: {error}") from None
    except _Refused as error:
        raise ApiError("MalformedInput", f"the body is refused: {error}") from None
    except (LookupError, ValueError) as error:  # an encoding that Python does not know
        raise ApiError("MalformedInput", f"the body is not XML: {error}") from None
    assert builder.root is not None
    return builder.root


class _Builder:
    """Builds the tree as expat tells it."""

    def __init__(self) -> None:
        self.root: Element | None = None
        self._open: list[Element] = []
        self._count = 0

    def start(self, name: str, attributes: dict[str, str]) -> None:
        self._count += 1
        if self._count > ELEMENTS_MAX:
            raise _Refused(f"more than {ELEMENTS_MAX} elements")
        if len(self._open) >= DEPTH_MAX:
            raise _Refused(f"elements nested deeper than {DEPTH_MAX}")
        element = Element(name.rpartition(" ")[2])
        if self._open:
            self._open[-1].children.append(element)
        else:
            self.root = element
        self._open.append(element)

    def end(self, name: str) -> None:
        self._open.pop()

    def characters(self, text: str) -> None:
        self._open[-1].pieces.append(text)

    def doctype(self, *declared: object) -> None:
        raise _Refused("a document type declaration")
