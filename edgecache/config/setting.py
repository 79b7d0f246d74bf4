"""One numeric setting of the model: its unit, its bounds and why, and where it stands in a file."""

from __future__ import annotations

from dataclasses import dataclass

import msgspec

from edgecache.config.dns import DnsGeoproximity, DnsRecord
from edgecache.config.health_checks import HealthCheck
from edgecache.config.model import (
    AccessLogging,
    AccessRule,
    Bucket,
    CachePolicy,
    Cluster,
    Config,
    ContinuousDeploymentPolicy,
    Disk,
    DnsLocation,
    DnsSettings,
    FlowLogSettings,
    LambdaFunctionConfig,
    LimitRate,
    Limits,
    Location,
    LogDelivery,
    Maintenance,
    Model,
    Origin,
    OriginGroup,
    Quotas,
    RateLimit,
    RealtimeLog,
    RegionalCache,
    Reserve,
    Resolver,
    SessionStickiness,
    Tracing,
)
from edgecache.config.units import shown_size


@dataclass(frozen=True, slots=True)
class Setting:
    """A number of the model: `low` and `high` are its inclusive bounds, `why` its precedent."""

    model: type[Model]
    name: str
    unit: str  # "bytes", "seconds", or what is counted
    low: float
    high: float
    why: str

    @property
    def default(self) -> float | None:
        """The model's own, or None when it has none."""
        field = next(f for f in msgspec.structs.fields(self.model) if f.name == self.name)
        return None if field.default is msgspec.NODEFAULT else field.default

    @property
    def place(self) -> str:
        """Its path in a file."""
        place = _PLACES[self.model]
        return f"{place}.{self.name}" if place else self.name

    @property
    def bounds(self) -> str:
        """Both, with the unit once: `1 KiB to 1 MiB`, `1 to 64 processes`."""
        low, high = self.shown(self.low), self.shown(self.high)
        return f"{low if self.unit == 'bytes' else low.partition(' ')[0]} to {high}"

    def shown(self, value: float) -> str:
        """A value with its unit: `32 KiB`, `10 seconds`, `100 fields`."""
        if self.unit == "bytes":
            return shown_size(int(value))
        number = f"{value:g}" if value < 10_000 else f"{value:.0f}"
        return number if self.unit == "port" else f"{number} {self.unit}"


_PLACES: dict[type[Model], str] = {
    AccessRule: "access_list.rules[]",
    FlowLogSettings: "locations[].flow_log",
    Cluster: "cluster",
    Limits: "limits",
    Quotas: "quotas",
    ContinuousDeploymentPolicy: "continuous_deployment_policies[]",
    SessionStickiness: "continuous_deployment_policies[].session_stickiness",
    Location: "locations[]",
    Config: "",
    RegionalCache: "regional_caches[]",
    Disk: "regional.disk",
    Origin: "distributions[].origins[]",
    OriginGroup: "distributions[].origin_groups[]",
    CachePolicy: "cache_policy",
    RateLimit: "distributions[].behaviors[].rate_limits[]",
    LimitRate: "distributions[].behaviors[].limit_rate",
    Bucket: "bucket",
    Resolver: "resolver",
    Tracing: "tracing",
    AccessLogging: "access_log",
    LogDelivery: "log_delivery",
    RealtimeLog: "realtime_logs[]",
    Reserve: "reserve",
    Maintenance: "distributions[].default_behavior.maintenance",
    LambdaFunctionConfig: "lambda_functions[]",
    DnsSettings: "dns",
    DnsLocation: "dns.locations[]",
    HealthCheck: "dns.health_checks[]",
    DnsRecord: "dns.zones[].records[]",
    DnsGeoproximity: "dns.zones[].records[].geoproximity",
}
