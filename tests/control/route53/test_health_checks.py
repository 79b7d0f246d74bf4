"""Health checks over the API: made, changed, named by records, and what locations say of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, cast

import pytest
from botocore.exceptions import ClientError

from edgecache.control.state.compose import health_check_of
from edgecache.control.state.resources import ResourceKind
from edgecache.health.verdict import CheckerOpinion
from tests.control.route53.zones import Zones, code_of, record

CONFIG = {"Type": "HTTP", "IPAddress": "198.51.100.7", "ResourcePath": "/up", "Port": 8080}


def create(zones: Zones, reference: str = "one", **more: Any) -> str:
    answer = zones.client.create_health_check(
        CallerReference=reference, HealthCheckConfig=CONFIG | more
    )
    return str(answer["HealthCheck"]["Id"])


def test_a_health_check_is_made_changed_listed_and_deleted(zones: Zones) -> None:
    id = create(zones)
    assert create(zones) == id  # the same reference and settings
    read = zones.client.get_health_check(HealthCheckId=id)["HealthCheck"]
    assert (read["HealthCheckVersion"], read["HealthCheckConfig"]["ResourcePath"]) == (1, "/up")
    changed = zones.client.update_health_check(
        HealthCheckId=id, HealthCheckVersion=1, FailureThreshold=5, ResetElements=["ResourcePath"]
    )["HealthCheck"]
    assert changed["HealthCheckVersion"] == 2
    config = changed["HealthCheckConfig"]
    assert (config["FailureThreshold"], config["ResourcePath"]) == (5, "/")
    assert zones.client.list_health_checks()["HealthChecks"] == [changed]
    assert zones.client.get_health_check_count()["HealthCheckCount"] == 1
    zones.client.change_tags_for_resource(
        ResourceType="healthcheck", ResourceId=id, AddTags=[{"Key": "Name", "Value": "web"}]
    )
    told = zones.client.list_tags_for_resource(ResourceType="healthcheck", ResourceId=id)
    assert told["ResourceTagSet"]["Tags"] == [{"Key": "Name", "Value": "web"}]
    zones.client.delete_health_check(HealthCheckId=id)
    assert zones.client.list_health_checks()["HealthChecks"] == []


def test_what_is_refused(zones: Zones) -> None:
    id = create(zones)
    calls: list[tuple[Any, dict[str, Any], str]] = [
        (create, {"Port": 81}, "HealthCheckAlreadyExists"),
        (create, {"reference": "b", "MeasureLatency": True}, "InvalidInput"),
        (create, {"reference": "b", "Type": "CLOUDWATCH_METRIC"}, "InvalidInput"),
        (create, {"reference": "b", "Regions": ["us-east-1"] * 3}, "InvalidInput"),
    ]
    for call, given, code in calls:
        with pytest.raises(ClientError) as refused:
            call(zones, **given)
        assert code_of(refused.value) == code
    with pytest.raises(ClientError, match="HealthCheckVersionMismatch"):
        zones.client.update_health_check(HealthCheckId=id, HealthCheckVersion=7, Port=81)
    with pytest.raises(ClientError, match="NoSuchHealthCheck"):
        zones.client.get_health_check(HealthCheckId="none")


def test_a_record_goes_by_a_health_check_and_holds_it(zones: Zones) -> None:
    id, zone = create(zones), zones.create("example.test")
    one = record("www.example.test", SetIdentifier="a", Failover="PRIMARY", HealthCheckId=id)
    unknown = one | {"HealthCheckId": "none"}
    assert zones.refused(zone, ("CREATE", unknown))[0] == "NoSuchHealthCheck"
    zones.change(zone, ("CREATE", one))
    content = zones.desk.catalog.zones.content(zone)
    assert content is not None
    assert {one.health_check for one in content.records} == {"", id}
    with pytest.raises(ClientError, match=zone) as refused:
        zones.client.delete_health_check(HealthCheckId=id)
    assert code_of(refused.value) == "HealthCheckInUse"
    zones.change(zone, ("DELETE", one))
    zones.client.delete_health_check(HealthCheckId=id)


@dataclass
class Reported:
    """What two locations say of every check."""

    zones: Zones

    def checks(self) -> list[Any]:
        catalog = self.zones.desk.catalog
        return [health_check_of(one, private=True) for one in catalog.of(ResourceKind.HEALTH_CHECK)]

    def of(self, check: Any) -> dict[str, CheckerOpinion]:
        well = CheckerOpinion(definition="d", healthy=True, said="Success: 200", at=1.8e9)
        ill = CheckerOpinion(
            definition="d", healthy=False, said="Failure: 500", at=1.8e9, failure="Failure: 500",
            failed_at=1.8e9,
        )  # fmt: skip
        return {"edge-A-1@": well, "edge-B-1@": ill}


def test_what_locations_say_is_told(zones: Zones) -> None:
    id = create(zones)
    children = {"Type": "CALCULATED", "ChildHealthChecks": [id], "HealthThreshold": 1}
    made = zones.client.create_health_check(CallerReference="two", HealthCheckConfig=children)
    zones.desk.health_checks = cast(Any, Reported(zones))
    zones.desk.open()
    told = zones.client.get_health_check_status(HealthCheckId=id)["HealthCheckObservations"]
    assert [one["StatusReport"]["Status"] for one in told] == ["Success: 200", "Failure: 500"]
    answer = zones.client.get_health_check_last_failure_reason(HealthCheckId=id)
    (failed,) = answer["HealthCheckObservations"]
    assert failed["StatusReport"]["Status"] == "Failure: 500"
    for other, code in (("none", "NoSuchHealthCheck"), (made["HealthCheck"]["Id"], "InvalidInput")):
        with pytest.raises(ClientError) as refused:
            zones.client.get_health_check_status(HealthCheckId=other)
        assert code_of(refused.value) == code
