"""Invalidation by unsafe methods. Law: what a successful write may have changed is not served on.

RFC 9111 §4.4. CloudFront's rules do not know it: there, invalidations are the operator's.
"""

from __future__ import annotations

import re

from edgecache.http.message import Request, Response, first_value
from edgecache.http.target import without_dot_segments
from edgecache.rules.caching.unkeyed_fields import effective_scheme
from edgecache.rules.routing import Route

SAFE_METHODS = frozenset({b"GET", b"HEAD", b"OPTIONS", b"TRACE"})  # RFC 9110 §9.2.1
_ABSOLUTE = re.compile(rb"(https?)://([^/?#]*)([^#]*)", re.IGNORECASE)

Target = tuple[bytes, bytes | None]


def invalidated_targets(request: Request, head: Response, route: Route) -> list[Target]:
    """Path and query of every URI whose stored responses a response to `request` invalidates."""
    if not route.semantics.unsafe_methods_invalidate or request.method in SAFE_METHODS:
        return []
    if not 200 <= head.status < 400:  # "non-error": 2xx or 3xx
        return []
    targets = [(request.path, request.query)]
    for name in (b"location", b"content-location"):
        value = first_value(head.fields, name)
        target = None if value is None else same_origin(value, request)
        if target is not None:
            targets.append(target)
    return targets


def same_origin(reference: bytes, request: Request) -> Target | None:
    """Path and query of a URI reference, if it has the request's own origin (RFC 3986 §5.2)."""
    absolute = _ABSOLUTE.fullmatch(reference)
    if absolute is not None:
        authority = absolute[2].lower().rpartition(b"@")[2]
        host = authority if authority.endswith(b"]") else authority.partition(b":")[0]
        if absolute[1].lower() != effective_scheme(request) or host != request.host:
            return None
        return _split(absolute[3] or b"/")
    if reference.startswith(b"//") or re.match(rb"[A-Za-z][A-Za-z0-9+.\-]*:", reference):
        return None
    path_part = reference.partition(b"#")[0]
    if path_part.startswith(b"/"):
        return _split(path_part)
    if not path_part or path_part.startswith(b"?"):
        return _split(request.path + path_part)
    return _split(request.path.rpartition(b"/")[0] + b"/" + path_part)


def _split(target: bytes) -> Target:
    path, mark, query = target.partition(b"?")
    return without_dot_segments(path), query if mark else None
