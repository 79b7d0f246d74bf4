"""Checks of DNS: addresses, the CDN's zone, its locations and latencies."""

from __future__ import annotations

import re
from ipaddress import ip_address, ip_network

from edgecache.config.checks.site import check_pair
from edgecache.config.listen import TcpAddress, overlaps, tcp_address
from edgecache.config.model import Config, DnsLatency, DnsLocation, DnsSettings
from edgecache.config.problems import ProblemCode, Problems, listed, quoted

ADDRESSES_MAX = 8  # of a location: an answer has no more
LISTEN_MAX = 16
COUNTRY = re.compile(r"[A-Z]{2}")
CONTINENT = re.compile(r"continent:(AF|AN|AS|EU|NA|OC|SA)")
_LABEL = r"[A-Za-z0-9_]([A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?"
_NAME = re.compile(rf"(?=.{{1,253}}\.?$){_LABEL}(\.{_LABEL})*\.?")


def check_dns(config: Config, problems: Problems) -> None:
    """All of `[dns]`, where there is one."""
    settings = config.dns
    if settings is None:
        return
    _check_addresses(settings, problems)
    if settings.zone:
        _check_zone(config, settings, problems)
    elif settings.dnssec or settings.certificate_file:
        name = "dnssec" if settings.dnssec else "certificate_file"
        problems.add(f"dns.{name}", "there is no dns.zone that it could be of")
    check_pair(settings, "dns", problems)
    _check_locations(config, settings, problems)
    for index, row in enumerate(settings.latencies):
        _check_latency(row, f"dns.latencies[{index}]", problems)


def is_domain(text: str) -> bool:
    """Whether a text is a domain name of letters, digits, `-` and `_`."""
    return _NAME.fullmatch(text) is not None


def _check_addresses(settings: DnsSettings, problems: Problems) -> None:
    if not settings.listen:
        problems.add("dns.listen", 'empty: say where to answer, like "0.0.0.0:53"')
    if len(settings.listen) > LISTEN_MAX:
        problems.add("dns.listen", f"{len(settings.listen)} are more than {LISTEN_MAX}")
    taken: list[TcpAddress] = []
    for index, text in enumerate(settings.listen):
        where = f"dns.listen[{index}]"
        try:
            address = tcp_address(text)
        except ValueError as error:
            problems.add(where, f"{quoted(text)} {error}")
            continue
        try:
            ip_address(address.host)
        except ValueError:
            problems.add(where, f"{quoted(text)} has a name: say an address")
        if any(overlaps(address, other) for other in taken):
            problems.add(where, f"{quoted(text)} has another of them in it")
        taken.append(address)


def _check_zone(config: Config, settings: DnsSettings, problems: Problems) -> None:
    if not is_domain(settings.zone):
        problems.add("dns.zone", f"{quoted(settings.zone)} is not a domain name")
    if not settings.name_servers:
        problems.add("dns.name_servers", "missing: the names of the servers of dns.zone")
    for index, name in enumerate(settings.name_servers):
        if not is_domain(name):
            problems.add(f"dns.name_servers[{index}]", f"{quoted(name)} is not a domain name")
    _check_server_addresses(settings, problems)


def _check_locations(config: Config, settings: DnsSettings, problems: Problems) -> None:
    known = {one.name for one in config.locations}
    seen: set[str] = set()
    for index, location in enumerate(settings.locations):
        where = f"dns.locations[{index}]"
        if location.name not in known:
            problems.add(
                f"{where}.name",
                f"{quoted(location.name)} is not a location (known: {listed(sorted(known))})",
                ProblemCode.UNKNOWN,
            )
        if location.name in seen:
            problems.add(f"{where}.name", f"{quoted(location.name)} is there twice")
        seen.add(location.name)
        _check_location(location, where, problems)


def _check_server_addresses(settings: DnsSettings, problems: Problems) -> None:
    zone = settings.zone.rstrip(".").lower()
    inside = {
        name.rstrip(".").lower()
        for name in settings.name_servers
        if f".{name.rstrip('.').lower()}".endswith(f".{zone}")
    }
    for name, addresses in settings.server_addresses.items():
        where = f"dns.server_addresses.{quoted(name)}"
        if name.rstrip(".").lower() not in inside:
            problems.add(where, "is no name server in dns.zone")
        if not addresses:
            problems.add(where, "empty")
        for address in addresses:
            if not _is_address(address):
                problems.add(where, f"{quoted(address)} is not an address")
    given = {name.rstrip(".").lower() for name in settings.server_addresses}
    for name in sorted(inside - given):
        problems.add("dns.server_addresses", f"{quoted(name)} is missing: it is in dns.zone itself")


def _check_location(location: DnsLocation, where: str, problems: Problems) -> None:
    if not location.addresses:
        problems.add(f"{where}.addresses", "empty: say where viewers reach it")
    if len(location.addresses) > ADDRESSES_MAX:
        problems.add(
            f"{where}.addresses", f"{len(location.addresses)} are more than {ADDRESSES_MAX}"
        )
    for number, address in enumerate(location.addresses):
        if not _is_address(address):
            problems.add(f"{where}.addresses[{number}]", f"{quoted(address)} is not an address")
    if location.coordinates:
        check_coordinates(location.coordinates, f"{where}.coordinates", problems)
    if location.country and not COUNTRY.fullmatch(location.country):
        problems.add(f"{where}.country", f'{quoted(location.country)} is not a country, like "DE"')


def check_coordinates(pair: tuple[float, ...], where: str, problems: Problems) -> None:
    """Latitude and longitude in degrees."""
    if len(pair) != 2 or not (abs(pair[0]) <= 90 and abs(pair[1]) <= 180):
        problems.add(where, "is not [latitude, longitude] in degrees (-90 to 90, -180 to 180)")


def _check_latency(row: DnsLatency, where: str, problems: Problems) -> None:
    for number, client in enumerate(row.clients):
        if client == "*" or COUNTRY.fullmatch(client) or CONTINENT.fullmatch(client):
            continue
        try:
            ip_network(client)
        except ValueError:
            problems.add(
                f"{where}.clients[{number}]",
                f'{quoted(client)} is not a network, a country, "continent:EU" or "*"',
            )
    for name, ms in row.ms.items():
        if not 0 <= ms <= 60_000:
            problems.add(f"{where}.ms.{name}", f"{ms:g} is outside 0 to 60000")


def _is_address(text: str) -> bool:
    try:
        return "%" not in text and bool(ip_address(text))
    except ValueError:
        return False
