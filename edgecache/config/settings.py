"""Every numeric setting, once: unit, bounds and why.

The loader takes its bounds from here, `edgecache check --settings` prints it, the docs cite it.
The defaults are the model's. Law: no bound stands anywhere else.
"""

from __future__ import annotations

from dataclasses import dataclass

import msgspec

from edgecache.config.model import (
    GIB,
    KIB,
    MIB,
    AccessLogging,
    AccessRule,
    Bucket,
    CachePolicy,
    Cluster,
    Disk,
    FlowLogSettings,
    LimitRate,
    Limits,
    Location,
    LogDelivery,
    Maintenance,
    Model,
    Origin,
    OriginGroup,
    RateLimit,
    Regional,
    Resolver,
    Tracing,
)
from edgecache.config.units import shown_size

TIB = 1024 * GIB
TTL_S_MAX = 3_153_600_000  # 100 years: the most CloudFront's console and API accept


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
        return f"{_PLACES[self.model]}.{self.name}"

    @property
    def bounds(self) -> str:
        """Both, with the unit once: `1 KiB to 1 MiB`, `1 to 64 processes`."""
        low, high = self.shown(self.low), self.shown(self.high)
        return f"{low if self.unit == 'bytes' else low.partition(' ')[0]} to {high}"

    def shown(self, value: float) -> str:
        """A value with its unit: `32 KiB`, `10 seconds`, `100 fields`."""
        if self.unit == "bytes":
            return shown_size(int(value))
        return f"{value:g} {self.unit}" if value < 10_000 else f"{value:.0f} {self.unit}"


_PLACES: dict[type[Model], str] = {
    AccessRule: "access_list.rules[]",
    FlowLogSettings: "locations[].flow_log",
    Cluster: "cluster",
    Limits: "limits",
    Location: "locations[]",
    Regional: "regional",
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
    Maintenance: "distributions[].default_behavior.maintenance",
}

