"""Model of DNS: the name server, the zone of the CDN, zones of users and their records.

Names are text as in a zone file: relative to their zone, or absolute with a final dot; `@` is the
zone itself. Facts of routing policies: Route 53's Developer Guide.
"""

from __future__ import annotations

import hashlib
from typing import Literal

from edgecache.config.base import Model
from edgecache.config.health_checks import HealthCheck

CONTINENTS = frozenset({"AF", "AN", "AS", "EU", "NA", "OC", "SA"})
UNKNOWN_COUNTRIES = frozenset({"BV", "CX", "EH", "HM"})
"""Route 53 has no geolocation records for these: no address is known to be there."""
REGIONS: dict[str, tuple[float, float]] = {
    "us-east-1": (38.9, -77.4), "us-east-2": (40.0, -83.0), "us-west-1": (37.8, -122.4),
    "us-west-2": (45.8, -119.7), "ca-central-1": (45.5, -73.6), "ca-west-1": (51.0, -114.1),
    "mx-central-1": (20.6, -100.4), "sa-east-1": (-23.5, -46.6), "eu-west-1": (53.3, -6.3),
    "eu-west-2": (51.5, -0.1), "eu-west-3": (48.9, 2.4), "eu-central-1": (50.1, 8.7),
    "eu-central-2": (47.4, 8.5), "eu-north-1": (59.3, 18.1), "eu-south-1": (45.5, 9.2),
    "eu-south-2": (41.6, -0.9), "il-central-1": (32.1, 34.8), "me-south-1": (26.2, 50.6),
    "me-central-1": (24.5, 54.4), "af-south-1": (-33.9, 18.4), "ap-south-1": (19.1, 72.9),
    "ap-south-2": (17.4, 78.5), "ap-southeast-1": (1.4, 103.8), "ap-southeast-2": (-33.9, 151.2),
    "ap-southeast-3": (-6.2, 106.8), "ap-southeast-4": (-37.8, 145.0), "ap-east-1": (22.3, 114.2),
    "ap-northeast-1": (35.7, 139.7), "ap-northeast-2": (37.6, 127.0),
    "ap-northeast-3": (34.7, 135.5),
}  # fmt: skip
"""Coordinates of AWS's regions, in degrees: those of the cities that they are named after."""
REFRESH_S, RETRY_S, EXPIRE_S, MINIMUM_S, SOA_TTL_S = 7_200, 900, 1_209_600, 86_400, 900
"""Of the SOA record that Route 53 makes with a zone."""
NS_TTL_S = 172_800  # Route 53's
NAME_CHARS_MAX, LABEL_CHARS_MAX = 254, 63
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


RecordType = Literal[
    "A", "AAAA", "CAA", "CNAME", "DS", "HTTPS", "MX", "NAPTR", "NS", "PTR", "SOA", "SPF", "SRV",
    "SSHFP", "SVCB", "TLSA", "TXT",
]  # fmt: skip


