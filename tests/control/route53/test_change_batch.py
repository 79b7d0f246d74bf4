"""Batches of changes: what they lead to, and each that is refused; all of a batch, or nothing."""

from __future__ import annotations

from typing import Any

import pytest

from edgecache.config.dns import made_label
from edgecache.control.route53.model import BATCH_CHARS_MAX, BATCH_RECORDS_MAX
from tests.control.route53.zones import Zones, alias, record

CLOUDFRONT = "Z2FDTNDATAQYW2"
SITE = f"{made_label('EFILE')}.cloudfront.net"
Change = tuple[str, dict[str, Any]]
OLD = record("old.example.test")
WEIGHTED = record("w.example.test", SetIdentifier="one", Weight=10)


@pytest.fixture
def zone(zones: Zones) -> str:
    return make_zone(zones)


@pytest.fixture(scope="module")
def shared_zone(shared: Zones) -> str:
    return make_zone(shared)


def make_zone(zones: Zones) -> str:
    made = zones.create("example.test")
    zones.change(made, ("CREATE", OLD), ("CREATE", WEIGHTED))
    return made


def test_a_batch_creates_replaces_and_deletes(zones: Zones, zone: str) -> None:
    zones.change(
        zone,
        ("CREATE", record("A.Example.test", "MX", "10 mail.example.test")),
        ("UPSERT", record("new.example.test", "TXT", '"a" "b\\052"')),
        ("UPSERT", WEIGHTED | {"Weight": 20}),
        ("DELETE", OLD),
        ("CREATE", alias("example.test", SITE, CLOUDFRONT)),
        ("CREATE", alias("led.example.test", "w.example.test", zone)),
    )
    assert zones.shown(zone) == [
        "example.test. A", "example.test. NS", "example.test. SOA", "a.example.test. MX",
        "led.example.test. A", "new.example.test. TXT", "w.example.test. A",
    ]  # fmt: skip
    found = {one["Name"]: one for one in zones.sets(zone)}
    assert found["w.example.test."]["Weight"] == 20
    assert found["led.example.test."]["AliasTarget"]["DNSName"] == "w.example.test."
    content = zones.desk.catalog.zones.content(zone)
    assert content is not None
    served = {one.name: one for one in content.records}
    assert served["a.example.test."].values == ("10 mail.example.test.",)  # whole, without its dot
    assert served["new.example.test."].values == ('"a" "b*"',)  # octal


def test_a_record_set_is_replaced_by_another_type_in_one_batch(zones: Zones, zone: str) -> None:
    changed = record("old.example.test", "CNAME", "w.example.test")
    zones.change(zone, ("CREATE", changed), ("DELETE", OLD))
    zones.change(zone, ("DELETE", changed), ("CREATE", changed | {"TTL": 5}))
    assert "old.example.test. CNAME" in zones.shown(zone)


def test_a_delete_names_what_is_there_in_any_order_and_case(zones: Zones, zone: str) -> None:
    zones.change(zone, ("CREATE", record("two.example.test", "A", "192.0.2.1", "192.0.2.2")))
    zones.change(zone, ("DELETE", record("TWO.example.test.", "A", "192.0.2.2", "192.0.2.1")))
    assert "two.example.test. A" not in zones.shown(zone)


