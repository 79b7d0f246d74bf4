"""Model of DNS: the name server, the zone of the CDN, zones of users and their records.

Names are text as in a zone file: relative to their zone, or absolute with a final dot; `@` is the
zone itself. Facts of routing policies: Route 53's Developer Guide.
"""

from __future__ import annotations

import hashlib

from edgecache.config.base import Model

ID_CHARS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"


class DnsLocation(Model, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where viewers reach an edge location, by `name`: its public addresses, IPv4 and IPv6.

    Of the clients to whom it is the closest, `weight` in a hundred are sent here, and the others to
    the next one; 0: nobody, as long as another location is up. What is close is told by the latency
    table, else by `coordinates` (latitude and longitude in degrees; "": those of its region, where
    AWS has one of that name), else by `country`.
    """

    name: str
    addresses: tuple[str, ...]
    weight: int = 100
    coordinates: tuple[float, ...] = ()
    country: str = ""


class DnsLatency(Model, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Milliseconds from `clients` to locations and regions, by name.

    A client is a network, a country (`DE`), a continent (`continent:EU`) or everybody (`*`).
    """

    clients: tuple[str, ...]
    ms: dict[str, float]


class DnsSettings(Model, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The name server. `listen`: every HOST:PORT where it answers, by UDP and TCP.

    `zone` is the operator's, in which each distribution has a name; "": none. `name_servers` are
    its servers' names, and of zones that name none; `server_addresses` by name where those names
    are of the zone itself. `responses_per_s` is of one prefix (/24, /56) by UDP; 0: no limit.
    """

    listen: tuple[str, ...]
    workers: int = 1
    zone: str = ""
    name_servers: tuple[str, ...] = ()
    server_addresses: dict[str, tuple[str, ...]] = {}
    ttl_s: int = 60
    responses_per_s: int = 1_000
    connections_max: int = 256
    connection_idle_s_max: float = 10
    locations: tuple[DnsLocation, ...] = ()
    latencies: tuple[DnsLatency, ...] = ()


def distribution_label(id: str, domain_name: str = "") -> str:
    """The label of a distribution in the operator's zone: of its `d….cloudfront.net`.

    One whose name of the file is no such name has the one that is made of its id.
    """
    label, _, rest = domain_name.lower().partition(".")
    if rest == "cloudfront.net":
        return label
    return made_label(id)


def made_label(id: str) -> str:
    """`d` and 13 letters and digits, always the same for an id."""
    digest = hashlib.sha256(b"edgecache domain name " + id.encode()).digest()
    return "d" + "".join(ID_CHARS[byte % len(ID_CHARS)] for byte in digest[:13]).lower()
