"""Readings of a path: what a careless origin may take it for. Independent of the product's own."""

from __future__ import annotations

import posixpath
import re
from functools import lru_cache
from urllib.parse import unquote_to_bytes

SIGNING = {
    "Expires", "Policy", "Signature", "Key-Pair-Id", "Hash-Algorithm", "edgecache-token",
}  # fmt: skip
ROUNDS_MAX = 5


@lru_cache(65_536)
def plainest(target: str) -> str:
    """The path as the most careless origin reads it, and the query without a signature."""
    path, mark, query = target.partition("?")
    parts = [one for one in query.split("&") if one.partition("=")[0] not in SIGNING]
    query = "&".join(parts)
    data = path.encode("latin-1", "replace")
    for _ in range(ROUNDS_MAX):
        decoded = unquote_to_bytes(data)
        if decoded == data:
            break
        data = decoded
    data = re.sub(rb";[^/\\]*", b"", data.replace(b"\\", b"/"))
    data = data.replace(b"\xc0\xaf", b"/").replace(b"\xc0\xae", b".")
    text = re.sub("/+", "/", data.decode("latin-1"))
    text = posixpath.normpath(text) if text.startswith("/") else text
    return f"{text}?{query}" if mark and query else text


def is_private(target: str) -> bool:
    """Whether a careless origin gives what is private for it."""
    return plainest(target).startswith("/private/")
