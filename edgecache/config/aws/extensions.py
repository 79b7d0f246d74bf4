"""What only we know of a piece of the model: the member `Edgecache` of its object.

Found by difference: whatever reading a written object does not give back stands there, so nothing
a file can say is lost, and a document of CloudFront's own making never gets one.
"""

from __future__ import annotations

from functools import cache
from typing import Any, TypeVar

import msgspec

from edgecache.config.aws.document import DocumentNode
from edgecache.config.decode import Decoder
from edgecache.config.model import Model

NAME = "Edgecache"
M = TypeVar("M", bound=Model)


_fields = cache(msgspec.structs.fields)  # finding them reads the annotations anew each time


def with_ours(found: M, node: DocumentNode) -> M:
    """`found`, which CloudFront's members gave, with what ours add."""
    if not node.has(NAME):
        return found
    return Decoder(node.problems).overlaid(found, node.value[NAME], node.at(NAME))


def ours(piece: Model, read_back: Model, elsewhere: frozenset[str]) -> dict[str, Any]:
    """The member to add to what `piece` was written as; `elsewhere` names fields it never holds."""
    different = {
        field.encode_name: msgspec.to_builtins(getattr(piece, field.name))
        for field in _fields(type(piece))
        if field.name not in elsewhere
        and getattr(piece, field.name) != getattr(read_back, field.name)
    }
    return {NAME: msgspec.json.decode(msgspec.json.encode(different))} if different else {}
