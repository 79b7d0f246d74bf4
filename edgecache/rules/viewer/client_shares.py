"""Client shares: which addresses are one client, and how many places of a kind each one holds.

Law: whatever is bounded by address is bounded by the network that `client_network` names.
"""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address

_HOST_BYTES = 8  # of an IPv6 address: a site has 2^64 of them to come from (RFC 4291 §2.5.4)


def client_network(address: str) -> str:
    """The client an address is counted as: itself, or of IPv6 its /64.

    An IPv4 address in an IPv6 one (RFC 4291 §2.5.5.2) is the IPv4 address. What is no address is
    itself; empty, of who comes over a socket file, stays empty.
    """
    if ":" not in address:
        return address
    try:
        whole = IPv6Address(address.partition("%")[0])
    except ValueError:
        return address
    if whole.ipv4_mapped is not None:
        return str(IPv4Address(whole.ipv4_mapped))
    return f"{IPv6Address(whole.packed[:-_HOST_BYTES] + bytes(_HOST_BYTES))}/64"
