"""The fields tiers tell each other. Law: none of them ever comes from a viewer or reaches one."""

from __future__ import annotations

from edgecache.http.message import Fields

PREFIX = b"edgecache-"
_PREFIX = len(PREFIX)
TARGETED = b"edgecache-cache-control"  # an origin's word to every tier of ours (RFC 9213)
CREDENTIAL = b"edgecache-peer"  # proves that a request comes from a tier of this installation
DISTRIBUTION = b"edgecache-distribution"  # the id of the distribution the edge routed to
SCHEME = b"edgecache-scheme"  # the viewer's: http or https
CLIENT = b"edgecache-client"  # the viewer's address, for X-Forwarded-For
ID = b"edgecache-id"  # the edge's request id, which reaches the origin as X-Amz-Cf-Id
RESULT = b"edgecache-result"  # how the inner tier came by its response
EXPLAIN = b"edgecache-explain"  # tell of the entry instead of serving it; spelled as we write it
MARK = b"edgecache-mark"  # the newest invalidation the sender knows, or an answer is newer than
RELEASE = b"edgecache-release"  # the release the edge's key names; see rules.releases
FAULT = b"edgecache-fault"  # the inner tier's upstream failed so; the status is its advice


def public(fields: Fields, less: frozenset[bytes] = frozenset()) -> Fields:
    """The fields but those tiers tell each other, and those named in `less`."""
    return tuple(
        [
            item
            for item in fields
            if item[0] not in less and (item[0][:_PREFIX] != PREFIX or item[0] == TARGETED)
        ]
    )


def told(fields: Fields) -> tuple[dict[bytes, bytes], Fields]:
    """What another tier told with a response, by name, and the fields that are not its own."""
    own: dict[bytes, bytes] = {}
    others = []
    for item in fields:
        if item[0].startswith(PREFIX) and item[0] != TARGETED:
            own.setdefault(*item)
        else:
            others.append(item)
    return own, tuple(others)
