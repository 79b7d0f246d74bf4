"""The answer to one query, from zones in memory. Law: whatever is asked, it costs a bounded walk.

Records are bytes made beforehand; what is decided for each query is which of them, by the client:
the subnet that a resolver tells (RFC 7871), else the resolver. An answer that would be the same for
everybody says so with scope 0.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
from ipaddress import ip_address, ip_network

from edgecache.dns.closeness import NO_LATENCIES, DnsClient, LatencyTable
from edgecache.dns.dnssec import NSEC, NXNAME
from edgecache.dns.message import (
    ClientSubnet,
    Query,
    Rcode,
    Sections,
    read_query,
    write_answer,
    write_error,
)
from edgecache.dns.names import ROOT, parent
from edgecache.dns.records import (
    AAAA,
    ANY,
    AXFR,
    CNAME,
    DS,
    HINFO,
    IXFR,
    NS,
    OPT,
    QUESTION_NAME,
    A,
    RecordData,
    record_data,
)
from edgecache.dns.route_memo import RouteMemo
from edgecache.dns.routing import RecordGroup, RoutingPolicy
from edgecache.dns.signed_answer import SignedName, one_set
from edgecache.dns.zone import DnsZone
from edgecache.rules.viewer.geo import NOWHERE, GeoPlace

ADDRESSES_MAX = 65_536  # of which the view is known
ADDRESS_BYTES = 200  # of one
VIEWS_MAX = 64  # of clients who are in different sets of networks
VIEW_ENTRY_BYTES = 170  # of a name and type, in each of these
IN = b"\0\x01"  # the class
CHAIN_MAX = 8  # CNAME records of one answer; resolvers follow about as many
ANY_TTL_S = 3_789  # any will do (RFC 8482 §4.2); Cloudflare's
_META_TYPES = range(128, 256)  # RFC 6895 §3.1, but for those that are known
_ANY = record_data(HINFO, ANY_TTL_S, [b"\x07RFC8482\0"])
PlaceOf = Callable[[str], GeoPlace]


def no_place(_address: str) -> GeoPlace:
    """Nothing is known of any address."""
    return NOWHERE


@dataclass(slots=True)
class ResponderWorld:
    """What answers depend on beside zones: chance, places, latencies, and what is down now.

    The latter two are replaced by others, and never changed: what follows from them is remembered.
    """

    draw: Callable[[], float]
    place_of: PlaceOf = no_place
    latencies: LatencyTable = NO_LATENCIES
    down: Collection[str] = frozenset()


@dataclass(slots=True, eq=False)
class _Asker:
    """Who asks one query, worked out when an answer depends on it."""

    query: Query
    address: str
    world: ResponderWorld
    view: ZoneView

    @property
    def subnet(self) -> ClientSubnet | None:
        """What counts of the subnet that was told: nothing by who sees private zones."""
        return None if self.view.is_private else self.query.subnet

    @property
    def key(self) -> object:
        """What tells it from others."""
        subnet = self.subnet
        return subnet if subnet is not None and subnet.bits else self.address

    @property
    def client(self) -> DnsClient:
        return client_of(self.subnet, self.address, self.world.place_of)


def client_of(subnet: ClientSubnet | None, address: str, place_of: PlaceOf) -> DnsClient:
    """Whom an answer is for. A subnet of no bits is a resolver's word for itself."""
    if subnet is not None and subnet.bits:
        told = subnet.whole
        return DnsClient(told, subnet.bits, place_of(str(ip_address(told))))
    own = ip_address(address.partition("%")[0])
    return DnsClient(own.packed, own.max_prefixlen, place_of(address))


class ZoneView:
    """The zones that some clients see, by apex; `quick` are the groups of names that exist."""

    __slots__ = ("is_private", "is_signed", "quick", "zones")

    def __init__(self, zones: Iterable[DnsZone]) -> None:
        self.zones: dict[bytes, DnsZone] = {zone.apex: zone for zone in zones}
        self.is_private = any(zone.clients for zone in self.zones.values())
        self.is_signed = any(zone.signer is not None for zone in self.zones.values())
        self.quick: dict[bytes, RecordGroup] = {}
        for zone in self.zones.values():
            for name, held in zone.names.items():
                if not held.cut and zone is self.zone_of(name):
                    for type, group in held.groups.items():
                        self.quick[name + type.to_bytes(2, "big") + IN] = group

    def zone_of(self, name: bytes) -> DnsZone | None:
        """The zone with the longest name that `name` is of."""
        zones = self.zones
        while (zone := zones.get(name)) is None:
            if name == ROOT:
                return None
            name = parent(name)
        return zone


