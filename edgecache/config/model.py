"""The frozen model of a configuration. Law: data only; checks stand in `check.py`.

Names are CloudFront's in snake case; where a unit matters it stands last (`ttl_s_min`). The TOML
file, the JSON of the API and what control publishes to its nodes all decode into this.
"""

from __future__ import annotations

from typing import Literal

import msgspec

KIB = 1024
MIB = 1024 * KIB

Semantics = Literal["cloudfront", "rfc9111"]
ItemBehavior = Literal["none", "whitelist", "allExcept", "all"]
HeaderBehavior = Literal[
    "none", "whitelist", "allViewer", "allViewerAndWhitelistCloudFront", "allExcept"
]


class Model(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A frozen piece of configuration; unknown names are refused with their path."""


class Selection(Model, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which items of one kind (query strings, cookies) are meant."""

    behavior: ItemBehavior = "none"
    items: tuple[str, ...] = ()


class HeaderSelection(Model, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which request headers are meant."""

    behavior: HeaderBehavior = "none"
    items: tuple[str, ...] = ()


class CachePolicy(Model, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is in the cache key (and so forwarded), and how long an object may live (seconds)."""

    id: str = ""
    name: str = ""
    ttl_s_min: int = 0
    ttl_s_default: int = 86_400
    ttl_s_max: int = 31_536_000
    headers: HeaderSelection = HeaderSelection()
    cookies: Selection = Selection()
    query_strings: Selection = Selection()
    accept_encoding_gzip: bool = False
    accept_encoding_brotli: bool = False


class OriginRequestPolicy(Model, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is sent to the origin beyond the key."""

    id: str = ""
    name: str = ""
    headers: HeaderSelection = HeaderSelection()
    cookies: Selection = Selection()
    query_strings: Selection = Selection()


class Origin(Model, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Whom to ask. `domain_name` is a host name, an address, or `unix:/path`."""

    id: str
    domain_name: str
    http_port: int = 80
    https_port: int = 443
    protocol_policy: Literal["http-only", "match-viewer", "https-only"] = "http-only"
    path: str = ""
    custom_headers: dict[str, str] = {}
    read_timeout_s: float = 30
    keepalive_timeout_s: float = 5
    connection_attempts: int = 3
    connection_timeout_s: float = 10
    connections_max: int = 256
    access: Literal["none", "identity"] = "none"
    ca_file: str = ""


class Behavior(Model, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What holds for the paths of one pattern."""

    path_pattern: str = "*"
    origin: str
    allowed_methods: tuple[str, ...] = ("GET", "HEAD")
    cached_methods: tuple[str, ...] = ("GET", "HEAD")
    cache_policy: CachePolicy = CachePolicy()
    origin_request_policy: OriginRequestPolicy | None = None
    compress: bool = False


class Distribution(Model, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A site: its names, its origins, and the behaviors of its paths, tried in order."""

    id: str
    domain_name: str = ""
    aliases: tuple[str, ...] = ()
    comment: str = ""
    enabled: bool = True
    default_root_object: str = ""
    origins: tuple[Origin, ...]
    default_behavior: Behavior
    behaviors: tuple[Behavior, ...] = ()
    semantics: Semantics = "cloudfront"


class Location(Model, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An edge location: one address, and the worker processes that share it."""

    name: str
    listen: str
    workers: int = 1
    memory_bytes: int = 256 * MIB


class Regional(Model, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The cache between the edges and the origins. `listen`: `unix:NAME` (in state_dir) or TCP."""

    listen: str = "unix:regional.sock"
    memory_bytes: int = 512 * MIB
    when_down: Literal["origin", "stale"] = "origin"


class Control(Model, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where operators and nodes reach the control plane."""

    listen: str = "127.0.0.1:8090"


class Bucket(Model, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The demo origin: a folder served as a bucket, behind the gate.

    `cache_control_rules` maps a glob over the object's name to its Cache-Control; the first that
    matches wins, and `cache_control` is for the rest.
    """

    listen: str
    folder: str
    cache_control: str = ""
    cache_control_rules: dict[str, str] = {}


class Limits(Model, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Bounds on what viewers may do. Each default's precedent stands in `settings.py`."""

    head_bytes_max: int = 32_768
    url_bytes_max: int = 8_192
    fields_max: int = 100
    head_s_max: float = 10
    body_idle_s_max: float = 30
    write_idle_s_max: float = 30
    idle_s_max: float = 75
    drain_s_max: float = 10
    object_bytes_max: int = 64 * MIB
    buffer_bytes_max: int = 256 * KIB
    waiters_max: int = 10_000
    connections_max: int = 20_000


class Config(Model, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Everything one installation runs on."""

    state_dir: str = "var"
    brand: str = "cloudfront"
    control: Control | None = None
    regional: Regional | None = None
    locations: tuple[Location, ...] = ()
    bucket: Bucket | None = None
    distributions: tuple[Distribution, ...] = ()
    limits: Limits = Limits()
