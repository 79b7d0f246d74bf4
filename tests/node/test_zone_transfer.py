"""Transfers of zones, taken by dnspython: whole, as differences, signed; and who gets none."""

from __future__ import annotations

import asyncio
import random
from typing import Any

import dns.flags
import dns.message
import dns.rcode
import dns.rdatatype
import dns.tsig
import dns.versioned
import dns.xfr
import dns.zone
import pytest

from edgecache.config.dns import DnsRecord, DnsSettings, DnsTransferKey, DnsZoneSettings
from edgecache.config.zone_records import rdata_wire
from edgecache.dns.responder import Responder, ResponderWorld
from edgecache.dns.user_zone import ZoneContext, user_zone
from edgecache.node import zone_transfer
from edgecache.node.zone_transfer import ZoneTransfers

SECRET = "c2VjcmV0IG9mIGEgdGVzdA=="
KEY = dns.tsig.Key("key.", SECRET)
SECONDARY = "192.0.2.5"


class Primary:
    """A zone with transfers, as its configuration changes."""

    def __init__(self, **settings: Any) -> None:
        self.settings = settings
        self.responder = Responder(ResponderWorld(random.Random(1).random))
        self.transfers = ZoneTransfers(self.responder, {"env:KEY": SECRET.encode()}.__getitem__)

    def publish(self, serial: int, *addresses: str) -> None:
        record = DnsRecord(name="www", type="A", values=addresses)
        many = [DnsRecord(name=f"n{n}", type="A", values=("192.0.2.9",)) for n in range(250)]
        zone = DnsZoneSettings(name="users.test", records=(record, *many), **self.settings)
        context = ZoneContext(rdata_wire, {}, (), (), ("ns1.other.test",), serial)
        self.responder.use([user_zone(zone, context)])
        settings = DnsSettings(
            listen=("127.0.0.1:53",),
            zones=(zone,),
            transfer_keys=(DnsTransferKey(name="key", secret="env:KEY"),),
        )
        self.transfers.use(settings, self.responder.public.zones, tells=False)

    def messages(self, query: dns.message.Message, address: str = SECONDARY) -> list[bytes]:
        async def taken() -> list[bytes]:
            wire = query.to_wire()
            return [one async for one in self.transfers.transfer(wire, address)]

        return asyncio.run(taken())


def taken(primary: Primary, into: dns.zone.Zone, *, signed: bool = False) -> dns.zone.Zone:
    """The zone that a secondary has, after it has asked for what is new."""
    query, serial = dns.xfr.make_query(into, keyring=KEY if signed else None)
    context = None
    with dns.xfr.Inbound(into, query.question[0].rdtype, serial) as inbound:
        for wire in primary.messages(query):
            message = dns.message.from_wire(
                wire, keyring=KEY if signed else None, request_mac=query.mac or b"",
                xfr=True, tsig_ctx=context, multi=signed, origin=into.origin,
                one_rr_per_rrset=query.question[0].rdtype == dns.rdatatype.IXFR,
            )  # fmt: skip
            context = message.tsig_ctx
            done = inbound.process_message(message)
        assert done
    return into


def empty() -> dns.zone.Zone:
    return dns.versioned.Zone("users.test")


def addresses(zone: dns.zone.Zone) -> list[str]:
    return sorted(map(str, zone.find_rdataset("www", "A")))


@pytest.mark.parametrize("signed", [False, True])
def test_a_zone_is_taken_whole_and_then_its_differences(signed: bool) -> None:
    primary = Primary(transfer_key="key") if signed else Primary(transfer_to=("192.0.2.0/24",))
    primary.publish(1, "192.0.2.1", "192.0.2.2")
    zone = taken(primary, empty(), signed=signed)
    assert addresses(zone) == ["192.0.2.1", "192.0.2.2"]
    assert len(zone.nodes) == 252
    primary.publish(2, "192.0.2.2", "192.0.2.3")
    query, _ = dns.xfr.make_query(zone, keyring=KEY if signed else None)
    (message,) = primary.messages(query)  # the whole would be three
    assert len(message) < 1_000
    assert addresses(taken(primary, zone, signed=signed)) == ["192.0.2.2", "192.0.2.3"]
    (same,) = primary.messages(dns.xfr.make_query(zone, keyring=KEY if signed else None)[0])
    assert same[6:8] == b"\0\x01"  # one record: its SOA


