"""Members that one of the two models lacks, carried both ways: `kept` and the member `Edgecache`.

Law: kept is what a document has and writing the model does not give. `kept` has the shape of the
document without its `Items`: where members are listed (origins, groups, behaviors, error pages),
the level below is keyed by what names one of them, so that a changed order or a removed origin
takes nothing else along:

    {"WebACLId": "...", "Origins": {"assets": {"OriginShield": {...}}},
     "CacheBehaviors": {"/api/*": {"SmoothStreaming": true}}, "DefaultCacheBehavior": {...}}

The member `Edgecache` of an object has what only our model knows of it. It is found by difference:
whatever reading a written object does not give back stands there, so nothing a file can say is
lost, and a document of CloudFront's own making never gets one.
"""

from __future__ import annotations

from functools import cache
from typing import Any, TypeVar

import msgspec

from edgecache.config.aws.document import DocumentNode
from edgecache.config.decode import Decoder
from edgecache.config.model import Model

EXTENSION = "Edgecache"
IDENTITY = {
    "Origins": "Id",
    "OriginGroups": "Id",
    "CacheBehaviors": "PathPattern",
    "CustomErrorResponses": "ErrorCode",
}


M = TypeVar("M", bound=Model)

_fields = cache(msgspec.structs.fields)  # finding them reads the annotations anew each time


def kept_members(document: dict[str, Any], written: dict[str, Any]) -> dict[str, Any]:
    """Members to be put over `written` to have `document` again."""
    kept = {}
    for name, value in document.items():
        other = written.get(name)
        if name in IDENTITY and isinstance(value, dict) and isinstance(other, dict):
            rest: Any = _kept_items(IDENTITY[name], value, other)
        elif isinstance(value, dict) and isinstance(other, dict):
            rest = kept_members(value, other)
        elif name in written and _same(value, other):
            continue
        else:
            rest = value
        if rest != {} or name not in written:
            kept[name] = rest
    return kept


def restore(written: dict[str, Any], kept: dict[str, Any]) -> dict[str, Any]:
    """`written` with what was kept put over it."""
    result = dict(written)
    for name, value in kept.items():
        other = result.get(name)
        if name in IDENTITY and isinstance(value, dict) and isinstance(other, dict):
            result[name] = _restored_items(IDENTITY[name], other, value)
        elif isinstance(value, dict) and isinstance(other, dict):
            result[name] = restore(other, value)
        else:
            result[name] = value
    return result


def with_extension(piece: M, node: DocumentNode) -> M:
    """`found`, which CloudFront's members gave, with what ours add."""
    if not node.has(EXTENSION):
        return piece
    return Decoder(node.problems).overlay(piece, node.value[EXTENSION], node.at(EXTENSION))


def extension_member(piece: Model, read_back: Model, elsewhere: frozenset[str]) -> dict[str, Any]:
    """The member to add to what `piece` was written as; `elsewhere` names fields it never holds."""
    different = {
        field.encode_name: msgspec.to_builtins(getattr(piece, field.name))
        for field in _fields(type(piece))
        if field.name not in elsewhere
        and getattr(piece, field.name) != getattr(read_back, field.name)
    }
    return {EXTENSION: msgspec.json.decode(msgspec.json.encode(different))} if different else {}


def _kept_items(key: str, document: dict[str, Any], written: dict[str, Any]) -> dict[str, Any]:
    written_items = {item[key]: item for item in written.get("Items", [])}
    pairs = [
        (item[key], kept_members(item, written_items[item[key]]))
        for item in document.get("Items", [])
    ]
    return {str(name): rest for name, rest in pairs if rest}


def _same(one: Any, other: Any) -> bool:
    """Equal as JSON: `true` is not 1."""
    return type(one) is type(other) and bool(one == other)


def _restored_items(key: str, written: dict[str, Any], kept: dict[str, Any]) -> dict[str, Any]:
    if "Items" not in written:
        return written
    items = [restore(item, kept.get(str(item[key]), {})) for item in written["Items"]]
    return written | {"Items": items}
