"""Model of origins, origin groups and the identities we come as. Law: no secret, only its place.

CloudFront API reference: Origin, OriginAccessControlConfig, CloudFrontOriginAccessIdentity. What
control publishes names credentials and files; each node reads its own.
"""

from __future__ import annotations

import hashlib
from typing import Literal

from edgecache.config.base import Model

SigningBehavior = Literal["always", "never", "no-override"]
Reach = Literal["own", "private", "public"]
"""Which addresses may be asked: all (tiers of ours); all but our own listeners and link-local ones
(what a file declares); of these neither loopback nor private ones, nor sockets (what the API
makes)."""
REGION_DEFAULT = "us-east-1"  # what S3-compatible stores take when nobody has told them theirs


class OriginShield(Model, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The regional cache that alone asks an origin: one by its name, or those of a `region`."""

    enabled: bool = True
    region: str = ""


class Origin(Model, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An origin server. `domain_name` is a host name, an address, or `unix:/path`.

    `secret_headers` maps a name to where its value stands: `env:NAME` or `file:PATH`.
    `reach` is control's to say for what the API makes. `server_name` is what TLS asks for (SNI) and
    the certificate must name; empty: the Host where it is forwarded, else `domain_name`.
    `protocol` "h2": asked by HTTP/2 and nothing else (ALPN; without TLS by prior knowledge);
    "http2": by what TLS agrees on, without TLS by HTTP/1.1 (CloudFront's OriginHttpVersion).
    `host_header` is sent as Host whatever the policies forward, and is the name that TLS asks for
    where `server_name` is not said. `certificate_names`: the certificate must have one of these
    (`*.` for one label) in place of the name that is asked for.
    `connect_to` is where a connection is made instead of to the name and its port (a URL without a
    path, or `unix:/path`); without TLS where it says http. All else stays the origin's.
    `health_check`: while it is not healthy, of a group the other member is asked first.
    `circuit_breaker` None: an origin that cannot be reached is left alone under "rfc9111" only.
    """

    id: str
    domain_name: str
    http_port: int = 80
    https_port: int = 443
    protocol_policy: Literal["http-only", "match-viewer", "https-only"] = "http-only"
    protocol: Literal["http1.1", "http2", "h2"] = "http1.1"
    ssl_protocols: tuple[str, ...] = ("TLSv1.2",)
    path: str = ""
    custom_headers: dict[str, str] = {}
    secret_headers: dict[str, str] = {}
    read_timeout_s: float = 30
    keepalive_timeout_s: float = 5
    completion_timeout_s: float | None = None
    connection_attempts: int = 3
    connection_timeout_s: float = 10
    connections_max: int = 256
    connection_s_max: float = 60
    slow_connections_share: float = 0.5
    reach: Reach = "private"
    connect_to: str = ""
    circuit_breaker: bool | None = None
    circuit_failures: int = 20
    circuit_window_s: float = 10
    circuit_trickle_per_s: float = 2
    health_check: str = ""
    origin_shield: OriginShield | None = None
    access: Literal["none", "identity"] = "none"
    access_identity: str = ""
    access_control_id: str = ""
    kind: Literal["custom", "s3", "vpc"] = "custom"
    server_name: str = ""
    host_header: str = ""
    certificate_names: tuple[str, ...] = ()
    ca_file: str = ""
    client_certificate_file: str = ""
    client_key_file: str = ""


class Resolver(Model, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Seconds that addresses of origins' names are remembered, and used while look-ups fail."""

    answer_s_max: float = 30
    last_good_s_max: float = 3_600


class OriginGroup(Model, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Two origins, the second for when the first fails in one of these ways.

    `remember_s` is beyond CloudFront, which asks the first on every miss: so long after it failed
    the second is asked first.
    """

    id: str
    members: tuple[str, ...]
    status_codes: tuple[int, ...]
    remember_s: float = 0


class OriginAccessControl(Model, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Signing of requests to the origins that name it (Signature Version 4).

    `credential` is the name of a key pair in `secrets.json`; empty: the control's own `name`, or
    its `id` when it has none. `region` and `service` are what the store wants to see signed; an
    empty region is the one in the origin's name (`s3.eu-west-2.amazonaws.com`), else us-east-1.
    """

    id: str
    name: str = ""
    description: str = ""
    signing_protocol: Literal["sigv4"] = "sigv4"
    signing_behavior: SigningBehavior = "always"
    origin_type: Literal["s3"] = "s3"
    credential: str = ""
    region: str = ""
    service: str = "s3"


class OriginAccessIdentity(Model, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An identity that bucket policies name. An empty canonical id is the one made of `id`."""

    id: str
    s3_canonical_user_id: str = ""
    caller_reference: str = ""
    comment: str = ""


def credential_of(control: OriginAccessControl) -> str:
    """The name of the key pair a control signs with."""
    return control.credential or control.name or control.id


def canonical_user_id(identity_id: str) -> str:
    """The 96 hexadecimal digits that name an identity in policies and grants.

    Made of the id alone, so that a bucket knows every identity without being told of it.
    """
    return hashlib.sha384(b"edgecache canonical user " + identity_id.encode()).hexdigest()
