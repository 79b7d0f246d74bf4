"""Validation of values by the model: required members, choices, lengths, Quantity.

What no model says (an origin that is not there, a name that is taken) is judged by the operations.
"""

from __future__ import annotations

import re
from typing import Any

from edgecache.control.cloudfront.errors import ApiError

ANY_CASE = {"HttpVersion"}  # CloudFront takes `HTTP2` and gives back `http2`


def validate(shape: Any, value: Any, where: str = "") -> None:
    """ApiError for the first thing that is wrong with `value`, read from a request as `shape`."""
    if shape.type_name == "structure":
        _validate_structure(shape, value, where)
    elif shape.type_name == "list":
        _validate_size(shape, len(value), where, "items")
        for index, item in enumerate(value):
            validate(shape.member, item, f"{where}[{index}]")
    elif shape.type_name in ("string", "blob"):
        if isinstance(value, str) and "\0" in value:
            raise ApiError("InvalidArgument", f"The parameter {where} holds a NUL character.")
        _validate_size(shape, len(value), where, "characters")
        _validate_text(shape, value, where)
    elif shape.type_name in ("integer", "long", "float", "double"):
        _validate_size(shape, value, where, "")


def _validate_structure(shape: Any, value: dict[str, Any], where: str) -> None:
    for name in shape.required_members:
        if name not in value:
            raise ApiError("InvalidArgument", f"The parameter {_at(where, name)} is required.")
    if "Quantity" in shape.members and "Items" in shape.members:
        _validate_quantity(value, where)
    for name, member in shape.members.items():
        if name in value:
            validate(member, value[name], _at(where, name))


def _validate_quantity(value: dict[str, Any], where: str) -> None:
    count = len(value.get("Items", ()))
    if value.get("Quantity", count) != count:
        raise ApiError(
            "InconsistentQuantities",
            f"The value of {where}.Quantity is {value['Quantity']}, "
            f"and there are {count} in {where}.Items.",
        )


def _validate_size(shape: Any, size: float, where: str, unit: str) -> None:
    low, high = shape.metadata.get("min"), shape.metadata.get("max")
    if (low is not None and size < low) or (high is not None and size > high):
        bounds = f"{low if low is not None else 0} to {high}" if high else f"at least {low}"
        words = f"{size} {unit}".strip()
        raise ApiError(
            "InvalidArgument", f"The parameter {where} has {words}; it must be {bounds}."
        )


def _validate_text(shape: Any, value: Any, where: str) -> None:
    choices = getattr(shape, "enum", None)
    if choices:
        folded = value.lower() if shape.name in ANY_CASE else value
        if folded not in choices:
            raise ApiError(
                "InvalidArgument",
                f"The parameter {where} must be one of {', '.join(choices)}.",
            )
    pattern = shape.metadata.get("pattern")
    # The classes of Unicode (\p{L}) are Java's; the tags they are for are judged where tags are.
    if pattern and "\\p" not in pattern and not re.fullmatch(pattern, value):
        raise ApiError("InvalidArgument", f"The parameter {where} must match {pattern}.")


def _at(where: str, name: str) -> str:
    return f"{where}.{name}" if where else name
