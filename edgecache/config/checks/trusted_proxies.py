"""Checks of a location's balancers: whose word on viewers counts, and whether that is meant so.

Law: nobody who is a stranger is trusted. What could be meant, but hardly is, is a warning.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator, Sequence

from edgecache.config.checks.access_lists import check_network
from edgecache.config.listen import tcp_address
from edgecache.config.model import Location
from edgecache.config.networks import Network, parse_network
from edgecache.config.problems import Problem, Problems, quoted

NETWORKS_MAX = 1_000  # of one location; CloudFront's own are some 200
_PREFIX_MIN = {4: 8, 6: 16}  # no provider has more addresses in one piece


def check_trusted_proxies(location: Location, where: str, problems: Problems) -> None:
    """Each is a network, and none is everybody: each viewer would choose its own address."""
    place = f"{where}.trusted_proxies"
    if len(location.trusted_proxies) > NETWORKS_MAX:
        problems.add(place, f"{len(location.trusted_proxies)} are more than {NETWORKS_MAX}")
    for index, text in enumerate(location.trusted_proxies):
        check_network(text, f"{place}[{index}]", problems)
        if text.endswith("/0"):
            everybody = "trusts everybody: any viewer would choose its own address"
            problems.add(
                f"{place}[{index}]", f"{quoted(text)} {everybody}; name the balancers' networks"
            )


def proxy_warnings(location: Location, where: str) -> Iterator[Problem]:
    """Who may say whom a connection or a request is of: too many, or the same ones twice."""
    trusted = location.trusted_proxies
    if location.proxy_protocol == "required" and not trusted:
        addresses = [tcp_address(text) for text in (location.listen, location.listen_tls) if text]
        if not all(address.is_loopback for address in addresses):
            yield Problem(
                f"{where}.proxy_protocol",
                "whoever reaches this port says who it is: name the balancers in trusted_proxies",
            )
    networks = [parse_network(text) for text in trusted]
    for index, text in enumerate(trusted):
        place = f"{where}.trusted_proxies[{index}]"
        network = ipaddress.ip_network(text)
        if network.is_global and network.prefixlen < _PREFIX_MIN[network.version]:
            yield Problem(place, f"{quoted(text)} trusts the addresses of many strangers")
        wider = _wider(networks, index)
        if wider is not None:
            yield Problem(place, f"{quoted(text)} is in {quoted(trusted[wider])} already")


def _wider(networks: Sequence[Network], index: int) -> int | None:
    """The place of a network that has all of this one; of two that are the same, the first's."""
    v6, first, after = own = networks[index]
    for other, (other_v6, start, end) in enumerate(networks):
        within = other_v6 == v6 and start <= first and after <= end
        if within and other != index and (networks[other] != own or other < index):
            return other
    return None
