"""Invalidation items: paths, tags, globs, hosts and prefixes, and the objects they name.

Law: nothing outside this file says what an item may be and what of a stored response it is compared
with; `matcher` compares. CloudFront Developer Guide, "Invalidate files": a path is exact, or ends
in `*`; it is matched against the path, and the query string where that is in the key; case counts;
`#tag` names every object that carries the tag. Globs, hosts and prefixes are beyond CloudFront.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from edgecache.rules.caching.key import read_key

ITEM_CHARACTERS_MAX = 4_000  # CloudFront: "The maximum length of a path is 4,000 characters"
TAG_CHARACTERS_MAX = 256
TAG = re.compile(r"[\x21-\x2b\x2d-\x7e]+")  # ASCII 33-126 without the comma
_VISIBLE = re.compile(r"[\x21-\x7e]+")


class ItemKind(StrEnum):
    """The attribute of an object an item is compared with."""

    PATH = "path"  # the whole target, or its beginning when `*` stands last
    TAG = "tag"  # a tag the origin gave the object
    GLOB = "glob"  # the whole target; `*` and `?` anywhere
    HOST = "host"  # the host the object was asked from, where that is in the key; any port or one
    PREFIX = "prefix"  # the beginning of the target, no character special


Item = tuple[ItemKind, str]


@dataclass(frozen=True, slots=True)
class InvalidationSubject:
    """An object that items are compared with: a stored response, or one that is on its way.

    `target` is the path, with `?` and the query where that is in the key. `tags` None: not known
    yet, so that any tag may be its.
    """

    distribution: str
    target: bytes
    host: bytes = b""
    tags: tuple[bytes, ...] | None = ()


def subject_of(key: bytes, tags: tuple[bytes, ...] | None) -> InvalidationSubject:
    """The subject a cache key stands for."""
    told = read_key(key)
    target = told.path if told.query is None else told.path + b"?" + told.query
    return InvalidationSubject(told.distribution, target, told.host, tags)


def items_of(paths: Iterable[str]) -> tuple[Item, ...]:
    """The items of a CloudFront batch: `/path`, `/path*` or `#tag`. ValueError names a bad one."""
    return tuple(
        item(ItemKind.TAG if text.startswith("#") else ItemKind.PATH, text) for text in paths
    )


def item(kind: ItemKind, text: str) -> Item:
    """A checked item in the form it is compared in. ValueError says what is wrong with it."""
    value = text.removeprefix("#").lower() if kind is ItemKind.TAG else text
    if kind is ItemKind.TAG:
        if not TAG.fullmatch(value) or len(value) > TAG_CHARACTERS_MAX:
            raise ValueError(f"{text!r} is not # and a tag of at most {TAG_CHARACTERS_MAX} letters")
        return kind, value
    if len(value) > ITEM_CHARACTERS_MAX:
        raise ValueError(f"{text[:40]!r}... is longer than {ITEM_CHARACTERS_MAX} characters")
    if not _VISIBLE.fullmatch(value):
        raise ValueError(f"{text!r}: blanks and letters beyond ASCII must be percent-encoded")
    if kind is ItemKind.HOST:
        return kind, value.lower()
    if not value.startswith("/"):
        raise ValueError(f"{text!r} does not start with /")
    return kind, value


def with_root(items: tuple[Item, ...], root_object: str) -> tuple[Item, ...]:
    """The items, and for `/` also the object that stands for it (default root object)."""
    if not root_object or (ItemKind.PATH, "/") not in items:
        return items
    return (*items, (ItemKind.PATH, f"/{root_object}"))