class Responder:
    """Answers of the zones that it was told (`use`).

    A private zone is seen by who asks from one of its networks, in the place of a public one of its
    name. Of whom a resolver asks for nothing is believed there.
    """

    def __init__(self, world: ResponderWorld) -> None:
        self.world = world
        self._routes = RouteMemo(world)
        self.use([])

    def use(self, zones: Iterable[DnsZone]) -> None:
        """Answer by these zones from now on."""
        held = [*zones]
        self.zones = held
        self.public = ZoneView(zone for zone in held if not zone.clients)
        self._private = [
            (zone, tuple(map(ip_network, zone.clients))) for zone in held if zone.clients
        ]
        self._views: dict[frozenset[int], ZoneView] = {}
        self._view_of: dict[str, ZoneView] = {}
        self._routes.clear()

    @property
    def zones_bytes(self) -> int:
        """What zones hold, as estimated, with what there is for each view."""
        entries = sum(len(view.quick) for view in self._views.values())
        return sum(zone.size_bytes for zone in self.zones) + entries * VIEW_ENTRY_BYTES

    @property
    def remembered_bytes(self) -> int:
        """What is remembered of who asks, as estimated."""
        return len(self._view_of) * ADDRESS_BYTES + self._routes.size_bytes

    def view_of(self, address: str) -> ZoneView:
        """What who asks from `address` sees."""
        if not self._private:
            return self.public
        view = self._view_of.get(address)
        if view is None:
            view = self._find_view(address)
            if len(self._view_of) >= ADDRESSES_MAX:
                self._view_of.clear()
            self._view_of[address] = view
        return view

    def _find_view(self, address: str) -> ZoneView:
        own = ip_address(address.partition("%")[0])
        seen = frozenset(
            number
            for number, (_, networks) in enumerate(self._private)
            if any(own in network for network in networks)
        )
        if not seen:
            return self.public
        if seen not in self._views:
            if len(self._views) >= VIEWS_MAX:
                self._views.clear()
                self._view_of.clear()
            private = (self._private[number][0] for number in seen)
            self._views[seen] = ZoneView([*self.public.zones.values(), *private])
        return self._views[seen]

    def answer(self, data: bytes, address: str, bytes_max: int = 0) -> bytes | None:
        """The answer to a message from `address` (text); None: silence.

        `bytes_max` is the transport's bound; 0: what the query allows, as a datagram has it.
        """
        query = read_query(data)
        return None if query is None else self.answer_query(query, address, bytes_max)

    def answer_query(self, query: Query, address: str, bytes_max: int = 0) -> bytes:
        """As `answer`, of a query that is read already."""
        if query.rcode:
            return write_error(query, query.rcode)
        if query.is_signed:
            return write_error(query, Rcode.NOTAUTH)  # keys are for transfers (RFC 8945 §5.2)
        most = bytes_max or min(query.payload, 1_232)
        view = self.view_of(address)
        quick = view.quick.get(query.name + query.question[-4:])
        if quick is None or (query.dnssec and view.is_signed):
            return write_answer(query, self._sections(query, address, view), most)
        data = quick.candidates[0].data if quick.policy is RoutingPolicy.SIMPLE else None
        if data is None:
            sections, asker = Sections(), _Asker(query, address, self.world, view)
            self._add(sections, quick, QUESTION_NAME, asker)
            if not sections.answers:
                sections = self._sections(query, address, view)
            return write_answer(query, sections, most)
        orders, count = data.orders, len(data.tails)
        body = orders[int(self.world.draw() * len(orders))] if count > 1 else orders[0]
        return write_answer(query, Sections(answers=count, answer=body), most)

    def _sections(self, query: Query, address: str, view: ZoneView) -> Sections:
        type = query.type
        if type in (OPT, NXNAME, 0):  # the latter two are no types of records
            return Sections(Rcode.FORMERR, authoritative=False)
        zone = view.zone_of(query.name)
        if zone is None or type in (AXFR, IXFR):
            return Sections(Rcode.REFUSED, authoritative=False)
        if type in _META_TYPES and type != ANY:
            return Sections(Rcode.NOTIMP, authoritative=False)
        if type == DS and query.name == zone.apex and query.name != ROOT:
            above = view.zone_of(parent(query.name))
            zone = above if above is not None else zone  # a DS is the parent's (RFC 4035 §3.1.4.1)
        return self._chain(zone, query, _Asker(query, address, self.world, view))

    def _chain(self, zone: DnsZone, query: Query, asker: _Asker) -> Sections:
        """The answer for the name asked, and for those that CNAME records lead to."""
        sections, name, owner = Sections(), query.name, QUESTION_NAME
        for _ in range(CHAIN_MAX):
            held, holder = zone.find(name)
            signed = None
            if zone.signer is not None and query.dnssec:
                at = holder if held is not None and held.cut else name
                signed = SignedName(zone, zone.signer, at, held, made_up=holder != at)
            if held is None:
                return _negative(sections, zone, Rcode.NXDOMAIN, query, signed)
            if held.cut and not (query.type == DS and holder == name):
                return self._referral(sections, zone, holder, signed)
            if query.type == ANY or (query.type == NSEC and signed is not None):
                return _minimal(sections, query, owner, signed)
            group = held.groups.get(query.type) or held.groups.get(CNAME)
            target = None if group is None else self._add(sections, group, owner, asker, signed)
            if target is None:
                return _negative(sections, zone, Rcode.NOERROR, query, signed)
            if query.type in held.groups:
                return sections
            found = asker.view.zone_of(target)
            if found is None:
                return sections
            zone, name, owner = found, target, target
        return sections

    def _add(
        self,
        sections: Sections,
        group: RecordGroup,
        owner: bytes,
        asker: _Asker,
        signed: SignedName | None = None,
    ) -> bytes | None:
        """Add what the client is given of a group; gives the first value, a CNAME's target.

        None: it is given nothing.
        """
        first = group.candidates[0].data if group.policy is RoutingPolicy.SIMPLE else None
        chosen: Sequence[RecordData]
        if first is not None:
            chosen = (first,)
        else:
            chosen, of_client = self._routes.choose(group, asker.key, asker)
            if of_client and asker.subnet is not None:
                sections.scope = asker.subnet.bits
        if signed is not None and chosen:
            chosen = (one_set(chosen),)
        for data in chosen:
            sections.answers += len(data.tails)
            if owner == QUESTION_NAME:
                at = int(asker.world.draw() * len(data.orders)) if len(data.orders) > 1 else 0
                sections.answer += data.orders[at]
            else:
                sections.answer += data.owned(owner)
            if signed is not None:
                signed.sign(sections, owner, data)
        return chosen[0].values[0].lower() if chosen else None

    def _referral(
        self, sections: Sections, zone: DnsZone, cut: bytes, signed: SignedName | None
    ) -> Sections:
        """Who knows more: the delegation's servers, and their addresses where we have them."""
        sections.authoritative = sections.answers > 0
        servers = zone.names[cut].groups[NS].candidates[0].data
        assert servers is not None
        sections.authorities += len(servers.tails)
        sections.authority += servers.owned(cut)
        if signed is not None:
            signed.refer(sections)
        for server in servers.values:
            held = zone.names.get(server.lower())
            for type in (A, AAAA):
                group = None if held is None else held.groups.get(type)
                data = None if group is None else group.candidates[0].data
                if data is not None:
                    sections.additionals += len(data.tails)
                    sections.additional += data.owned(server)
        return sections


def _minimal(sections: Sections, query: Query, owner: bytes, signed: SignedName | None) -> Sections:
    """One record of a name that is asked for all: that it is not all; or for what denies."""
    if query.type == NSEC and signed is not None:
        signed.answer_nsec(sections, owner)
        return sections
    sections.answers += 1
    sections.answer += owner + _ANY.tails[0]
    if signed is not None:
        signed.sign(sections, owner, _ANY)
    return sections


def _negative(
    sections: Sections, zone: DnsZone, rcode: Rcode, query: Query, signed: SignedName | None
) -> Sections:
    if signed is None:
        sections.rcode = rcode
        sections.authorities = 1
        sections.authority = zone.negative
    elif query.type == NSEC and signed.held is None:
        signed.answer_nsec(sections, QUESTION_NAME if signed.name == query.name else signed.name)
    else:
        signed.deny(query, sections)
    return sections
