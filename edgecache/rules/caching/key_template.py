"""Key template: how requests that differ in their target alone are keyed and forwarded.

Law: it says what `key.cache_key` and `key.forwarded` say, of which it is made: those are asked once
for a request, and what they say of a target that stands for any is cut at that target.
"""

from __future__ import annotations

from msgspec import Struct
from msgspec.structs import replace

from edgecache.http.message import Request
from edgecache.rules.caching.key import cache_key, forwarded
from edgecache.rules.routing import Route

# No reader lets a NUL pass; the length, which stands before it in a key, is another's.
_PATH, _QUERY = b"/\0path\0", b"\0query\0"
_KEYED_PATH, _KEYED_QUERY = b"%d:%b" % (len(_PATH), _PATH), b"%d:%b" % (len(_QUERY), _QUERY)


class KeyTemplate(Struct, frozen=True):
    """The keys of requests alike; `query`: whether these have one.

    `middle` stands between path and query, and None is of a key without the query.
    """

    start: bytes
    middle: bytes | None
    end: bytes
    forwards_query: bool

    def key(self, path: bytes, query: bytes | None) -> bytes:
        """The cache key of a request with this path and query."""
        if self.middle is None or query is None:
            return b"%b%d:%b%b" % (self.start, len(path), path, self.end)
        return b"%b%d:%b%b%d:%b%b" % (
            self.start, len(path), path, self.middle, len(query), query, self.end,
        )  # fmt: skip

    def target(self, path: bytes, query: bytes | None) -> bytes:
        """The target that upstream is asked for."""
        return path if query is None or not self.forwards_query else b"%b?%b" % (path, query)


def key_template(request: Request, route: Route, *, query: bool) -> KeyTemplate | None:
    """The template of requests like `request`; `query`: of those that have one.

    None where more of the target bears on the key than its being there: a release of a path,
    chosen parameters.
    """
    if request.release is None and route.releases:
        return None
    sample = replace(request, path=_PATH, query=_QUERY if query else None)
    key = cache_key(sample, route)
    sent = forwarded(sample, route, cacheable=True).query
    if sent not in (None, _QUERY):
        return None
    start, cut, end = key.partition(_KEYED_PATH)
    if not cut or b"\0" in start:
        return None
    if b"\0" not in end:
        return (
            None if _chooses(route) and query else KeyTemplate(start, None, end, sent is not None)
        )
    middle, cut, end = end.partition(_KEYED_QUERY)
    if not cut or b"\0" in middle + end:
        return None
    return KeyTemplate(start, middle, end, sent is not None)


def _chooses(route: Route) -> bool:
    """Whether parameters of a query are chosen by their names: none of the sample has one."""
    extra = route.behavior.origin_request_policy
    chosen = [route.behavior.cache_policy.query_strings]
    chosen += [] if extra is None else [extra.query_strings]
    return any(one.behavior not in ("none", "all") for one in chosen)