REFUSED: list[tuple[Change, str]] = [
    (("CREATE", OLD), "[name='old.example.test', type='A'] but it already exists"),
    (("CREATE", WEIGHTED), "set-identifier='one'] but it already exists"),
    (("DELETE", record("x.example.test")), "type='A'] but it was not found"),
    (("DELETE", OLD | {"TTL": 5}), "but the values provided do not match the current values"),
    (("DELETE", record("old.example.test", "A", "192.0.2.7")), "do not match the current values"),
    (("CREATE", record("old.example.test", "CNAME", "a.test")), "as it conflicts with other"),
    (("CREATE", record("example.test", "CNAME", "a.test")), "is not permitted at apex in zone"),
    (("CREATE", record("x.other.test")), "x.other.test is not permitted in zone example.test."),
    (("CREATE", record("xexample.test")), "is not permitted in zone example.test."),
    (("CREATE", record("a.*.example.test")), "a * that is not the whole first label"),
    (("CREATE", record("x.example.test", "A", "192.0.2")), "not a valid IPv4 address)"),
    (("CREATE", record("x.example.test", "AAAA", "192.0.2.1")), "not a valid IPv6 address)"),
    (("CREATE", record("x.example.test", "TXT", "bare")), "should be enclosed in quotation marks"),
    (("CREATE", record("x.example.test", "TXT", f'"{"x" * 256}"')), "FATAL problem"),
    (("CREATE", record("x.example.test", "MX", "mail")), "FATAL problem"),
    (("CREATE", record("x.example.test", "A", "192.0.2.1", "192.0.2.1")), "Duplicate Resource"),
    (("CREATE", record("x.example.test", "CNAME", "a.test", "b.test")), "has one value"),
    (("CREATE", record("x.example.test", "SOA", "a. b. 1 2 3 4 5")), "type SOA"),
    (("CREATE", record("*.example.test", "NS", "a.test")), "a wildcard is no delegation"),
    (("CREATE", record("example.test", "DS", "1 13 2 " + "ab" * 32)), "type DS"),
    (("CREATE", record("w.example.test", SetIdentifier="one", Region="eu-west-1")), "exists"),
    (("CREATE", record("w.example.test", SetIdentifier="b", Region="eu-west-1")), "policy"),
    (("CREATE", record("w.example.test")), "policy"),
    (("CREATE", record("w.example.test", SetIdentifier="b", Weight=1, ttl=5)), "the same TTL"),
    (
        ("CREATE", record("x.example.test", "A", "192.0.2.1", "192.0.2.2", SetIdentifier="b",
                          Weight=1)),
        "one value",
    ),
    (("CREATE", record("x.example.test", SetIdentifier="b", Region="cn-north-1")), "where that is"),
    (
        ("CREATE", record("x.example.test", SetIdentifier="b", GeoLocation={"CountryCode": "BV"})),
        "no address is known",
    ),
    (("CREATE", record("x.example.test", "NS", "a.test", SetIdentifier="b", Weight=1)), "policy"),
    (("CREATE", alias("x.example.test", "old.example.test", "Z99")), "alias targets here"),
    (("CREATE", alias("x.example.test", "none.cloudfront.net", CLOUDFRONT)), "was not found"),
    (("CREATE", alias("x.example.test", SITE, CLOUDFRONT, "TXT")), "A and AAAA records alone"),
]  # fmt: skip


@pytest.mark.parametrize(("change", "message"), REFUSED)
def test_a_change_is_refused_and_the_batch_with_it(
    shared: Zones, shared_zone: str, change: Change, message: str
) -> None:
    zones, zone = shared, shared_zone
    before, seq = zones.sets(zone), zones.desk.log.last_seq
    code, told = zones.refused(zone, ("CREATE", record("fine.example.test")), change)
    assert code == "InvalidChangeBatch"
    assert told.startswith("[")
    assert message in told
    assert zones.sets(zone) == before
    assert zones.desk.log.last_seq == seq


UNREADABLE: list[tuple[dict[str, Any], str]] = [
    (alias("x.example.test", "a", "Z1") | record("x.example.test"), "found more than one in"),
    ({"Name": "x.example.test", "Type": "A"}, "but found none in Change with [Action=CREATE"),
    ({"Name": "x.example.test", "Type": "A", "TTL": 5}, "all of [TTL, and ResourceRecords]"),
    (record("x.example.test", Weight=1), "Missing field 'SetIdentifier'"),
    (record("x.example.test", SetIdentifier="a"), "but found none"),
    (record("x.example.test", SetIdentifier="a", Weight=1, Region="eu-west-1"), "more than one"),
    (record("x.example.test", TrafficPolicyInstanceId="a"), "not supported"),
    (record("x.example.test", AZAffinity={"LocationType": "Global"}), "not supported"),
    (
        record("x.example.test", SetIdentifier="a", GeoProximityLocation={"LocalZoneGroup": "a"}),
        "not supported",
    ),
]


