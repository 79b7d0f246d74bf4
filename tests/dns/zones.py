"""Zones that tests answer by."""

from __future__ import annotations

from ipaddress import ip_address

from edgecache.dns.cdn_zone import apex_groups, simple_group
from edgecache.dns.names import absolute_wire, to_wire
from edgecache.dns.records import CNAME, NS, TYPES, A
from edgecache.dns.routing import RecordGroup
from edgecache.dns.zone import DnsZone, make_zone

APEX = absolute_wire("example.test")


def packed(*addresses: str) -> list[bytes]:
    """Addresses on the wire."""
    return [ip_address(one).packed for one in addresses]


def a(*addresses: str, ttl_s: int = 300) -> RecordGroup:
    """A record set of type A."""
    return simple_group(A, ttl_s, packed(*addresses))


def zone_with(groups: dict[tuple[str, int], RecordGroup], apex: str = "example.test") -> DnsZone:
    """A zone with these groups, by relative name and type."""
    wire = absolute_wire(apex)
    named = {(to_wire(name, wire), type): group for (name, type), group in groups.items()}
    return make_zone(wire, apex_groups(wire, [to_wire("ns1", wire)], 7) | named)


def example_zone() -> DnsZone:
    """A zone with what RFC 1034 and 4592 have an example of."""
    return zone_with({
        ("www", A): a("192.0.2.1", "192.0.2.2"),
        ("ns1", A): a("192.0.2.53"),
        ("deep.down.tree", A): a("192.0.2.3"),
        ("*.wild", A): a("192.0.2.4"),
        ("host.wild", TYPES["TXT"]): simple_group(TYPES["TXT"], 300, [b"\x02hi"]),
        ("alias", CNAME): simple_group(CNAME, 300, [to_wire("www", APEX)]),
        ("outside", CNAME): simple_group(CNAME, 300, [absolute_wire("www.other.test")]),
        ("loop", CNAME): simple_group(CNAME, 300, [to_wire("loop", APEX)]),
        ("gone", CNAME): simple_group(CNAME, 300, [to_wire("nothing", APEX)]),
        ("sub", NS): simple_group(NS, 300, [to_wire("ns.sub", APEX)]),
        ("ns.sub", A): a("192.0.2.99"),
        ("large", A): a(*(f"198.51.100.{n}" for n in range(100))),
    })  # fmt: skip
