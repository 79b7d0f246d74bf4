"""Rate limits of behaviors: how many requests, of whom, and how fast a body is sent.

Law: data only; `checks/rate_limits.py` says what it must hold, `rules/viewer/rate_limits.py` what
it means. The names are nginx's (`limit_rate`, `limit_rate_after`) and AWS WAF's (a rate-based
rule's key).
"""

from __future__ import annotations

from typing import Literal

from edgecache.config.base import Model

KeyKind = Literal["address", "header", "cookie", "path"]


class RateLimit(Model, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A token bucket for each `key`: `burst` tokens at most, `requests_per_s` more each second.

    `key` is `address` (IPv6 by its /64), `header:NAME`, `cookie:NAME`, `path`, or `path:N` for the
    first N segments of it. Behaviors of a distribution that name the same limit share its buckets.
    """

    name: str
    key: str = "address"
    requests_per_s: float
    burst: int

    @property
    def key_parts(self) -> tuple[str, str]:
        """What kind of key it is, and which header, cookie, or how many segments."""
        kind, _, rest = self.key.partition(":")
        return kind, rest


class LimitRate(Model, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How fast the body of a response is sent once `after_bytes` of it were: each by itself."""

    bytes_per_s: int
    after_bytes: int = 0
