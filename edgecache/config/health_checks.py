"""Model of health checks, by Route 53's rules: what edge locations ask, and when it counts.

Developer Guide, "Values that you specify when you create or update health checks"; API reference,
HealthCheckConfig.
"""

from __future__ import annotations

import hashlib
import re
from typing import Literal

from edgecache.config.base import Model
from edgecache.config.origins import Reach

HealthCheckType = Literal[
    "HTTP", "HTTPS", "HTTP_STR_MATCH", "HTTPS_STR_MATCH", "TCP", "CALCULATED"
]  # fmt: skip
CALCULATED = "CALCULATED"
INTERVALS_S = (10, 30)
CHECKS_MAX = 200  # Route 53's quota
CHILDREN_MAX = 255  # of a calculated check: Route 53's quota
TEXT_CHARS_MAX = 255  # of a path, a search string
ID = re.compile(r"[A-Za-z0-9-]{1,64}")
PREFIX = "health:"  # before the id of one, as what a record is up by


class HealthCheck(Model, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A health check of an endpoint, or one that is calculated from others (`children`).

    The endpoint is `address`, else what `host` leads to by IPv4; `host` is sent as Host, and by TLS
    with `sni`, and certificates are not verified. `port`: 80 or 443 where it is not said. Each
    location asks every `interval_s`; after `failure_threshold` answers in a row that differ from
    what it said it says otherwise. A calculated one is healthy while `health_threshold` children
    are, all of them where it is not said. `inverted`: what is healthy counts as unhealthy and the
    other way around. `disabled`: it is healthy, and nobody is asked. `reach` is control's to say
    for what the API makes.
    """

    id: str
    type: HealthCheckType
    address: str = ""
    host: str = ""
    port: int | None = None
    path: str = "/"
    search_string: str = ""
    interval_s: int = 30
    failure_threshold: int = 3
    sni: bool = True
    children: tuple[str, ...] = ()
    health_threshold: int | None = None
    inverted: bool = False
    disabled: bool = False
    reach: Reach = "private"

    @property
    def is_http(self) -> bool:
        """Whether it is asked by HTTP, with or without TLS."""
        return self.type.startswith("HTTP")

    @property
    def is_tls(self) -> bool:
        """Whether it is asked by TLS."""
        return self.type.startswith("HTTPS")

    @property
    def matches_string(self) -> bool:
        """Whether the body must have the search string."""
        return self.type.endswith("STR_MATCH")

    @property
    def asked_port(self) -> int:
        """The port that is connected to."""
        return self.port or (443 if self.is_tls else 80)

    @property
    def definition(self) -> str:
        """A digest of what is asked, and how: another is another endpoint, of which nothing is
        known.
        """
        asked = (
            self.type, self.address, self.host, self.asked_port, self.path, self.search_string,
            self.interval_s, self.failure_threshold, self.sni, self.reach,
        )  # fmt: skip
        return hashlib.sha256(repr(asked).encode()).hexdigest()[:16]

    @property
    def healthy_children_min(self) -> int:
        """Of a calculated one: how many of its children must be healthy."""
        return len(self.children) if self.health_threshold is None else self.health_threshold
