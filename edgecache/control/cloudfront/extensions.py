"""What only we know of a distribution (`Edgecache` members) outlives an update that cannot say it.

A client gives back what it was given, and no client was given members CloudFront does not have.
"""

from __future__ import annotations

from typing import Any

from edgecache.config.aws.extensions import NAME
from edgecache.config.aws.passthrough import IDENTITY

Document = dict[str, Any]


def carried(before: Document, after: Document) -> Document:
    """`after` with what `before` had of ours, at the origins and behaviors that are still there."""
    result = _with_ours(before, after)
    for name, key in IDENTITY.items():
        items = after.get(name, {}).get("Items")
        if not items:
            continue
        held = {item[key]: item for item in before.get(name, {}).get("Items", ())}
        kept = [_with_ours(held.get(item.get(key), {}), item) for item in items]
        result[name] = after[name] | {"Items": kept}
    default = "DefaultCacheBehavior"
    return result | {default: _with_ours(before[default], after[default])}


def _with_ours(before: Document, after: Document) -> Document:
    return after | ({NAME: before[NAME]} if NAME in before and NAME not in after else {})