class DnsAlias(Model, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a record is an alias of: a distribution by its id, or the records of another name.

    The name is of the same zone, and the records are those of the alias's own type. With
    `evaluate_target_health` the alias counts as up as long as a record behind it is.
    """

    distribution: str = ""
    name: str = ""
    evaluate_target_health: bool = False


class DnsGeolocation(Model, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An area: a continent, a country (ISO 3166-1), one and its subdivision, or `*` as country."""

    continent: str = ""
    country: str = ""
    subdivision: str = ""


class DnsGeoproximity(Model, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A point: a region of AWS's, or coordinates (degrees); with a bias, -99 to 99."""

    region: str = ""
    coordinates: tuple[float, ...] = ()
    bias: int = 0


class DnsCidrLocation(Model, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A location of a collection of blocks, or `*` for clients that are in none."""

    collection: str
    location: str


class DnsCidrCollection(Model, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Blocks of addresses (/1 to /24, /1 to /48) by the name of a location."""

    name: str
    locations: dict[str, tuple[str, ...]]


class DnsRecord(Model, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A record set: its values as in a zone file, or what it is an alias of.

    Several of one name and type have an `id` each, and the members of one routing policy; one alone
    may have none. An alias has no TTL of its own. `health_check`: by its id, whether it is up.
    """

    name: str
    type: RecordType
    ttl_s: int = 300
    values: tuple[str, ...] = ()
    alias: DnsAlias | None = None
    id: str = ""
    weight: int | None = None
    region: str = ""
    failover: Literal["", "primary", "secondary"] = ""
    geolocation: DnsGeolocation | None = None
    geoproximity: DnsGeoproximity | None = None
    multivalue: bool = False
    cidr: DnsCidrLocation | None = None
    health_check: str = ""

    @property
    def policies(self) -> tuple[str, ...]:
        """The routing policies that it has members of, by Route 53's names; none: it is simple."""
        found = {
            "weighted": self.weight is not None,
            "latency": bool(self.region),
            "failover": bool(self.failover),
            "geolocation": self.geolocation is not None,
            "geoproximity": self.geoproximity is not None,
            "multivalue": self.multivalue,
            "ip-based": self.cidr is not None,
        }
        return tuple(name for name, is_one in found.items() if is_one)


class DnsTransferKey(Model, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A key that transfers are signed by (TSIG, RFC 8945). `secret`: where its base64 is kept,
    `env:NAME` or `file:PATH`.
    """

    name: str
    secret: str
    algorithm: Literal["hmac-sha256", "hmac-sha384", "hmac-sha512"] = "hmac-sha256"


class DnsZoneSettings(Model, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A zone: its records, and those of `file` (RFC 1035 §5), read when the configuration is.

    Without a SOA record of its own it has one whose serial is the configuration's number.
    `name_servers`: where it has no NS records; none: those of `[dns]`. A secondary may transfer it
    from an address in `transfer_to`, signed by `transfer_key`, each where it is given; and is told
    of changes at the HOST:PORT in `notify`. With `clients` it is private: who asks from one of
    these networks sees it, in the place of a public one of its name, and nobody else does. With
    `dnssec` its answers are signed.
    """

    name: str
    file: str = ""
    records: tuple[DnsRecord, ...] = ()
    name_servers: tuple[str, ...] = ()
    clients: tuple[str, ...] = ()
    transfer_to: tuple[str, ...] = ()
    transfer_key: str = ""
    notify: tuple[str, ...] = ()
    dnssec: bool = False


class DnsVpc(Model, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A network that the API knows as a VPC.

    Private zones associated with it are seen by who asks from `clients`.
    """

    id: str
    clients: tuple[str, ...]
    region: str = "us-east-1"


class DnsSettings(Model, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The name server. `listen`: every HOST:PORT where it answers, by UDP and TCP.

    `zone` is the operator's, in which each distribution has a name; "": none. `name_servers` are
    its servers' names, and of zones that name none; `server_addresses` by name where those names
    are of the zone itself; with `dnssec` its answers are signed. `certificate_file` (PEM, with its
    chain) and `key_file` are of `*.ZONE`: what edges show to who asks for a distribution by its
    name there. `responses_per_s` is of one prefix (/24, /56) by UDP; 0: no limit.
    """

    listen: tuple[str, ...]
    workers: int = 1
    zone: str = ""
    name_servers: tuple[str, ...] = ()
    server_addresses: dict[str, tuple[str, ...]] = {}
    dnssec: bool = False
    certificate_file: str = ""
    key_file: str = ""
    ttl_s: int = 60
    responses_per_s: int = 1_000
    connections_max: int = 256
    connection_idle_s_max: float = 10
    locations: tuple[DnsLocation, ...] = ()
    latencies: tuple[DnsLatency, ...] = ()
    zones: tuple[DnsZoneSettings, ...] = ()
    transfer_keys: tuple[DnsTransferKey, ...] = ()
    cidr_collections: tuple[DnsCidrCollection, ...] = ()
    health_checks: tuple[HealthCheck, ...] = ()
    vpcs: tuple[DnsVpc, ...] = ()

    @property
    def signs(self) -> bool:
        """Whether any zone is signed."""
        return self.dnssec or any(one.dnssec for one in self.zones)


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


def owner_of(text: str, apex: str) -> str:
    """The whole name of a record, in lower case, with its final dot. ValueError: not of the zone.

    `apex` has its final dot. Text as in a zone file; `\\052` is `*`.
    """
    name = text.lower().replace("\\052", "*")
    whole = apex if name in ("@", "") else name if name.endswith(".") else f"{name}.{apex}"
    if whole != apex and not whole.endswith(f".{apex}"):
        raise ValueError(f"is not in {apex}")
    labels = whole[:-1].split(".")
    if len(whole) > NAME_CHARS_MAX or not all(0 < len(one) <= LABEL_CHARS_MAX for one in labels):
        raise ValueError("is not a domain name")
    if any(not 0x21 <= ord(char) <= 0x7E or char in '"();@\\$' for char in whole):
        raise ValueError("has a character that names do not have")
    if "*" in whole and (whole.count("*") > 1 or not whole.startswith("*.")):
        raise ValueError("has a * that is not the whole first label")
    return whole
