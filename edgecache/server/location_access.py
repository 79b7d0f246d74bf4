"""Access to one location: whose connections it takes, and what its flow log hears of them.

Law: a list holds for every viewer of the location. Who connects is asked for at its accept, before
a byte is read. Where it stands for others it is let in, and each of them is asked for: by the PROXY
header, before TLS; behind a trusted proxy by request, which is answered 403. A set that changes
counts for the next connection, or request; who is connected stays so.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from edgecache.config.access_lists import AccessList
from edgecache.config.networks import AddressRanges
from edgecache.observe.counters import Counters
from edgecache.observe.flow_log import Endpoint
from edgecache.rules.viewer.access_list import AccessListMatcher, compile_access_list
from edgecache.rules.viewer.trusted_proxies import TrustedProxies
from edgecache.server.flow_monitor import FlowMonitor

PEER, VIEWER = "peer", "viewer"  # at which a list denied: the words of the counter
DENIED = "access_denied"  # the counter


class LocationAccess:
    """The access list and the flow log of the location `name`, for all of its listeners.

    Without `access_list` everybody is let in, without `flows` nothing is told. `proxies` stand for
    their viewers; with `proxied` connections begin with a PROXY header.
    """

    def __init__(self, name: str, counters: Counters, access_list: AccessList | None) -> None:
        self.flows: FlowMonitor | None = None
        self.proxied = False
        self.proxies: TrustedProxies | None = None
        self._name = name
        self.counters = counters
        self._access_list = access_list
        self._matcher: AccessListMatcher | None = None

    def use(self, ip_sets: Mapping[str, AddressRanges]) -> None:
        """Ask by these sets from now on."""
        if self._access_list is not None:
            self._matcher = compile_access_list(self._access_list, ip_sets)

    @property
    def has_list(self) -> bool:
        """Whether anybody may be denied."""
        return self._access_list is not None

    def admits_peer(self, sock: Any, peer: Endpoint) -> bool:
        """Whether who has connected is let in, before a byte of it is read."""
        if self.proxied and self.proxies is None:  # the header says who is asked for
            return True
        if self._admits(peer[0], PEER):
            return True
        if self.flows is not None:
            self.flows.reject(sock, peer)
        return False

    def enters(self, connection: object, sock: Any, peer: Endpoint) -> bool:
        """As `admits_peer`, of a connection that is its viewer's from its accept on."""
        if not self.admits_peer(sock, peer):
            return False
        if self.flows is not None:
            self.flows.open(connection, sock, peer)
        return True

    def leaves(self, connection: object, *, broken: bool, ended: bool) -> None:
        """A viewer's connection is over; see `FlowMonitor.close`."""
        if self.flows is not None:
            self.flows.close(connection, broken=broken, ended=ended)

    def admits(self, connection: object, viewer: Endpoint, *, named: bool) -> bool:
        """Whether the viewer of a connection is let in, now that it is known.

        `named`: by its PROXY header. One that names nobody makes the sender the viewer, who is
        asked for like any other: nobody's request follows by which another could be.
        """
        admitted = self._admits(viewer[0], VIEWER) if named else self._decides(viewer[0], VIEWER)
        if self.flows is not None:
            self.flows.identify(connection, viewer, accepted=admitted)
        return admitted

    def admits_request(self, address: str) -> bool:
        """Whether a trusted proxy's viewer is let in: itself, if it names nobody."""
        return self._decides(address, VIEWER)

    def _admits(self, address: str, at: str) -> bool:
        if self.proxies is not None and self.proxies.trusts(address):
            return True
        return self._decides(address, at)

    def _decides(self, address: str, at: str) -> bool:
        """What the list says; if that is no, it is counted."""
        if self._access_list is None:
            return True
        if self._matcher is not None and self._matcher.admits(address):
            return True
        self.counters.labeled[DENIED].labels(self._name, at).value += 1
        return False
