"""Addresses of the API's origins. Law: whoever may call the API does not reach inside with it.

Loopback and private addresses are for those who write the file, or who say in it that the API may
have them; a socket of this machine, a link-local address and our own listeners are for nobody who
calls the API. What is written is judged here, where a name leads by the nodes that connect.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from typing import Any

from edgecache.config.checks.configuration import own_addresses
from edgecache.config.model import Config
from edgecache.config.origins import Reach
from edgecache.config.problems import quoted
from edgecache.control.state.resources import Resource, ResourceSource
from edgecache.rules.origin_addresses import Listeners, address_trouble

_SETTING = "set allow_private_origins = true in [control] of the configuration file to allow it"
_UNIX = "unix:"


def origin_reach(domain_name: str, private: bool) -> Reach:
    """The addresses an origin of the API's may have, where it may be `private`."""
    return "private" if private and not domain_name.startswith(_UNIX) else "public"


def origin_problems(document: dict[str, Any], file: Config) -> Iterator[tuple[str, str]]:
    """Each origin of a DistributionConfig that the API may not have: its place, and why not."""
    listeners = Listeners(own_addresses(file))
    private = file.control is not None and file.control.allow_private_origins
    for index, origin in enumerate(document.get("Origins", {}).get("Items", ())):
        trouble = _trouble(origin, private, listeners)
        if trouble:
            name = quoted(origin["DomainName"])
            yield f"Origins.Items[{index}].DomainName", f"{name} {trouble}"


def unreachable_origins(
    resources: Iterable[Resource], config: Config, file: Config
) -> Iterator[str]:
    """A line for each origin of the API's that is in `config`, and that no node will connect to.

    It was made under another file, or by a former version.
    """
    served = {one.id for one in config.distributions}
    for one in resources:
        if one.source is ResourceSource.API and one.id in served:
            for place, trouble in origin_problems(one.config, file):
                yield f"distribution {one.id} (made over the API): {place}: {trouble}"


def endpoint_trouble(host: str, ports: Collection[int], file: Config) -> str:
    """Why the API may not have nodes connect to `host`, a name or an address, at these ports.

    Empty: it may, or a name leads to an address that is judged when it is connected to.
    """
    private = file.control is not None and file.control.allow_private_origins
    return _host_trouble(host, ports, private, Listeners(own_addresses(file)))


def _trouble(origin: dict[str, Any], private: bool, listeners: Listeners) -> str:
    domain = origin["DomainName"]
    if domain.startswith(_UNIX):
        return "is a socket, which the configuration file alone may name"
    return _host_trouble(domain, _asked_ports(origin), private, listeners)


def _host_trouble(host: str, ports: Collection[Any], private: bool, listeners: Listeners) -> str:
    folded = host.lower().strip("[]").rstrip(".")
    if folded == "localhost" or folded.endswith(".localhost"):  # RFC 6761 §6.3
        folded = "127.0.0.1"
    try:
        own = any(isinstance(port, int) and listeners.has(folded, port) for port in ports)
        trouble = address_trouble(folded, "private") or ("an address of our own" if own else "")
        if trouble:
            return f"is {trouble}, which no origin may have"
        trouble = address_trouble(folded, origin_reach(host, private))
    except ValueError:
        return ""  # a name: where it leads is seen when it is connected to
    return f"is {trouble}, which the API may not name: {_SETTING}" if trouble else ""


def _asked_ports(origin: dict[str, Any]) -> set[Any]:
    ports = origin.get("CustomOriginConfig", {})
    # The other port may never be asked; what it would find is seen when it is connected to.
    policy = ports.get("OriginProtocolPolicy")
    if policy in ("http-only", "https-only"):
        return {ports.get("HTTPPort" if policy == "http-only" else "HTTPSPort")}
    return {ports.get("HTTPPort", 80), ports.get("HTTPSPort", 443)}