SETTINGS: tuple[Setting, ...] = (
    Setting(
        Limits,
        "head_bytes_max",
        "bytes",
        KIB,
        MIB,
        "CloudFront's quota for a request's headers and query; more is 494, or 431",
    ),
    Setting(
        Limits,
        "url_bytes_max",
        "bytes",
        256,
        64 * KIB,
        "CloudFront's quota for a URL; more is answered 414",
    ),
    Setting(Limits, "fields_max", "fields", 8, 1_000, "Apache's LimitRequestFields is 100"),
    Setting(
        Limits,
        "response_head_bytes_max",
        "bytes",
        KIB,
        MIB,
        "of an origin's response; Envoy's max_response_headers_kb is 60; more is answered 502",
    ),
    Setting(
        Limits,
        "response_fields_max",
        "fields",
        8,
        10_000,
        "of an origin's response, which its bytes bound in any case; Node admits 2,000; "
        "more is answered 502",
    ),
    Setting(
        Limits,
        "head_s_max",
        "seconds",
        0.05,
        300,
        "from the first byte of a head to its end, whatever trickles in",
    ),
    Setting(
        Limits,
        "body_idle_s_max",
        "seconds",
        0.05,
        3_600,
        "between two pieces of a request's body; CloudFront gives a viewer 30",
    ),
    Setting(
        Limits,
        "write_idle_s_max",
        "seconds",
        0.05,
        3_600,
        "while a viewer takes nothing of its response; nginx's send_timeout is 60",
    ),
    Setting(Limits, "idle_s_max", "seconds", 0.05, 3_600, "nginx's keepalive_timeout is 75"),
    Setting(
        Limits,
        "half_closed_s_max",
        "seconds",
        0.05,
        3_600,
        "without a byte of answer after a viewer ended its side; more for viewers that half-close",
    ),
    Setting(
        Limits,
        "drain_s_max",
        "seconds",
        0,
        600,
        "for requests in flight at a stop; the supervisor kills 5 seconds later",
    ),
    Setting(
        Limits,
        "hand_over_s_max",
        "seconds",
        0,
        86_400,
        "for downloads of a process that was replaced; Envoy's --drain-time-s is 600",
    ),
    Setting(
        Limits,
        "object_bytes_max",
        "bytes",
        KIB,
        50 * GIB,
        "of an object that does not come in blocks: kept in memory while it arrives",
    ),
    Setting(
        Limits,
        "block_bytes",
        "bytes",
        64 * KIB,
        64 * MIB,
        "a larger object is stored in blocks of this size, if it can be; nginx's slice is often 1m",
    ),
    Setting(
        Limits,
        "buffer_bytes_max",
        "bytes",
        4 * KIB,
        64 * MIB,
        "a reader may be this far behind its fill before the fill waits",
    ),
    Setting(
        Limits,
        "waiters_max",
        "requests",
        1,
        1_000_000,
        "behind one flight; the next one goes to the upstream alone",
    ),
    Setting(
        Limits,
        "errands_max",
        "requests",
        1,
        1_000_000,
        "that wait in one worker for what is not in memory; Envoy's max_requests is 1024 for each "
        "upstream, and ours must hold a herd's waiters",
    ),
    Setting(
        Limits,
        "errands_per_address_max",
        "requests",
        1,
        1_000_000,
        "half of errands_max; where all viewers come by one balancer, as many as that",
    ),
    Setting(
        Limits,
        "uploads_per_address_max",
        "bodies",
        1,
        1_000_000,
        "that arrive in one worker: half of those that may go to an origin at once by default",
    ),
    Setting(
        Limits,
        "websockets_per_address_max",
        "connections",
        1,
        1_000_000,
        "to one origin through one worker: half of the 1,024 it opens",
    ),
    Setting(
        Limits,
        "streams_per_address_max",
        "responses",
        1,
        1_000_000,
        "through one worker that each hold a connection to one origin (events, bodies above "
        "buffer_bytes_max that are not stored): half of its connections_max, and never more",
    ),
    Setting(
        Limits,
        "connections_max",
        "connections",
        1,
        1_000_000,
        "of viewers to one worker; nginx's worker_connections counts the same",
    ),
    Setting(
        Limits,
        "connections_per_address_max",
        "connections",
        1,
        1_000_000,
        "to one worker, a quarter of all; thousands share an address behind a carrier's NAT",
    ),
    Setting(
        Cluster,
        "certificate_lifetime_s",
        "seconds",
        5,
        34_300_800,
        "of a node's certificate, renewed at two thirds of it; 30 days by default, step-ca and "
        "Consul give 1 and 3, and 397 are the most that browsers admit",
    ),
    Setting(AccessRule, "number", "rule number", 1, 32_766, "as in a network ACL of a VPC"),
    Setting(FlowLogSettings, "interval_s", "seconds", 1, 600, "a VPC's flow logs have 60 or 600"),
    Setting(
        Location,
        "redirect_port",
        "port",
        0,
        65_535,
        "that redirect-to-https names in its Location; 0: told from the port that viewers name",
    ),
    Setting(Location, "workers", "processes", 1, 64, "one for each core is enough"),
    Setting(
        Location,
        "memory_bytes",
        "bytes",
        MIB,
        1_024 * GIB,
        "for stored objects; below 1 MiB hardly one would fit",
    ),
    Setting(
        Regional,
        "memory_bytes",
        "bytes",
        MIB,
        1_024 * GIB,
        "for stored objects; below 1 MiB hardly one would fit",
    ),
    Setting(
        Disk,
        "bytes_max",
        "bytes",
        64 * MIB,
        1_024 * TIB,
        "for stored objects; a quarter of it is the largest one that is kept",
    ),
    Setting(
        Disk,
        "free_bytes_min",
        "bytes",
        0,
        1_024 * TIB,
        "left free for others on the file system; objects are evicted to keep to it",
    ),
    Setting(Origin, "http_port", "port", 1, 65_535, "TCP"),
    Setting(Origin, "https_port", "port", 1, 65_535, "TCP"),
    Setting(
        Origin, "read_timeout_s", "seconds", 0.05, 3_600, "CloudFront allows 1 to 120, default 30"
    ),
    Setting(
        Origin,
        "keepalive_timeout_s",
        "seconds",
        0.05,
        3_600,
        "CloudFront allows 1 to 120, default 5",
    ),
    Setting(Origin, "connection_attempts", "attempts", 1, 3, "CloudFront allows 1 to 3"),
    Setting(
        Origin,
        "connection_timeout_s",
        "seconds",
        0.05,
        60,
        "CloudFront allows 1 to 10, default 10",
    ),
    Setting(
        Origin,
        "completion_timeout_s",
        "seconds",
        0.05,
        86_400,
        "for the whole answer; CloudFront wants at least the read timeout, default none",
    ),
    Setting(
        OriginGroup,
        "remember_s",
        "seconds",
        0,
        3_600,
        "beyond CloudFront, which remembers no failure; nginx's fail_timeout is 10",
    ),
    Setting(
        Origin,
        "connections_max",
        "connections",
        1,
        65_535,
        "from one process; a client address has no more ports",
    ),
    Setting(
        Origin,
        "connection_s_max",
        "seconds",
        1,
        86_400,
        "of age, after which a connection is not used again, so that a name that moved is noticed "
        "while it is busy; Envoy's max_connection_duration, nginx's keepalive_time is 1h",
    ),
    Setting(
        Origin,
        "slow_connections_share",
        "of connections_max",
        0.01,
        1,
        "that uploads may hold, and, when others wait, answers that are read slowly",
    ),
    Setting(
        Origin,
        "circuit_failures",
        "attempts",
        1,
        10_000,
        "that failed to reach it, with no answer between them, until it is left alone; Envoy's "
        "consecutive_local_origin_failure is 5, for one host of many",
    ),
    Setting(
        Origin,
        "circuit_window_s",
        "seconds",
        0.5,
        600,
        "within which they failed, and after which without a failure all is forgotten; nginx's "
        "fail_timeout is 10",
    ),
    Setting(
        Origin,
        "circuit_trickle_per_s",
        "attempts a second",
        0.1,
        1_000,
        "that go on while it is left alone, each for itself",
    ),
    Setting(
        Resolver,
        "answer_s_max",
        "seconds",
        1,
        86_400,
        "until the addresses of a name are looked up anew; Envoy's dns_refresh_rate is 5",
    ),
    Setting(
        Resolver,
        "last_good_s_max",
        "seconds",
        0,
        604_800,
        "of age, until which the last addresses are used while look-ups fail",
    ),
    Setting(
        Tracing,
        "sampled_share",
        "of traces",
        0,
        1,
        "begun here that origins are told to sample; OpenTelemetry's traceidratio is 1",
    ),
    Setting(
        Bucket,
        "versions_max",
        "versions",
        0,
        1_000,
        "of each object; S3 keeps all, and here each is a copy on this disk",
    ),
    Setting(AccessLogging, "days_max", "days", 1 / 24, 36_500, "Debian's logrotate keeps 14"),
    Setting(
        AccessLogging, "bytes_max", "bytes", 16 * MIB, 1_024 * TIB, "journald's is up to 4 GiB"
    ),
    Setting(
        LogDelivery,
        "interval_s",
        "seconds",
        1,
        3_600,
        "between two log files of a distribution, the last at the end of each hour; CloudFront "
        "delivers them up to several times an hour",
    ),
    Setting(
        LogDelivery,
        "spool_bytes_max",
        "bytes",
        MIB,
        TIB,
        "of this machine, for log files that wait; the oldest is dropped for the next, and its "
        "lines are counted as lost",
    ),
    Setting(
        Maintenance,
        "retry_after_s",
        "seconds",
        1,
        2_592_000,
        "until viewers are to come again; search engines take 503 for a while for no loss",
    ),
    Setting(CachePolicy, "ttl_s_min", "seconds", 0, TTL_S_MAX, "CloudFront: 100 years"),
    Setting(CachePolicy, "ttl_s_default", "seconds", 0, TTL_S_MAX, "CloudFront: 100 years"),
    Setting(CachePolicy, "ttl_s_max", "seconds", 0, TTL_S_MAX, "CloudFront: 100 years"),
    Setting(
        RateLimit,
        "requests_per_s",
        "requests a second",
        0.0001,
        10_000,
        "by each key; nginx's `rate=`, whose least is one a minute; ours is one in three hours",
    ),
    Setting(RateLimit, "burst", "requests", 1, 1_000_000, "at once; nginx's `burst=` is one less"),
    Setting(LimitRate, "bytes_per_s", "bytes", KIB, 10 * GIB, "of one body; nginx's limit_rate"),
    Setting(LimitRate, "after_bytes", "bytes", 0, TIB, "at any speed; nginx's limit_rate_after"),
)

BY_FIELD = {(setting.model, setting.name): setting for setting in SETTINGS}
