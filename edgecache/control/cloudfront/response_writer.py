"""Response writer: values to XML, by the operation's shape. Law: nothing here knows any operation.

What a shape does not name is left out, so members that only we know never reach a client.
"""

from __future__ import annotations

import base64
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from edgecache.control.cloudfront.errors import xml_text
from edgecache.control.cloudfront.model import NAMESPACE, Operation, element_name


@dataclass(frozen=True, slots=True)
class SerializedResponse:
    """The headers and the body of an answer."""

    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""


def write_answer(operation: Operation, values: dict[str, Any]) -> SerializedResponse:
    """The headers and body for an operation's output, which has a value for each member."""
    shape = operation.gives
    if shape is None:
        return SerializedResponse()
    headers = {}
    for name, member in shape.members.items():
        if member.serialization.get("location") == "header" and values.get(name) is not None:
            headers[element_name(name, member)] = _text(member, values[name])
    if "ETtag" in headers:  # so the model has it, of UpdateFunction; who reads no model asks ETag
        headers["ETag"] = headers["ETtag"]
    payload = shape.serialization.get("payload")
    if payload is None:
        has_body = any("location" not in m.serialization for m in shape.members.values())
        return SerializedResponse(
            headers, document(shape, shape.name, values, operation.namespace) if has_body else b""
        )
    if values.get(payload) is None:
        return SerializedResponse(headers)
    member = shape.members[payload]
    if member.type_name == "blob":
        return SerializedResponse(headers, values[payload])
    return SerializedResponse(
        headers, document(member, member.name, values[payload], operation.namespace)
    )


def document(shape: Any, root: str, value: Any, namespace: str = NAMESPACE) -> bytes:
    """A whole document whose root element is `root`."""
    pieces = ['<?xml version="1.0" encoding="UTF-8"?>\n']
    _write(shape, root, value, pieces, f' xmlns="{namespace}"')
    return "".join(pieces).encode()


def _write(shape: Any, name: str, value: Any, pieces: list[str], attributes: str = "") -> None:
    pieces.append(f"<{name}{attributes}>")
    if shape.type_name == "structure":
        for member_name, member in shape.members.items():
            content = value.get(member_name)
            if content is None and member_name == "Items" and "Items" in shape.required_members:
                content = []  # a client must be able to give back what it got
            if content is not None and "location" not in member.serialization:
                _write(member, element_name(member_name, member), content, pieces)
    elif shape.type_name == "list":
        item = element_name("member", shape.member)
        for one in value:
            _write(shape.member, item, one, pieces)
    else:
        pieces.append(xml_text(_text(shape, value)))
    pieces.append(f"</{name}>")


def _text(shape: Any, value: Any) -> str:
    if shape.type_name == "boolean":
        return "true" if value else "false"
    if shape.type_name == "timestamp":
        return timestamp(value)
    if shape.type_name == "blob":
        return base64.b64encode(value).decode()
    return str(value)


def timestamp(at: float) -> str:
    """Epoch seconds as the API has them: ISO 8601, UTC, milliseconds."""
    moment = datetime.fromtimestamp(at, UTC)
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{moment.microsecond // 1000:03d}Z"
