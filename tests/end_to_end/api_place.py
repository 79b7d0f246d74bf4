"""An installation that tests drive by SDKs, and what they make in front of its origin."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from edgecache.config.secrets import load_operators
from edgecache.control.cloudfront.authentication import AccessKey, access_keys
from tests.end_to_end.installation import Up
from tests.end_to_end.viewers import curl

OPTIMIZED = "658327ea-f89d-4fab-a63d-7e88639e58f6"


@dataclass(frozen=True, slots=True)
class Place:
    """An installation that runs, and nginx behind whatever is made in front of it."""

    up: Up
    origin: int
    path: str

    @property
    def control(self) -> str:
        return self.up.installation.control

    @property
    def key(self) -> AccessKey:
        return access_keys(load_operators(self.up.installation.state, {}))[-1]

    def site(self, reference: str, **more: Any) -> dict[str, Any]:
        """A distribution in front of nginx."""
        custom = {
            "HTTPPort": self.origin, "HTTPSPort": 443, "OriginProtocolPolicy": "http-only",
        }  # fmt: skip
        origin = {"Id": "web", "DomainName": "127.0.0.1", "CustomOriginConfig": custom}
        return {
            "CallerReference": reference,
            "Comment": "made by a test",
            "Enabled": True,
            "Origins": {"Quantity": 1, "Items": [origin]},
            "DefaultCacheBehavior": {
                "TargetOriginId": "web",
                "ViewerProtocolPolicy": "allow-all",
                "CachePolicyId": OPTIMIZED,
            },
        } | more

    def statuses(self, host: str) -> list[int]:
        """What both locations answer to a Host."""
        urls = (f"{self.up.lhr}{self.path}", f"{self.up.nrt}{self.path}")
        return [curl(url, "-H", f"Host: {host}").status for url in urls]

    def cached(self, host: str) -> str:
        return curl(f"{self.up.lhr}{self.path}", "-H", f"Host: {host}").x_cache