@pytest.mark.parametrize(("given", "message"), UNREADABLE)
def test_members_that_do_not_go_together_are_refused(
    shared: Zones, shared_zone: str, given: dict[str, Any], message: str
) -> None:
    code, told = shared.refused(shared_zone, ("CREATE", given))
    assert code == "InvalidInput"
    assert message in told


def test_every_change_that_cannot_be_is_told(zones: Zones, zone: str) -> None:
    _, told = zones.refused(
        zone, ("CREATE", OLD), ("DELETE", record("x.example.test")),
        ("CREATE", record("example.test", "CNAME", "a.test")),
    )  # fmt: skip
    assert "already exists, " in told
    assert "was not found, " in told
    assert "at apex" in told


def test_the_records_of_the_zone_itself_stay(zones: Zones, zone: str) -> None:
    ns, soa = (one for one in zones.sets(zone) if one["Type"] in ("NS", "SOA"))
    assert "exactly one SOA record" in zones.refused(zone, ("DELETE", soa))[1]
    assert "at least one NS record" in zones.refused(zone, ("DELETE", ns))[1]
    zones.change(zone, ("UPSERT", ns | {"TTL": 60}), ("UPSERT", soa | {"TTL": 60}))


def test_a_name_that_an_alias_leads_to_stays(zones: Zones, zone: str) -> None:
    led = alias("led.example.test", "old.example.test", zone)
    zones.change(zone, ("CREATE", led))
    assert "targets old.example.test." in zones.refused(zone, ("DELETE", OLD))[1]
    zones.change(zone, ("DELETE", led), ("DELETE", OLD))


def test_aliases_do_not_lead_back(zones: Zones, zone: str) -> None:
    told = zones.refused(
        zone,
        ("CREATE", alias("a.example.test", "b.example.test", zone)),
        ("CREATE", alias("b.example.test", "a.example.test", zone)),
    )[1]
    assert "leads back" in told


def test_one_record_set_is_changed_once(zones: Zones, zone: str) -> None:
    new = record("x.example.test")
    code, told = zones.refused(zone, ("UPSERT", new), ("UPSERT", new))
    assert (code, "invalid set of changes" in told) == ("InvalidChangeBatch", True)


def test_multivalue_record_sets_share_the_ttl_given_last(zones: Zones, zone: str) -> None:
    one = record("m.example.test", SetIdentifier="a", MultiValueAnswer=True, ttl=60)
    other = record("m.example.test", "A", "192.0.2.2", SetIdentifier="b", MultiValueAnswer=True)
    zones.change(zone, ("CREATE", one))
    zones.change(zone, ("CREATE", other | {"TTL": 30}))
    found = [x for x in zones.sets(zone) if x["Name"] == "m.example.test."]
    assert [x["TTL"] for x in found] == [30, 30]


def test_a_batch_is_no_larger_than_aws_takes(zones: Zones, zone: str) -> None:
    values = [f"10.{n >> 8}.{n & 255}.1" for n in range(BATCH_RECORDS_MAX)]
    batch = [("UPSERT", record(f"h{n}.example.test", "A", *values[n : n + 100]))
             for n in range(0, 600, 100)]  # fmt: skip
    assert "limit of 1000" in zones.refused(zone, *batch)[1]  # an UPSERT counts twice
    zones.change(zone, *batch[:5])
    text = '"' + "x" * 250 + '" '
    long = [("CREATE", record(f"t{n}.example.test", "TXT", (text * 15).strip()))
            for n in range(BATCH_CHARS_MAX // 3_780 + 1)]  # fmt: skip
    assert "limit of 32000" in zones.refused(zone, *long)[1]
    zones.change(zone, *long[:-1])
