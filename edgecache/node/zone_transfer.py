"""Zone transfers to secondaries: AXFR (RFC 5936), IXFR (RFC 1995), NOTIFY (RFC 1996), by TSIG.

Law: a zone leaves by the key and to the addresses that it names, and nobody else learns whether it
could. Differences are kept of the last few versions, as long as this process lives; who has an
older one is sent the whole. Messages are dnspython's: nothing here is on the way of a query.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import random
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from ipaddress import ip_address, ip_network
from typing import Any

from edgecache.config.dns import DnsSettings, DnsZoneSettings
from edgecache.config.listen import tcp_address
from edgecache.dns.message import Rcode, read_query, write_error
from edgecache.dns.names import absolute_wire, to_text
from edgecache.dns.records import IXFR, SOA
from edgecache.dns.responder import Responder
from edgecache.dns.zone import DnsZone

logger = logging.getLogger("edgecache.dns")

VERSIONS_MAX = 8  # of a zone, whose differences can be told
HISTORY_RECORDS_MAX = 200_000  # of all versions of all zones
RECORD_BYTES = 150  # of a row beside its data
MESSAGE_RECORDS_MAX = 100  # of one message: below 64 KiB, unless values are large
MESSAGE_BYTES_MAX = 32_768
SAME_SERIAL = "it has changed and its serial has not: secondaries do not ask for it"
NOTIFY_TRIES = 6
NOTIFY_S = 1.0  # before the second try; doubled each time
Row = tuple[bytes, int, int, bytes]
"""A record: owner, type, TTL, and its data on the wire."""
ReadSecret = Callable[[str], bytes]
"""The base64 at a reference, `env:NAME` or `file:PATH`. OSError, ValueError."""


@dataclass(frozen=True, slots=True)
class _Version:
    serial: int
    soa: Row
    rows: frozenset[Row]  # without the SOA record


class ZoneTransfers:
    """Transfers of one process's zones, and the messages it is sent that are signed."""

    def __init__(self, responder: Responder, read_secret: ReadSecret) -> None:
        self._responder = responder
        self._read_secret = read_secret
        self._settings: dict[bytes, DnsZoneSettings] = {}
        self._versions: dict[bytes, list[_Version]] = {}
        self._keys: dict[Any, Any] = {}  # dnspython's, by name
        self._notices: set[asyncio.Task[None]] = set()
        self._size_bytes = 0

    def use(self, settings: DnsSettings, zones: Mapping[bytes, DnsZone], *, tells: bool) -> None:
        """Transfer these zones from now on; with `tells` secondaries hear what has changed."""
        wanted = {
            absolute_wire(one.name): one
            for one in settings.zones
            if one.transfer_to or one.transfer_key or one.notify
        }
        self._keys = self._read_keys(settings) if wanted else {}
        self._settings = wanted
        self._versions = {apex: self._versions.get(apex, []) for apex in wanted if apex in zones}
        for apex, versions in self._versions.items():
            newest = _version(zones[apex])
            if versions and versions[-1].serial == newest.serial:
                if versions[-1].rows != newest.rows:
                    logger.warning("%s: %s", to_text(apex), SAME_SERIAL)
                versions[-1] = newest
                continue
            versions.append(newest)
            del versions[:-VERSIONS_MAX]
            if tells and wanted[apex].notify:
                self._tell(apex, wanted[apex])
        self._make_room()
        held = (one.rows for versions in self._versions.values() for one in versions)
        self._size_bytes = sum(len(rows) for rows in held) * RECORD_BYTES

    @property
    def size_bytes(self) -> int:
        """See `TransferSource`."""
        return self._size_bytes

    def _make_room(self) -> None:
        """Forget the oldest versions, as many as are too many."""
        held = [one for versions in self._versions.values() for one in versions[:-1]]
        left = HISTORY_RECORDS_MAX - sum(len(one.rows) for one in held)
        for versions in self._versions.values():
            while left < 0 and len(versions) > 1:
                left += len(versions.pop(0).rows)

    def _read_keys(self, settings: DnsSettings) -> dict[Any, Any]:
        import dns.name
        import dns.tsig

        keys = {}
        for key in settings.transfer_keys:
            try:
                secret = self._read_secret(key.secret).decode("ascii").strip()
                made = dns.tsig.Key(key.name, secret, key.algorithm)
            except (OSError, ValueError) as error:
                logger.error("transfer key %s: %s: %s", key.name, key.secret, error)
                continue
            keys[made.name] = made
        return keys

    def signed(self, message: bytes, address: str, bytes_max: int) -> bytes:
        """The answer to a signed query, signed by the same key; a bad signature is NOTAUTH."""
        query = read_query(message)
        assert query is not None
        if not self._keys:
            return write_error(query, Rcode.NOTAUTH)
        import dns.exception
        import dns.message

        try:
            asked = dns.message.from_wire(message, keyring=self._keys)
        except (dns.exception.DNSException, KeyError, ValueError):
            return write_error(query, Rcode.NOTAUTH)
        query.is_signed = False
        room = max(512, (bytes_max or query.payload) - 256)  # for the signature
        answer = dns.message.from_wire(self._responder.answer_query(query, address, room))
        key = self._keys[asked.keyname]
        answer.use_tsig(key)
        answer.request_mac = asked.mac or b""
        return answer.to_wire()

    async def transfer(self, message: bytes, address: str) -> AsyncIterator[bytes]:
        """See `TransferSource`."""
        query = read_query(message)
        assert query is not None
        if query.name not in self._versions:
            yield write_error(query, Rcode.REFUSED)
            return
        import dns.exception
        import dns.message

        try:
            asked = dns.message.from_wire(message, keyring=self._keys)
        except (dns.exception.DNSException, KeyError, ValueError):
            yield write_error(query, Rcode.NOTAUTH if query.is_signed else Rcode.FORMERR)
            return
        if not self._may(query.name, asked, address):
            logger.warning("a transfer of %s to %s is refused", to_text(query.name), address)
            yield write_error(query, Rcode.REFUSED)
            return
        rows = _transfer_rows(self._versions[query.name], asked, is_ixfr=query.type == IXFR)
        context = None
        for part in _parts(rows):
            answer, context = _written(asked, part, self._keys, context)
            yield answer
            await asyncio.sleep(0)  # a turn for queries

    def _may(self, apex: bytes, asked: Any, address: str) -> bool:
        settings = self._settings.get(apex)
        if settings is None or not (settings.transfer_to or settings.transfer_key):
            return False
        if settings.transfer_key:
            import dns.name

            if not asked.had_tsig or asked.keyname != dns.name.from_text(settings.transfer_key):
                return False
        own = ip_address(address.partition("%")[0])
        networks = map(ip_network, settings.transfer_to)
        return not settings.transfer_to or any(own in network for network in networks)

    def _tell(self, apex: bytes, settings: DnsZoneSettings) -> None:
        with contextlib.suppress(RuntimeError):  # no loop runs yet: it will be told at the start
            loop = asyncio.get_running_loop()
            for text in settings.notify:
                task = loop.create_task(self._notify(apex, settings.transfer_key, text))
                self._notices.add(task)
                task.add_done_callback(self._notices.discard)

    def tell_all(self) -> None:
        """Tell every secondary what there is: this process has begun."""
        for apex, settings in self._settings.items():
            if settings.notify:
                self._tell(apex, settings)

    async def _notify(self, apex: bytes, key: str, text: str) -> None:
        """Send a NOTIFY until it is answered, a few times (RFC 1996 §3.6)."""
        import dns.name

        address = tcp_address(text)
        message = _notice(apex)
        known = self._keys.get(dns.name.from_text(key)) if key else None
        if known is not None:
            message.use_tsig(known)
        wire = message.to_wire()
        loop = asyncio.get_running_loop()
        answered: asyncio.Future[None] = loop.create_future()
        try:
            transport, _ = await loop.create_datagram_endpoint(
                lambda: _Notice(wire[:2], answered), remote_addr=(address.host, address.port)
            )
        except OSError as error:
            logger.warning("NOTIFY to %s: %s", address, error)
            return
        try:
            for number in range(NOTIFY_TRIES):
                transport.sendto(wire)
                await asyncio.wait([answered], timeout=NOTIFY_S * (1 << number))
                if answered.done():
                    return
            logger.warning("NOTIFY of %s to %s was not answered", to_text(apex), address)
        finally:
            transport.close()


