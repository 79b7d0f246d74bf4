"""The frozen model of a configuration. Law: data only; `checks/` says what it must hold.

Names are CloudFront's in snake case; where a unit matters it stands last (`ttl_s_min`). The TOML
file, the JSON of the API and what control publishes to its nodes all decode into this. Defaults
stand here; bounds, units and precedents of the numbers in `settings.py`.
"""

from __future__ import annotations

from typing import Any, Literal

from edgecache.config.access_lists import AccessList as AccessList
from edgecache.config.access_lists import AccessRule as AccessRule
from edgecache.config.access_lists import FlowLogSettings as FlowLogSettings
from edgecache.config.access_lists import IpSet as IpSet
from edgecache.config.base import GIB as GIB
from edgecache.config.base import KIB as KIB
from edgecache.config.base import MIB as MIB
from edgecache.config.base import Model as Model
from edgecache.config.caches import Disk as Disk
from edgecache.config.caches import Location as Location
from edgecache.config.caches import RegionalCache as RegionalCache
from edgecache.config.caches import Reserve as Reserve
from edgecache.config.caches import ViewerProtocol as ViewerProtocol
from edgecache.config.dns import DnsLatency as DnsLatency
from edgecache.config.dns import DnsLocation as DnsLocation
from edgecache.config.dns import DnsSettings as DnsSettings
from edgecache.config.functions import FunctionAssociation as FunctionAssociation
from edgecache.config.functions import FunctionConfig as FunctionConfig
from edgecache.config.functions import PythonHookConfig as PythonHookConfig
from edgecache.config.key_value_stores import KeyValueStoreConfig as KeyValueStoreConfig
from edgecache.config.lambda_functions import (
    LambdaFunctionAssociation as LambdaFunctionAssociation,
)
from edgecache.config.lambda_functions import LambdaFunctionConfig as LambdaFunctionConfig
from edgecache.config.limits import Limits as Limits
from edgecache.config.limits import Quotas as Quotas
from edgecache.config.observation import AccessLogging as AccessLogging
from edgecache.config.observation import LogBucket as LogBucket
from edgecache.config.observation import LogDelivery as LogDelivery
from edgecache.config.observation import RealtimeLog as RealtimeLog
from edgecache.config.observation import RealtimeLogStream as RealtimeLogStream
from edgecache.config.observation import TraceMode as TraceMode
from edgecache.config.observation import Tracing as Tracing
from edgecache.config.origins import Origin as Origin
from edgecache.config.origins import OriginAccessControl as OriginAccessControl
from edgecache.config.origins import OriginAccessIdentity as OriginAccessIdentity
from edgecache.config.origins import OriginGroup as OriginGroup
from edgecache.config.origins import OriginShield as OriginShield
from edgecache.config.origins import Resolver as Resolver
from edgecache.config.rate_limits import LimitRate as LimitRate
from edgecache.config.rate_limits import RateLimit as RateLimit
from edgecache.config.viewer_rules import BasicAuth as BasicAuth
from edgecache.config.viewer_rules import Maintenance as Maintenance
from edgecache.config.viewer_rules import Purge as Purge
from edgecache.config.viewer_rules import Redirect as Redirect
from edgecache.config.viewer_rules import RequestHeaders as RequestHeaders


