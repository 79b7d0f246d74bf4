"""Request parser: HTTP to values, by the operation's shape. Law: nothing here knows any operation.

Structures become dicts, lists lists, texts `str`, blobs `bytes`, numbers and flags what they are.
Elements may come in any order; unknown ones are passed over, as AWS does, and named to the caller.
"""

from __future__ import annotations

import base64
import binascii
import itertools
import math
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from edgecache.control.cloudfront.errors import ApiError
from edgecache.control.cloudfront.model import Operation, element_name
from edgecache.control.cloudfront.xml import Element, parse

UNKNOWN_MAX = 20  # a client of a newer API has a few
_NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")  # as members are called; it stands in a header
_WHOLE = re.compile(r"[+-]?[0-9]{1,19}")  # of 64 bits


@dataclass(frozen=True, slots=True)
class ParsedCall:
    """A request as it came: the values of its path and query, its headers by lower-case name."""

    path: Mapping[str, str]
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: bytes


def read_request(operation: Operation, received: ParsedCall) -> dict[str, Any]:
    """The operation's input by member. ApiError when the body is not what the shape wants."""
    shape = operation.takes
    if shape is None:
        return {}
    values = _located(shape, received)
    payload = shape.serialization.get("payload")
    if payload and shape.members[payload].type_name == "blob":
        return values | {payload: received.body}
    if not operation.root:
        return values
    if not received.body.strip():
        needed = payload in shape.required_members if payload else shape.required_members
        if needed:
            raise ApiError("MissingBody", "This operation requires a body.")
        return values
    root = parse(received.body)
    if root.name != operation.root:
        raise ApiError("MalformedInput", f"the body is {root.name}, expected {operation.root}")
    if payload:
        return values | {payload: read_value(shape.members[payload], root, payload)}
    return values | _structure(shape, root, "")


def unknown_members(operation: Operation, body: bytes) -> list[str]:
    """Places of elements that the operation's shape does not have: of a newer API, or misspelled.

    The first UNKNOWN_MAX, of a body that `read_request` has taken.
    """
    shape = operation.takes
    if not operation.root or not body.strip():
        return []
    payload = shape.serialization.get("payload")
    inner = shape.members[payload] if payload else shape
    return list(itertools.islice(_unknown(inner, parse(body), ""), UNKNOWN_MAX))


def _unknown(shape: Any, element: Element, where: str) -> Iterator[str]:
    if shape.type_name == "list":
        known = {element_name("member", shape.member): (f"{where}[]", shape.member)}
    elif shape.type_name == "structure":
        known = {
            element_name(name, member): (f"{where}.{name}".lstrip("."), member)
            for name, member in shape.members.items()
            if "location" not in member.serialization
        }
    else:
        return
    for child in element.children:
        if child.name in known:
            place, member = known[child.name]
            yield from _unknown(member, child, place)
        elif _NAME.fullmatch(child.name):
            yield f"{where}.{child.name}".lstrip(".")


def _located(shape: Any, received: ParsedCall) -> dict[str, Any]:
    """The members that stand in the path, the query and the headers."""
    places: dict[str, Mapping[str, str]] = {
        "uri": received.path,
        "querystring": received.query,
        "header": received.headers,
    }
    values = {}
    for name, member in shape.members.items():
        place = member.serialization.get("location")
        if place is None:
            continue
        spelled = element_name(name, member)
        text = places[place].get(spelled.lower() if place == "header" else spelled)
        if text is not None:
            values[name] = _scalar(member, text, name)
    return values


def read_value(shape: Any, element: Element, where: str) -> Any:
    """The value of an element; `where` names its member in a fault."""
    if shape.type_name == "structure":
        return _structure(shape, element, where)
    if shape.type_name == "list":
        name = element_name("member", shape.member)
        items = [child for child in element.children if child.name == name]
        return [read_value(shape.member, item, f"{where}[{i}]") for i, item in enumerate(items)]
    return _scalar(shape, element.text, where)


def _structure(shape: Any, element: Element, where: str) -> dict[str, Any]:
    values = {}
    for name, member in shape.members.items():
        if "location" in member.serialization:
            continue
        child = element.child(element_name(name, member))
        if child is not None:
            values[name] = read_value(member, child, f"{where}.{name}" if where else name)
    return values


def _flag(text: str) -> bool:
    return {"true": True, "false": False}[text.strip().lower()]


def _whole(text: str) -> int:
    if not _WHOLE.fullmatch(text.strip()):
        raise ValueError(text)
    number = int(text)
    if not -(2**63) <= number < 2**63:
        raise ValueError(text)
    return number


def _number(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError(text)
    return number


def _blob(text: str) -> bytes:
    return base64.b64decode("".join(text.split()), validate=True)


def _moment(text: str) -> datetime:
    return datetime.fromisoformat(text.strip())


_READERS: dict[str, tuple[Callable[[str], Any], str]] = {
    "string": (str, "text"),
    "integer": (_whole, "a whole number"),
    "long": (_whole, "a whole number"),
    "float": (_number, "a number"),
    "double": (_number, "a number"),
    "boolean": (_flag, "true or false"),
    "blob": (_blob, "Base64"),
    "timestamp": (_moment, "a time (ISO 8601)"),
}


def _scalar(shape: Any, text: str, where: str) -> Any:
    read, wanted = _READERS[shape.type_name]
    try:
        return read(text)
    except (ValueError, KeyError, binascii.Error):
        raise ApiError("InvalidArgument", f"The parameter {where} must be {wanted}.") from None
