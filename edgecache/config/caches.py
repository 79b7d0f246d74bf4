"""Model of the caches of an installation: edge locations, regional caches, disks, the reserve.

Both are places on machines: where they listen, what memory and disk they have, and of which region
they are. Which regional cache an object lives at: `rules/rendezvous.py`.
"""

from __future__ import annotations

from typing import Literal

from msgspec.structs import replace

from edgecache.config.access_lists import AccessList, FlowLogSettings
from edgecache.config.base import GIB, KIB, MIB, Model
from edgecache.config.origins import REGION_DEFAULT
from edgecache.config.rate_limits import RateLimit

ViewerProtocol = Literal["http1.1", "h2", "h2c", "h3"]
HTTP_VERSIONS = ("http1.1", "http2", "http3", "http2and3")
"""Of a distribution. CloudFront's API Reference, "HttpVersion": HTTP/1.1 is always spoken, and what
the value names beside it. So `http3` alone is without HTTP/2."""
SOCKET_DEFAULT = "unix:regional.sock"


class Disk(Model, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Disk of a cache, which outlives its process; `folder` "" is `disk` in state_dir.

    Each process has a folder of its own in it, and workers of a location share the bytes.
    """

    folder: str = ""
    bytes_max: int = 10 * GIB
    free_bytes_min: int = GIB


class Location(Model, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An edge location: one address, and the worker processes that share it; on any machine.

    `region` is whose regional caches it asks first; "": all alike.
    `advertise` is where control asks the workers of this machine; "": where they listen, and if
    that is every address, at the one by which they reach control. `redirect_port` is where
    redirect-to-https sends viewers; 0: to the port of `listen_tls` if they named that of `listen`,
    else to 443. `health_listen` is where balancers ask `/live` and `/ready`; "": nowhere.
    `trusted_proxies` are addresses and networks of the balancers in front: what these say of their
    viewers counts. With `proxy_protocol` each connection to `listen` and `listen_tls` begins with a
    PROXY header, of version 1 or 2, from one of these (from anybody where none is named).
    `protocols`: `h2` is offered at `listen_tls` for names whose distributions allow it, `h2c` (by
    prior knowledge) taken at `listen`; None: HTTP/1.1, and `h2` where there is a `listen_tls`. `h3`
    is spoken at the UDP port of `listen_tls`, for distributions whose `http_version` says so.
    `early_data`: viewers of HTTP/3 are given session tickets, and may send requests with the hello.
    `rate_limits` are asked of all that is asked here, before those of behaviors.
    `access_list` says whose connections are taken: who is not let in is told nothing.
    """

    name: str
    region: str = ""
    listen: str
    advertise: str = ""
    listen_tls: str = ""
    protocols: tuple[ViewerProtocol, ...] | None = None
    early_data: bool = False
    proxy_protocol: Literal["off", "required"] = "off"
    trusted_proxies: tuple[str, ...] = ()
    health_listen: str = ""
    redirect_port: int = 0
    rate_limits: tuple[RateLimit, ...] = ()
    workers: int = 1
    memory_bytes: int = 256 * MIB
    disk: Disk | None = None
    access_list: AccessList | None = None
    flow_log: FlowLogSettings | None = None

    @property
    def spoken(self) -> tuple[ViewerProtocol, ...]:
        """`protocols`, or what is spoken where they are not said."""
        if self.protocols is not None:
            return self.protocols
        return ("http1.1", "h2") if self.listen_tls else ("http1.1",)


class RegionalCache(Model, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A cache between the edges and the origins. `listen`: `unix:NAME` (in state_dir) or TCP.

    That of `[regional]` has no `name`, `region` or `weight`: it is the only one. Of several, each
    has the objects whose keys fall to it, `weight` to the sum of all weights of them.
    `advertise` is the HOST:PORT by which others reach it; "": where it listens. `health_listen` is
    where `/live` and `/ready` are asked; "": nowhere. `when_down` is what becomes of its objects
    while no regional cache answers.
    """

    name: str = ""
    region: str = ""
    weight: float = 1
    listen: str = SOCKET_DEFAULT
    advertise: str = ""
    health_listen: str = ""
    memory_bytes: int = 512 * MIB
    disk: Disk | None = None
    when_down: Literal["origin", "stale"] = "origin"

    @property
    def place(self) -> str:
        """Its place in credentials and certificates, and the name of its process."""
        return f"regional-{self.name}" if self.name else "regional"


def with_socket(cache: RegionalCache) -> RegionalCache:
    """A cache of a file: several on one machine have a socket file each, `unix:regional-NAME.sock`.

    That is the default of one which has a name.
    """
    if not cache.name or cache.listen != SOCKET_DEFAULT:
        return cache
    return replace(cache, listen=f"unix:{cache.place}.sock")


class Reserve(Model, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where objects wait that a regional cache has no more room for, before their origin is asked.

    Cloudflare's Cache Reserve is the precedent. No secret stands here: a node signs with its own.

    `endpoint` is the store's URL, asked as `ENDPOINT/BUCKET/PREFIX/...`. Requests are signed for
    `region` with the key pair `credential` of `secrets.json`; empty: `AWS_ACCESS_KEY_ID` and
    `AWS_SECRET_ACCESS_KEY` (and `AWS_SESSION_TOKEN`) of the environment. `ca_file` vouches for the
    store's certificate; empty: what this machine trusts. `distributions` are the ids of those that
    use it, and none means all. Why the bounds: `settings.py`.
    """

    endpoint: str
    bucket: str
    prefix: str = "edgecache"
    region: str = REGION_DEFAULT
    credential: str = ""
    ca_file: str = ""
    distributions: tuple[str, ...] = ()
    object_bytes_min: int = 64 * KIB
    object_bytes_max: int = 16 * MIB
    fresh_s_min: float = 36_000
    retention_s: float = 2_592_000
    look_s_max: float = 2
    queue_bytes_max: int = 64 * MIB
    uploads_max: int = 4


def allows_http2(http_version: str) -> bool:
    """Whether viewers of a distribution with this `http_version` may be offered HTTP/2."""
    return http_version in ("http2", "http2and3")


def allows_http3(http_version: str) -> bool:
    """Whether they may be offered HTTP/3."""
    return http_version in ("http3", "http2and3")
