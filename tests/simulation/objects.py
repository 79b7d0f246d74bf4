"""The objects of a world: what each is like, and how a body tells which version it is of."""

from __future__ import annotations

import fnmatch
from dataclasses import dataclass

TOKEN_BYTES = 8  # one token says of which object and version it is; a body is one token repeated
TOKENS = 32


@dataclass(frozen=True, slots=True)
class Object:
    """One object of the origin. `number` is its place among all."""

    number: int
    target: str
    cache: str = "max-age=3600"
    status: int = 200
    etag: bool = True
    tags: tuple[str, ...] = ()
    varies: bool = False  # by accept-language, where that makes variants
    pieces: int = 1  # its body comes in so many, with time between them

    @property
    def lasts(self) -> bool:
        """Whether it stays a hit until it is invalidated."""
        return self.cache == "max-age=3600" and self.status == 200


OBJECTS = (
    Object(0, "/a", tags=("red",)),
    Object(1, "/ab", tags=("red", "blue"), pieces=3),
    Object(2, "/abc", etag=False),
    Object(3, "/b/1", "max-age=2", tags=("blue",)),
    Object(4, "/b/12", "max-age=2, stale-while-revalidate=5", pieces=2),
    Object(5, "/b/2", "max-age=1, stale-if-error=60", etag=False),
    Object(6, "/c?x=1", pieces=4),
    Object(7, "/c?x=2", etag=False, tags=("red",), pieces=2),
    Object(8, "/d/none", "max-age=30", status=404),
    Object(9, "/d/v", tags=("blue",), varies=True),
    Object(10, "/d/w", "max-age=3", varies=True),
    Object(11, "/e", "no-store"),
)
TAGS = ("red", "blue")
PATTERNS = ("/*", "/a*", "/ab*", "/b/*", "/b/1*", "/c*", "/c?x=1*", "/d/*")


def body_of(thing: Object, version: int) -> bytes:
    """The whole body of a version."""
    return b"%03d%04d;" % (thing.number, version) * TOKENS


def version_in(thing: Object, body: bytes) -> int:
    """Of which version these whole tokens are. ValueError: of none, of several, of another's."""
    token = body[:TOKEN_BYTES]
    if not token or body != token * (len(body) // TOKEN_BYTES):
        raise ValueError(f"a mixed or broken body: {body[:48]!r}")
    if token[:3] != b"%03d" % thing.number:
        raise ValueError(f"another object's body: {token!r}")
    return int(token[3:7])


def etag_of(thing: Object, version: int) -> bytes:
    return b'"%d-%d"' % (thing.number, version)


def version_of_etag(etag: bytes) -> int:
    return int(etag.strip(b'W/"').split(b"-")[1])


def names(items: tuple[tuple[str, str], ...], thing: Object) -> bool:
    """Whether any item names the object: written anew, not the product's own."""
    for kind, value in items:
        if kind == "tag" and value in thing.tags:
            return True
        if kind == "path" and value.endswith("*") and thing.target.startswith(value[:-1]):
            return True
        if kind == "path" and thing.target == value:
            return True
        if kind == "prefix" and thing.target.startswith(value):
            return True
        if kind == "glob" and fnmatch.fnmatchcase(thing.target, value.replace("[", "[[]")):
            return True
    return False