class _Notice(asyncio.DatagramProtocol):
    """Waits for the answer to a NOTIFY."""

    def __init__(self, id: bytes, answered: asyncio.Future[None]) -> None:
        self._id, self._answered = id, answered

    def datagram_received(self, data: bytes, addr: Any) -> None:
        if data[:2] == self._id and len(data) > 2 and data[2] & 0x80 and not self._answered.done():
            self._answered.set_result(None)

    def error_received(self, exc: Exception) -> None:
        """Nobody is there yet; the next try may meet somebody."""


def _notice(apex: bytes) -> Any:
    import dns.flags
    import dns.message
    import dns.opcode

    message = dns.message.make_query(to_text(apex), "SOA", id=random.getrandbits(16))
    message.set_opcode(dns.opcode.NOTIFY)
    message.flags |= dns.flags.AA
    message.flags &= ~dns.flags.RD
    return message


def zone_rows(zone: DnsZone) -> Iterator[Row]:
    """Every record of a zone whose records are the same for everybody."""
    for name, held in zone.names.items():
        for type, group in held.groups.items():
            for candidate in group.candidates:
                if candidate.data is not None:
                    for value in candidate.data.values:
                        yield name, type, candidate.data.ttl_s, value


def _version(zone: DnsZone) -> _Version:
    rows = frozenset(zone_rows(zone))
    (soa,) = (row for row in rows if row[1] == SOA)
    return _Version(zone.serial, soa, rows - {soa})


