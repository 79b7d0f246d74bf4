"""Record sets listed in Route 53's order, a page at a time, from any of its three cursors."""

from __future__ import annotations

import pytest
from botocore.exceptions import ClientError

from tests.control.route53.zones import Zones, code_of, record


@pytest.fixture(scope="module")
def zones(shared: Zones) -> Zones:
    return shared


@pytest.fixture(scope="module")
def zone(zones: Zones) -> str:
    made = zones.create("example.test")
    sets = [
        record("b.example.test"),
        record("b.example.test", "AAAA", "2001:db8::1"),
        record("a.b.example.test"),
        record("b-c.example.test"),
        record("*.example.test"),
        record("w.example.test", SetIdentifier="one", Weight=1),
        record("w.example.test", "A", "192.0.2.2", SetIdentifier="two", Weight=1),
    ]
    zones.change(made, *(("CREATE", one) for one in sets))
    return made


ORDER = [
    "example.test. NS",
    "example.test. SOA",
    "b-c.example.test. A",  # `-` comes before `.`, as text
    "b.example.test. A",
    "b.example.test. AAAA",
    "a.b.example.test. A",
    "w.example.test. A",
    "w.example.test. A",
]


def test_names_are_listed_from_the_right(zones: Zones, zone: str) -> None:
    shown = zones.shown(zone)
    assert [one for one in shown if not one.startswith("\\")] == ORDER
    assert "\\052.example.test. A" in shown


@pytest.mark.parametrize("size", [1, 2, 3, 300])
def test_pages_follow_each_other(zones: Zones, zone: str, size: int) -> None:
    pages = zones.client.get_paginator("list_resource_record_sets").paginate(
        HostedZoneId=zone, PaginationConfig={"PageSize": size}
    )
    found = [one for page in pages for one in page["ResourceRecordSets"]]
    assert found == zones.sets(zone)
    assert len(found) == 9


@pytest.mark.parametrize(
    ("start", "first"),
    [
        ({"StartRecordName": "b.example.test"}, "b.example.test. A"),
        ({"StartRecordName": "B.example.test."}, "b.example.test. A"),
        ({"StartRecordName": "b.example.test", "StartRecordType": "AAAA"}, "b.example.test. AAAA"),
        ({"StartRecordName": "b.example.test", "StartRecordType": "TXT"}, "a.b.example.test. A"),
        ({"StartRecordName": "*.example.test"}, "\\052.example.test. A"),
        ({"StartRecordName": "c.example.test"}, "w.example.test. A"),
    ],
)
def test_a_page_begins_where_it_is_asked_to(
    zones: Zones, zone: str, start: dict[str, str], first: str
) -> None:
    assert zones.shown(zone, **start)[0] == first


def test_an_identifier_is_a_cursor(zones: Zones, zone: str) -> None:
    start = {"StartRecordName": "w.example.test", "StartRecordType": "A"}
    (found,) = zones.sets(zone, **start, StartRecordIdentifier="two")
    assert found["SetIdentifier"] == "two"


@pytest.mark.parametrize(
    "start", [{"StartRecordType": "A"}, {"StartRecordName": "a", "StartRecordIdentifier": "a"}]
)
def test_a_cursor_is_whole(zones: Zones, zone: str, start: dict[str, str]) -> None:
    with pytest.raises(ClientError) as refused:
        zones.client.list_resource_record_sets(HostedZoneId=zone, **start)
    assert code_of(refused.value) == "InvalidInput"
