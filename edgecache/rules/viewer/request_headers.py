"""Request headers of a behavior: a viewer's that are removed, and ours that the origin is sent.

Law: what a rule names is taken from the viewer's request before the key is made, so that no key,
no `Vary` and no origin has it; what is set is a constant of the operator's, put into what the
origin is sent, and in no key. So requests under one key are sent the same: a path has one behavior.
A changed value counts for what is fetched from then on, as custom headers of an origin do. Names
with `_` for `-` go with the others: gateways take both for one (`docs/request.md`).
`config/checks/viewer_rules.py` says what may not be named.
"""

from __future__ import annotations

from msgspec.structs import replace

from edgecache.config.viewer_rules import RequestHeaders
from edgecache.http.message import Fields, Request


def removed_names(headers: RequestHeaders) -> frozenset[bytes]:
    """The fields that a viewer's request has no more: lower case, `-` for `_`."""
    return frozenset(map(_folded, (*headers.remove, *headers.set)))


def set_fields(headers: RequestHeaders) -> Fields:
    """The fields the origin is sent."""
    return tuple((name.lower().encode(), value.encode()) for name, value in headers.set.items())


def without_removed(request: Request, removed: frozenset[bytes]) -> Request:
    """The request without fields of these names, which are spelled as in `removed_names`."""
    fields = request.fields
    kept = tuple([field for field in fields if field[0].replace(b"_", b"-") not in removed])
    return request if len(kept) == len(fields) else replace(request, fields=kept)


def _folded(name: str) -> bytes:
    return name.lower().replace("_", "-").encode()
