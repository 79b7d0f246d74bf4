"""Every numeric setting, once: unit, bounds and why.

The loader takes its bounds from here, `edgecache check --settings` prints it, the docs cite it.
The defaults are the model's. Law: no bound stands anywhere but here and in `limit_settings`.
"""

from __future__ import annotations

from edgecache.config.base import GIB, KIB, MIB
from edgecache.config.limit_settings import LIMIT_SETTINGS
from edgecache.config.model import (
    AccessLogging,
    AccessRule,
    Bucket,
    CachePolicy,
    Cluster,
    Config,
    Disk,
    FlowLogSettings,
    LimitRate,
    Location,
    LogDelivery,
    Maintenance,
    Origin,
    OriginGroup,
    RateLimit,
    RegionalCache,
    Reserve,
    Resolver,
    Tracing,
)
from edgecache.config.setting import Setting

TIB = 1024 * GIB
TTL_S_MAX = 3_153_600_000  # 100 years: the most CloudFront's console and API accept

SETTINGS: tuple[Setting, ...] = (
    *LIMIT_SETTINGS,
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
        RegionalCache,
        "memory_bytes",
        "bytes",
        MIB,
        1_024 * GIB,
        "for stored objects; below 1 MiB hardly one would fit",
    ),
    Setting(
        RegionalCache,
        "weight",
        "parts",
        0.01,
        1_000,
        "of all objects, beside the weights of the others; Envoy's load_balancing_weight",
    ),
    Setting(
        Config,
        "hash_balance_factor",
        "percent",
        0,
        10_000,
        "of its share that a regional cache may have of the requests under way; 0: any; Envoy and "
        "HAProxy advise 120 to 200",
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
        Reserve,
        "object_bytes_min",
        "bytes",
        0,
        TIB,
        "of a whole object; a PUT costs as much as the origin's transfer of some 50 KiB",
    ),
    Setting(
        Reserve,
        "object_bytes_max",
        "bytes",
        64 * KIB,
        GIB,
        "of one object in the bucket, which is read into memory; larger ones come in blocks",
    ),
    Setting(
        Reserve,
        "fresh_s_min",
        "seconds",
        0,
        TTL_S_MAX,
        "that is left when it is stored; Cloudflare's Cache Reserve asks for 10 hours",
    ),
    Setting(
        Reserve,
        "retention_s",
        "seconds",
        60,
        31_622_400,
        "after which it is not used; invalidations are told as long; Cache Reserve keeps 30 days",
    ),
    Setting(
        Reserve,
        "look_s_max",
        "seconds",
        0.05,
        30,
        "that a viewer waits before the origin is asked; S3 answers in 10 to 200 ms",
    ),
    Setting(
        Reserve,
        "queue_bytes_max",
        "bytes",
        64 * KIB,
        16 * GIB,
        "of bodies that wait to be written; what finds no room is not written",
    ),
    Setting(Reserve, "uploads_max", "uploads", 1, 64, "at once, of each regional cache"),
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
