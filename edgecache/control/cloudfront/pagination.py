"""Lists by pages. API reference: Marker, NextMarker, MaxItems, IsTruncated, Quantity."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from edgecache.control.cloudfront.errors import ApiError

T = TypeVar("T")

ITEMS_MAX = 100  # CloudFront's default and its bound


def page(
    given: dict[str, Any],
    items: Sequence[T],
    key: Callable[[T], str],
    shown: Callable[[T], Any],
) -> dict[str, Any]:
    """The part of `items` that `Marker` and `MaxItems` ask for; a marker is the last key seen.

    `items` are sorted by `key`. A marker of something deleted since still works.
    """
    most = most_of(given.get("MaxItems"))
    marker = str(given.get("Marker") or "")
    rest = [item for item in items if key(item) > marker]
    chosen = rest[:most]
    listed = {
        "Marker": marker,
        "MaxItems": most,
        "IsTruncated": len(rest) > most,
        "Quantity": len(chosen),
    }
    if chosen:
        listed["Items"] = [shown(item) for item in chosen]
    if len(rest) > most:
        listed["NextMarker"] = key(chosen[-1])
    return listed


def most_of(given: Any) -> int:
    """How many a page may hold: what `MaxItems` asks for, within bounds."""
    if given is None or given == "":
        return ITEMS_MAX
    if not re.fullmatch(r"[0-9]{1,9}", str(given)) or int(given) == 0:
        raise ApiError("InvalidArgument", "The parameter MaxItems must be a whole number above 0.")
    return min(int(given), ITEMS_MAX)
