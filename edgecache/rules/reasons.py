"""Verdicts on stored responses, and the reasons for a miss or for not storing.

Law: each reason is one word that reaches `Cache-Status`, counters, the access log, `explain` and
tests unchanged.
"""

from __future__ import annotations

from enum import StrEnum

from msgspec import Struct


class MissReason(StrEnum):
    """Why a request was not answered from the store."""

    ABSENT = "absent"  # nothing stored under this key
    EXPIRED = "expired"  # stored, stale, and no permission to serve it so
    VARIANT = "variant"  # stored, but for other request headers
    VALIDATE = "must-validate"  # stored, but each use must be validated (no-cache, ttl 0)
    PARTIAL = "partial"  # stored in part, and not the part asked for
    METHOD = "method"  # this method is never answered from a store
    UPGRADE = "upgrade"  # a WebSocket is opened
    GRPC = "grpc"  # a call of gRPC
    DISABLED = "disabled"  # the cache policy switches caching off
    REQUEST = "request"  # the request's own directives ask for a newer answer
    RANGE = "range"  # a part of an object that is not stored whole
    BLOCK = "block"  # stored in blocks, and not the block asked for
    INVALIDATED = "invalidated"  # an invalidation came after it was stored
    UNCONFIRMED = "unconfirmed"  # stored, but an invalidation may not have reached us
    ERROR = "error"  # the error is known: only the page that stands for it is fetched
    FUNCTION = "function"  # a Lambda function is asked before anything is looked up


# RFC 9211 §2.2: why the request went forward.
FORWARDED = {
    MissReason.ABSENT: "uri-miss",
    MissReason.EXPIRED: "stale",
    MissReason.VARIANT: "vary-miss",
    MissReason.VALIDATE: "stale",
    MissReason.PARTIAL: "partial",
    MissReason.METHOD: "method",
    MissReason.UPGRADE: "bypass",
    MissReason.GRPC: "bypass",
    MissReason.DISABLED: "bypass",
    MissReason.REQUEST: "request",
    MissReason.RANGE: "partial",
    MissReason.BLOCK: "partial",
    MissReason.INVALIDATED: "uri-miss",
    MissReason.UNCONFIRMED: "stale",
    MissReason.ERROR: "bypass",
    MissReason.FUNCTION: "bypass",
}


class StoreReason(StrEnum):
    """Why a response was not stored."""

    METHOD = "method"
    STATUS = "status"
    NO_STORE = "no-store"
    PRIVATE = "private"
    NO_CACHE = "no-cache"
    AUTHORIZATION = "authorization"
    NO_FRESHNESS = "no-freshness"  # nothing says it may be kept, not even heuristics
    VARY_ANY = "vary-any"  # Vary: *, or a field that differs with every request
    SET_COOKIE = "set-cookie"
    TOO_LARGE = "too-large"
    RANGE = "range"  # asked for with a Range, and neither the whole nor that part
    TRUNCATED = "truncated"
    REQUEST = "request"  # the request carried no-store
    INVALIDATED = "invalidated"  # an invalidation came while it was fetched
    UNKEYED = "unkeyed-input"  # maybe of what this request said beside key and Vary


class Serve(Struct, frozen=True):
    """Give the entry as it is."""

    until: float  # epoch seconds; the verdict is void from then on


class ServeStale(Struct, frozen=True):
    """Give the stale entry now and refresh it in the background (RFC 5861 §3)."""


class Revalidate(Struct, frozen=True):
    """Ask upstream whether the entry still holds."""

    why: MissReason


class Fetch(Struct, frozen=True):
    """Ask upstream for the whole; the entry, if any, does not answer this request."""

    why: MissReason


class Unsatisfiable(Struct, frozen=True):
    """`only-if-cached`, and nothing here answers (RFC 9111 §5.2.1.7): 504."""


Verdict = Serve | ServeStale | Revalidate | Fetch | Unsatisfiable