def test_who_has_an_older_version_than_is_known_gets_the_whole(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(zone_transfer, "VERSIONS_MAX", 2)
    primary = Primary(transfer_to=("192.0.2.0/24",))
    primary.publish(1, "192.0.2.1")
    zone = taken(primary, empty())
    for serial in (2, 3, 4):
        primary.publish(serial, f"192.0.2.{serial}")
    assert len(primary.messages(dns.xfr.make_query(zone)[0])) == 3
    assert addresses(taken(primary, zone)) == ["192.0.2.4"]


def test_versions_are_bounded_by_their_records(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(zone_transfer, "HISTORY_RECORDS_MAX", 300)
    primary = Primary(transfer_to=("192.0.2.0/24",))
    for serial in range(1, 6):
        primary.publish(serial, f"192.0.2.{serial}")
    (versions,) = primary.transfers._versions.values()
    assert [one.serial for one in versions] == [4, 5]


@pytest.mark.parametrize(
    ("settings", "address", "signs", "rcode"),
    [
        ({}, SECONDARY, False, dns.rcode.REFUSED),
        ({"notify": ("127.0.0.1:53",)}, SECONDARY, False, dns.rcode.REFUSED),
        ({"transfer_to": ("192.0.2.0/24",)}, "198.51.100.1", False, dns.rcode.REFUSED),
        ({"transfer_key": "key"}, SECONDARY, False, dns.rcode.REFUSED),
        ({"transfer_key": "key", "transfer_to": ("192.0.2.0/24",)}, "::1", True, dns.rcode.REFUSED),
    ],
)
def test_who_may_not_gets_nothing(
    settings: dict[str, Any], address: str, signs: bool, rcode: dns.rcode.Rcode
) -> None:
    primary = Primary(**settings)
    primary.publish(1, "192.0.2.1")
    query = dns.message.make_query("users.test", "AXFR")
    if signs:
        query.use_tsig(KEY)
    (answer,) = primary.messages(query, address)
    read = dns.message.from_wire(answer)
    assert (read.rcode(), read.answer) == (rcode, [])


def test_another_key_is_not_taken() -> None:
    primary = Primary(transfer_key="key")
    primary.publish(1, "192.0.2.1")
    for other in (dns.tsig.Key("key.", "b3RoZXI="), dns.tsig.Key("other.", "b3RoZXI=")):
        query = dns.message.make_query("users.test", "AXFR")
        query.use_tsig(other)
        (answer,) = primary.messages(query)
        assert answer[3] & 0xF == dns.rcode.NOTAUTH
        query = dns.message.make_query("users.test", "SOA")
        query.use_tsig(other)
        assert primary.transfers.signed(query.to_wire(), SECONDARY, 0)[3] & 0xF == dns.rcode.NOTAUTH


def test_a_signed_query_has_a_signed_answer() -> None:
    primary = Primary(transfer_key="key")
    primary.publish(8, "192.0.2.1")
    query = dns.message.make_query("users.test", "SOA")
    query.use_tsig(KEY)
    answer = primary.transfers.signed(query.to_wire(), SECONDARY, 0)
    read = dns.message.from_wire(answer, keyring=KEY, request_mac=query.mac)
    assert read.had_tsig
    assert read.answer[0][0].serial == 8


def test_versions_are_counted_in_memory() -> None:
    primary = Primary(transfer_to=("192.0.2.0/24",))
    assert primary.transfers.size_bytes == 0
    sizes = []
    for serial in range(1, 2 * zone_transfer.VERSIONS_MAX):
        primary.publish(serial, f"192.0.2.{serial}")
        sizes.append(primary.transfers.size_bytes)
    assert sizes[0] > 250 * zone_transfer.RECORD_BYTES
    assert sizes[1] > 1.9 * sizes[0]
    assert max(sizes) == sizes[-1] == zone_transfer.VERSIONS_MAX * sizes[0]
