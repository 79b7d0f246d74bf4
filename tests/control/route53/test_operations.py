"""All 83 operations: each acts, or says in the API's own form that it is not supported."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from botocore import xform_name
from botocore.exceptions import ClientError

from edgecache.control.route53.absent_resources import EMPTY
from edgecache.control.route53.model import RECORD_SETS_MAX, ZONES_MAX, route53
from edgecache.control.route53.operations import route53_actions
from tests.control.cloudfront.minimal import minimal
from tests.control.route53.zones import Zones

OPERATIONS = sorted(route53().operations)
PAGE = Path(__file__).resolve().parents[3] / "docs" / "route53.md"


def test_there_are_as_many_as_the_reference_says() -> None:
    assert len(OPERATIONS) >= 83  # of botocore 1.44.5; later ones add
    assert {*route53_actions()} <= {*OPERATIONS}


def test_the_page_counts_them_and_says_of_each_other_why_it_does_not_act() -> None:
    text = PAGE.read_text()
    acting = route53_actions()
    assert f"{len(acting)} of {len(OPERATIONS)} operations act" in " ".join(text.split())
    table = text.partition("| do not act | why |")[2].partition("\n\n")[0]
    rows = [row.strip("| ").split(" | ") for row in table.splitlines()[2:]]
    named = [name.strip("`, ") for names, _ in rows for name in names.split(", ")]
    assert sorted(named) == [name for name in OPERATIONS if name not in acting]
    assert all(why for _, why in rows)


@pytest.fixture(scope="module")
def walker(shared: Zones) -> Any:
    """One that sends what the model would not take."""
    return shared.desk.client(service="route53", validated=False)


@pytest.mark.parametrize("name", OPERATIONS)
def test_it_answers_in_the_form_botocore_reads(walker: Any, name: str) -> None:
    operation = route53().operations[name]
    call = getattr(walker, xform_name(name))
    try:
        answer: Any = call(**minimal(operation.takes))
        status, code = answer["ResponseMetadata"]["HTTPStatusCode"], ""
    except ClientError as error:
        answer = error.response
        status = answer["ResponseMetadata"]["HTTPStatusCode"]
        code = str(answer["Error"]["Code"])
    if name not in route53_actions():
        assert (status, code) == (501, "NotImplemented")
    elif code:
        assert (code in route53().statuses, status) == (True, route53().statuses[code])
    else:
        assert status == operation.status


def test_lists_of_what_cannot_be_made_are_empty(shared: Zones) -> None:
    zone = shared.client.list_hosted_zones()["HostedZones"][0]["Id"].rpartition("/")[2]
    for name in EMPTY:
        operation = route53().operations[name]
        needed = {one: zone for one in operation.takes.required_members if one == "HostedZoneId"}
        answer = getattr(shared.client, xform_name(name))(**needed)
        lists = [value for value in answer.values() if isinstance(value, list)]
        assert lists == [[]], name
    assert shared.client.get_traffic_policy_instance_count()["TrafficPolicyInstanceCount"] == 0


def test_limits_tell_what_is_used(zones: Zones) -> None:
    zone = zones.create("a.test")
    limit = zones.client.get_account_limit(Type="MAX_HOSTED_ZONES_BY_OWNER")
    assert (limit["Limit"]["Value"], limit["Count"]) == (ZONES_MAX, 2)
    held = zones.client.get_hosted_zone_limit(HostedZoneId=zone, Type="MAX_RRSETS_BY_ZONE")
    assert (held["Limit"]["Value"], held["Count"]) == (RECORD_SETS_MAX, 2)
    with pytest.raises(ClientError, match="HostedZoneNotPrivate"):
        zones.client.get_hosted_zone_limit(HostedZoneId=zone, Type="MAX_VPCS_ASSOCIATED_BY_ZONE")
    dnssec = zones.client.get_dnssec(HostedZoneId=zone)
    assert (dnssec["Status"]["ServeSignature"], dnssec["KeySigningKeys"]) == ("NOT_SIGNING", [])


def test_areas_are_listed_and_read(shared: Zones) -> None:
    found = []
    start: dict[str, Any] = {}
    while True:
        page = shared.client.list_geo_locations(**start)
        found += page["GeoLocationDetailsList"]
        if not page["IsTruncated"]:
            break
        members = ("ContinentCode", "CountryCode", "SubdivisionCode")
        start = {f"Start{m}": page[f"Next{m}"] for m in members if f"Next{m}" in page}
    assert found[0] == {"ContinentCode": "AF", "ContinentName": "Africa"}
    assert found[7] == {"CountryCode": "*", "CountryName": "Default"}
    assert len(found) == 7 + 1 + 246 + 51
    read = shared.client.get_geo_location(CountryCode="US", SubdivisionCode="CA")
    assert read["GeoLocationDetails"]["SubdivisionName"] == "California"
    with pytest.raises(ClientError, match="NoSuchGeoLocation"):
        shared.client.get_geo_location(CountryCode="BV")
