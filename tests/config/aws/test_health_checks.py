"""HealthCheckConfig of Route 53's API: read, written with its defaults, refused where it asks for
what is not done.
"""

from __future__ import annotations

from typing import Any

import pytest

from edgecache.config.aws.document import DocumentError
from edgecache.config.aws.health_checks import health_check_config, read_health_check
from edgecache.config.health_checks import HealthCheck

WEB = {"Type": "HTTP", "IPAddress": "192.0.2.1", "ResourcePath": "up"}


def test_defaults_are_filled_in() -> None:
    check = read_health_check(WEB, "h")
    assert (check.path, check.interval_s, check.failure_threshold) == ("/up", 30, 3)
    assert health_check_config(check) == {
        "Type": "HTTP",
        "Inverted": False,
        "Disabled": False,
        "IPAddress": "192.0.2.1",
        "ResourcePath": "/up",
        "Port": 80,
        "RequestInterval": 30,
        "FailureThreshold": 3,
        "MeasureLatency": False,
        "EnableSNI": False,
    }


@pytest.mark.parametrize(
    "check",
    [
        HealthCheck(id="h", type="TCP", address="::1", port=25, interval_s=10),
        HealthCheck(id="h", type="HTTPS", host="a.test", port=443, sni=False, inverted=True),
        HealthCheck(
            id="h", type="HTTPS_STR_MATCH", host="a.test", port=8443, path="/x", search_string="ok",
            failure_threshold=10, disabled=True,
        ),
        HealthCheck(id="h", type="CALCULATED", children=("a", "b"), health_threshold=0),
    ],
)  # fmt: skip
def test_what_is_written_is_read_back(check: HealthCheck) -> None:
    read = read_health_check(health_check_config(check), "h")
    assert health_check_config(read) == health_check_config(check)
    for name in ("type", "address", "host", "port", "path", "search_string", "children", "inverted",
                 "interval_s", "failure_threshold", "health_threshold", "disabled"):  # fmt: skip
        assert getattr(read, name) == getattr(check, name), name
    assert read.sni == check.sni or not check.is_tls


@pytest.mark.parametrize(
    ("more", "member"),
    [
        ({"Type": "CLOUDWATCH_METRIC"}, "Type"),
        ({"Type": "RECOVERY_CONTROL"}, "Type"),
        ({"AlarmIdentifier": {"Region": "us-east-1", "Name": "a"}}, "AlarmIdentifier"),
        ({"InsufficientDataHealthStatus": "Healthy"}, "InsufficientDataHealthStatus"),
        ({"RoutingControlArn": "arn"}, "RoutingControlArn"),
        ({"Regions": ["us-east-1", "us-west-1", "eu-west-1"]}, "Regions"),
        ({"MeasureLatency": True}, "MeasureLatency"),
        ({"EndpointType": "PRIVATE"}, "EndpointType"),
        ({"Port": "80"}, "Port"),
        ({"IPAddress": 1}, "IPAddress"),
    ],
)
def test_what_is_not_done_is_refused(more: dict[str, Any], member: str) -> None:
    with pytest.raises(DocumentError) as error:
        read_health_check(WEB | more, "h")
    assert [one.where for one in error.value.problems] == [member]