def _transfer_rows(versions: list[_Version], asked: Any, *, is_ixfr: bool) -> Iterator[Row]:
    """The records of a transfer, in their order; of an IXFR one difference, where it is known."""
    newest = versions[-1]
    if is_ixfr and asked.authority:
        theirs = asked.authority[0][0].serial
        if theirs == newest.serial:
            yield newest.soa
            return
        former = next((one for one in versions if one.serial == theirs), None)
        if former is not None:
            yield newest.soa
            yield former.soa
            yield from sorted(former.rows - newest.rows)
            yield newest.soa
            yield from sorted(newest.rows - former.rows)
            yield newest.soa
            return
    yield newest.soa
    yield from sorted(newest.rows)
    yield newest.soa


def _parts(rows: Iterable[Row]) -> Iterator[list[Row]]:
    """The records of each message."""
    part: list[Row] = []
    size = 0
    for row in rows:
        if part and (len(part) >= MESSAGE_RECORDS_MAX or size + len(row[3]) > MESSAGE_BYTES_MAX):
            yield part
            part, size = [], 0
        part.append(row)
        size += len(row[0]) + len(row[3]) + 16
    if part:
        yield part


def _written(
    asked: Any, part: list[Row], keys: Mapping[Any, Any], context: Any
) -> tuple[bytes, Any]:
    """One message of a transfer, signed where the query was; and what signs the next one."""
    import dns.flags
    import dns.message
    import dns.name
    import dns.rdata
    import dns.rdatatype
    import dns.rrset

    answer = dns.message.make_response(asked, tsig_error=0)
    answer.flags |= dns.flags.AA
    for owner, type, ttl_s, value in part:
        name, _ = dns.name.from_wire(owner, 0)
        rdata = dns.rdata.from_wire("IN", dns.rdatatype.RdataType(type), value, 0, len(value))
        answer.answer.append(dns.rrset.from_rdata(name, ttl_s, rdata))
    if asked.had_tsig:
        answer.use_tsig(keys[asked.keyname])
        answer.request_mac = asked.mac
    wire = answer.to_wire(max_size=65_535, multi=True, tsig_ctx=context)
    return wire, answer.tsig_ctx
