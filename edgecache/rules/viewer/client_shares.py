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


class ClientShares:
    """Requests of one kind under way, in all and by client."""

    __slots__ = ("_held", "total")

    def __init__(self) -> None:
        self._held: dict[str, int] = {}
        self.total = 0

    def has_room(self, network: str, each_max: int) -> bool:
        """Whether this client may have one more of at most `each_max`; "" is nobody's, and may."""
        return not network or self._held.get(network, 0) < each_max

    def take(self, network: str, each_max: int) -> bool:
        """Count one more of a client's, unless it has as many as it may; whether it was counted."""
        held = self._held.get(network, 0)
        if network and held >= each_max:
            return False
        self._held[network] = held + 1
        self.total += 1
        return True

    def give_back(self, network: str) -> None:
        """One that was counted has ended."""
        self.total -= 1
        held = self._held.pop(network) - 1
        if held:
            self._held[network] = held

    def __len__(self) -> int:
        """How many clients have any."""
        return len(self._held)
