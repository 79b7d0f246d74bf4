"""Monitoring subscriptions over the API: kept where they ask for what is there, else refused."""

from __future__ import annotations

from typing import Any

import pytest

from edgecache.control.cloudfront.monitoring_subscriptions import KIND
from tests.control.api.asking import created, refused
from tests.control.cloudfront.desk import Desk

CONFIG = "RealtimeMetricsSubscriptionConfig"
STATUS = "RealtimeMetricsSubscriptionStatus"


def subscription(status: str = "Enabled") -> dict[str, Any]:
    return {CONFIG: {STATUS: status}}


def test_the_life_of_one(desk: Desk, client: Any) -> None:
    id = created(client)["Distribution"]["Id"]
    of = {"DistributionId": id}
    missing = "NoSuchMonitoringSubscription"
    refused(lambda: client.get_monitoring_subscription(**of), code=missing, status=404)
    given = of | {"MonitoringSubscription": subscription()}
    made = client.create_monitoring_subscription(**given)
    assert made["MonitoringSubscription"] == subscription()
    desk.open()
    client = desk.client()
    assert client.get_monitoring_subscription(**of)["MonitoringSubscription"] == subscription()
    again = "MonitoringSubscriptionAlreadyExists"
    refused(lambda: client.create_monitoring_subscription(**given), code=again, status=409)
    client.delete_monitoring_subscription(**of)
    refused(lambda: client.delete_monitoring_subscription(**of), code=missing, status=404)


@pytest.mark.parametrize(
    ("of", "given", "code", "status"),
    [
        ("EFILE", subscription("Disabled"), "UnsupportedOperation", 400),
        ("EFILE", {}, "UnsupportedOperation", 400),
        ("ENONE", subscription(), "NoSuchDistribution", 404),
    ],
)
def test_what_is_not_there_is_not_promised(
    client: Any, of: str, given: dict[str, Any], code: str, status: int
) -> None:
    create = client.create_monitoring_subscription
    given = {"DistributionId": of, "MonitoringSubscription": given}
    refused(lambda: create(**given), code=code, status=status)


def test_it_goes_with_its_distribution(desk: Desk, client: Any) -> None:
    made = created(client, Enabled=False)
    id = made["Distribution"]["Id"]
    given = {"DistributionId": id, "MonitoringSubscription": subscription()}
    client.create_monitoring_subscription(**given)
    client.delete_distribution(Id=id, IfMatch=made["ETag"])
    assert not any(one.id == id for one in desk.catalog.of(KIND))