class UnavailableSite(Model, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A distribution that cannot be served as it asks to be, and why, one line for each reason.

    One that is not enabled keeps its names, and answers as any that is not enabled.
    """

    id: str
    names: tuple[str, ...] = ()
    reasons: tuple[str, ...] = ()
    enabled: bool = True
    certificate_file: str = ""
    key_file: str = ""


BRAND = "cloudfront"  # what we call ourselves unless it is configured
SemanticsName = Literal["cloudfront", "rfc9111"]
LogLevel = Literal["debug", "info", "warning", "error"]
LogFormat = Literal["text", "json"]
ItemBehavior = Literal["none", "whitelist", "allExcept", "all"]
HeaderBehavior = Literal[
    "none", "whitelist", "allViewer", "allViewerAndWhitelistCloudFront", "allExcept"
]


class Selection(Model, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Selection of items of one kind: query strings or cookies."""

    behavior: ItemBehavior = "none"
    items: tuple[str, ...] = ()
    wildcards: bool = False  # items may hold * and ?: the cookies of ForwardedValues


class HeaderSelection(Model, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Selection of request headers."""

    behavior: HeaderBehavior = "none"
    items: tuple[str, ...] = ()


class CachePolicy(Model, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Items of the cache key (and so forwarded), and how long an object may live (seconds)."""

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
    comment: str = ""


class OriginRequestPolicy(Model, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Items sent to the origin beyond the key."""

    id: str = ""
    name: str = ""
    headers: HeaderSelection = HeaderSelection()
    cookies: Selection = Selection()
    query_strings: Selection = Selection()
    comment: str = ""


class CorsHeaders(Model, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The CORS part of a response headers policy."""

    allow_origins: tuple[str, ...] = ()
    allow_headers: tuple[str, ...] = ()
    allow_methods: tuple[str, ...] = ()
    allow_credentials: bool = False
    expose_headers: tuple[str, ...] = ()
    max_age_s: int | None = None
    origin_override: bool = False


class SetHeader(Model, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A response header a policy adds; `override` replaces the origin's."""

    name: str
    value: str
    override: bool = False


class ResponseHeadersPolicy(Model, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Headers added to and removed from responses on their way to viewers.

    `security` holds the security headers as the headers they become.
    """

    id: str = ""
    name: str = ""
    cors: CorsHeaders | None = None
    security: tuple[SetHeader, ...] = ()
    custom: tuple[SetHeader, ...] = ()
    remove: tuple[str, ...] = ()
    server_timing_percent: float | None = None
    comment: str = ""


class ForwardedValues(Model, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The way before policies: what is forwarded and keyed, and the TTLs (seconds).

    `config.aws.forwarded_values` says which policies it stands for. `headers` is names or `("*",)`.
    """

    query_string: bool = False
    query_string_cache_keys: tuple[str, ...] = ()
    cookies: Literal["none", "whitelist", "all"] = "none"
    cookie_names: tuple[str, ...] = ()
    headers: tuple[str, ...] = ()
    ttl_s_min: int = 0
    ttl_s_default: int = 86_400
    ttl_s_max: int = 31_536_000


class Behavior(Model, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Cache behavior: rules for the paths of one pattern. `origin` names an origin or a group.

    With `forwarded_values` the cache and origin request policies are those it stands for. Viewers
    whom `access_list` does not let in are answered 403.
    """

    path_pattern: str = "*"
    origin: str
    viewer_protocol_policy: Literal["allow-all", "https-only", "redirect-to-https"] = "allow-all"
    allowed_methods: tuple[str, ...] = ("GET", "HEAD")
    cached_methods: tuple[str, ...] = ("GET", "HEAD")
    cache_policy: CachePolicy = CachePolicy()
    origin_request_policy: OriginRequestPolicy | None = None
    response_headers_policy: ResponseHeadersPolicy | None = None
    forwarded_values: ForwardedValues | None = None
    compress: bool = False
    grpc: bool = False  # calls of gRPC go to the origin by HTTP/2
    trusted_key_groups: tuple[str, ...] = ()
    trusted_signers: tuple[str, ...] = ()
    trusted_native_keys: tuple[str, ...] = ()  # ids of secrets that sign our own tokens
    redirects: tuple[Redirect, ...] = ()  # the first that leads elsewhere counts
    request_headers: RequestHeaders = RequestHeaders()
    access_list: AccessList | None = None
    rate_limits: tuple[RateLimit, ...] = ()
    limit_rate: LimitRate | None = None
    basic_auth: BasicAuth | None = None
    maintenance: Maintenance = Maintenance()
    purge: Purge | None = None  # None: PURGE is a method as any other
    function_associations: tuple[FunctionAssociation, ...] = ()  # one of each event
    lambda_function_associations: tuple[LambdaFunctionAssociation, ...] = ()  # the same
    realtime_log: str = ""  # by its name; empty: none


class CustomErrorResponse(Model, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Page and status viewers get instead of an error, and how long that is kept (seconds)."""

    error_code: int
    response_page_path: str = ""
    response_code: int | None = None
    error_caching_ttl_s_min: int = 10


class GeoRestriction(Model, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Countries (ISO 3166-1 alpha-2) that may or may not be served."""

    kind: Literal["none", "whitelist", "blacklist"] = "none"
    countries: tuple[str, ...] = ()


class ViewerCertificate(Model, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The certificate of the aliases: a PEM file and its key, or an AWS name kept for return."""

    certificate_file: str = ""
    key_file: str = ""
    minimum_protocol_version: str = "TLSv1"
    acm_certificate_arn: str = ""
    iam_certificate_id: str = ""
    ssl_support_method: str = ""


class Logging(Model, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Standard logging, as the distribution names it."""

    enabled: bool = False
    include_cookies: bool = False
    bucket: str = ""
    prefix: str = ""


class Release(Model, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The release that is current for the paths of a pattern, and those that may be again."""

    pattern: str
    current: int
    kept: tuple[int, ...] = ()


class Distribution(Model, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A site: its names, its origins, and the behaviors of its paths, tried in order.

    `kept` holds members of CloudFront's JSON that mean nothing here, for its way back.
    `cache_control_targets` is the target list of RFC 9213 §2.2: fields that, in this order, count
    before Cache-Control.
    """

    id: str
    domain_name: str = ""
    aliases: tuple[str, ...] = ()
    comment: str = ""
    enabled: bool = True
    default_root_object: str = ""
    origins: tuple[Origin, ...]
    origin_groups: tuple[OriginGroup, ...] = ()
    default_behavior: Behavior
    behaviors: tuple[Behavior, ...] = ()
    custom_error_responses: tuple[CustomErrorResponse, ...] = ()
    geo_restriction: GeoRestriction = GeoRestriction()
    viewer_certificate: ViewerCertificate = ViewerCertificate()
    logging: Logging = Logging()
    price_class: str = "PriceClass_All"
    http_version: str = "http2"
    ipv6_enabled: bool = True
    cache_tag_header: str = ""
    cache_tag_aliases: bool = False  # tags from Surrogate-Key, Cache-Tag and xkey, too
    cache_control_targets: tuple[str, ...] = ("CDN-Cache-Control",)
    caller_reference: str = ""
    tags: dict[str, str] = {}
    staging: bool = False  # it is asked by its primary's names alone
    continuous_deployment_policy: str = ""  # by its id; empty: none
    releases: tuple[Release, ...] = ()  # control's: see `edgecache release`
    kept: dict[str, Any] = {}
    semantics: SemanticsName = "cloudfront"


class SessionStickiness(Model, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How long one viewer's requests go to one distribution (seconds): without a request for
    `idle_ttl_s`, and `maximum_ttl_s` in any case.
    """

    idle_ttl_s: int
    maximum_ttl_s: int


class ContinuousDeploymentPolicy(Model, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Requests that go to `staging_distribution` (its id or domain name): those that have `header`
    with `value`, or by chance as many as `weight` says (0 to 0.15). Sessions that began before
    `sessions_since` (epoch seconds, control's) are none.
    """

    id: str
    staging_distribution: str
    enabled: bool = True
    header: str = ""
    value: str = ""
    weight: float | None = None
    session_stickiness: SessionStickiness | None = None
    sessions_since: int = 0


class PublicKey(Model, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Key of a signer: a PEM (RSA or P-256), written out or read from `pem_file` at load."""

    id: str
    name: str = ""
    pem: str = ""
    pem_file: str = ""
    comment: str = ""


class KeyGroup(Model, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Public keys that behaviors trust together; `keys` are their ids."""

    id: str
    name: str = ""
    keys: tuple[str, ...] = ()
    comment: str = ""


class Acme(Model, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The account at an authority that issues certificates (RFC 8555), and where that is.

    `email` is told what goes wrong; `ca_file` vouches for the authority's own server, and "" is
    what this machine trusts.
    """

    email: str = ""
    directory_url: str = "https://acme-v02.api.letsencrypt.org/directory"
    ca_file: str = ""


class Control(Model, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The control plane: its address, and what it permits.

    `advertise` is the HOST:PORT by which others reach it; "": where it listens. `addresses` are
    those of every control; none: there is one. `names` are Hosts it is asked by beside these,
    loopback and its machine's name; who proves that it may ask may do so by any. ACME's clients
    write tokens to `acme_challenges` (certbot's `--webroot-path`), which every edge answers.
    `health_listen`: where `/live` and `/ready` are asked; "": nowhere. With `certificate_file` (PEM
    with its chain) and `key_file` it speaks TLS, but at its socket file. `database`: where a
    PostgreSQL connection string is kept, `env:NAME` or `file:PATH`; "": SQLite in state_dir.
    """

    listen: str = "127.0.0.1:8090"
    certificate_file: str = ""
    key_file: str = ""
    advertise: str = ""
    health_listen: str = ""
    addresses: tuple[str, ...] = ()
    names: tuple[str, ...] = ()
    acme_challenges: str = ""
    acme: Acme = Acme()
    database: str = ""
    canary_s: float = 0  # between two rounds of the canary; 0: there is none
    allow_private_origins: bool = False  # loopback and private addresses in what the API makes
    invalidation_quotas: bool = False  # CloudFront's: 3,000 paths and 15 wildcards in progress


class Cluster(Model, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How machines of one installation trust each other.

    With `mutual_tls` control and the regional cache speak TLS wherever other machines reach them,
    and take nodes by their certificates alone, which last `certificate_lifetime_s`. `false` says
    that the network between the machines is one's own. Neither: see `cluster/certificates.py`.
    """

    mutual_tls: bool | None = None
    certificate_lifetime_s: float = 2_592_000


class Bucket(Model, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The demo origin: a folder served as a bucket, behind the gate.

    `hosts` are names it is asked by beside the one in `listen`: it admits what was signed for these
    alone. `name` is what resources of the policy in `policy_file` call it (`arn:aws:s3:::NAME/*`).
    `versions_max` versions of each object are kept in state_dir, 0 for none. `cache_control_rules`
    maps a glob over the object's name to its Cache-Control; the first that matches wins, and
    `cache_control` is for the rest.
    """

    listen: str
    folder: str
    hosts: tuple[str, ...] = ()
    cache_control: str = ""
    cache_control_rules: dict[str, str] = {}
    name: str = "demo"
    policy_file: str = ""
    versions_max: int = 0


class Process(Model, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Processes: whose they are, and what they say on standard error.

    `user` and `group` (the user's own when empty) are those of processes started by root, once
    every address is bound. `--log-level` and `--log-format` count before these.
    """

    user: str = ""
    group: str = ""
    log_level: LogLevel = "info"
    log_format: LogFormat = "text"


class Config(Model, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Everything one installation runs on.

    The regional caches are either `regional`, one without a name, or `regional_caches`: whoever
    reads them asks `regional_tier`. `origin_map` says by patterns of origins' names where these are
    connected to: see `origin_map.py`. With `hash_balance_factor` none of several gets more requests
    at a time than so many percent of its share (Envoy's and HAProxy's setting of this name).
    """

    state_dir: str = "var"
    brand: str = BRAND
    on_partition: Literal["revalidate", "serve"] = "revalidate"  # a node that control cannot reach
    unsupported: Literal["refuse", "ignore"] = "refuse"  # members: aws/unsupported.py
    certificates: Literal["files", "acme"] = "files"  # of who names none: made here, or issued
    geo_database: str = ""
    asn_database: str = ""
    access_log: AccessLogging = AccessLogging()
    log_delivery: LogDelivery = LogDelivery()
    realtime_log_streams: tuple[RealtimeLogStream, ...] = ()
    realtime_logs: tuple[RealtimeLog, ...] = ()
    cluster: Cluster = Cluster()
    control: Control | None = None
    regional: RegionalCache | None = None
    regional_caches: tuple[RegionalCache, ...] = ()
    hash_balance_factor: int = 0  # percent of a fair share; 0: no bound
    reserve: Reserve | None = None
    locations: tuple[Location, ...] = ()
    bucket: Bucket | None = None
    dns: DnsSettings | None = None
    distributions: tuple[Distribution, ...] = ()
    unavailable: tuple[UnavailableSite, ...] = ()  # control's: what cannot be served as it asks
    revoked_nodes: tuple[str, ...] = ()  # control's: PLACE/INSTANCE of machines it takes no more
    continuous_deployment_policies: tuple[ContinuousDeploymentPolicy, ...] = ()
    ip_sets: tuple[IpSet, ...] = ()
    functions: tuple[FunctionConfig, ...] = ()
    python_hooks: tuple[PythonHookConfig, ...] = ()
    lambda_functions: tuple[LambdaFunctionConfig, ...] = ()
    key_value_stores: tuple[KeyValueStoreConfig, ...] = ()
    public_keys: tuple[PublicKey, ...] = ()
    key_groups: tuple[KeyGroup, ...] = ()
    origin_access_controls: tuple[OriginAccessControl, ...] = ()
    origin_access_identities: tuple[OriginAccessIdentity, ...] = ()
    trusted_signers: dict[str, tuple[str, ...]] = {}  # account to ids of its public keys
    limits: Limits = Limits()
    quotas: Quotas = Quotas()
    resolver: Resolver = Resolver()
    tracing: Tracing = Tracing()
    process: Process = Process()
    origin_map: dict[str, str] = {}

    @property
    def regional_parts(self) -> dict[str, RegionalCache]:
        """The regional caches by their place in the file, in either of its forms."""
        one = {} if self.regional is None else {"regional": self.regional}
        named = {f"regional_caches[{i}]": cache for i, cache in enumerate(self.regional_caches)}
        return one | named

    @property
    def regional_tier(self) -> tuple[RegionalCache, ...]:
        """The regional caches, in either form of the file; empty: edges ask the origins."""
        return tuple(self.regional_parts.values())

    @property
    def edges_ask_origins(self) -> bool:
        """Whether an edge ever asks an origin for what could be stored, and needs its secrets."""
        tier = self.regional_tier
        return not tier or any(one.when_down == "origin" for one in tier)
