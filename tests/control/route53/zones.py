"""botocore's client of Route 53 before a control plane, and short words for what tests ask it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from botocore.exceptions import ClientError

from tests.control.cloudfront.desk import Desk

Document = dict[str, Any]


@dataclass
class Zones:
    """A control plane and its caller."""

    desk: Desk
    client: Any
    _references: list[str] = field(default_factory=list)

    def create(self, name: str, **more: Any) -> str:
        """The id of a new zone."""
        reference = f"r{len(self._references)}"
        self._references.append(reference)
        made = self.client.create_hosted_zone(Name=name, CallerReference=reference, **more)
        return str(made["HostedZone"]["Id"]).rpartition("/")[2]

    def change(self, zone: str, *changes: tuple[str, Document]) -> Document:
        """Make changes, each an action and a record set."""
        listed = [{"Action": action, "ResourceRecordSet": one} for action, one in changes]
        answer = self.client.change_resource_record_sets(
            HostedZoneId=zone, ChangeBatch={"Changes": listed}
        )
        return dict(answer["ChangeInfo"])

    def refused(self, zone: str, *changes: tuple[str, Document]) -> tuple[str, str]:
        """The code and the message that changes are refused with."""
        try:
            self.change(zone, *changes)
        except ClientError as error:
            answer: Any = error.response
            return answer["Error"]["Code"], answer["Error"]["Message"]
        raise AssertionError("not refused")

    def sets(self, zone: str, **given: Any) -> list[Document]:
        """The record sets of a page."""
        answer = self.client.list_resource_record_sets(HostedZoneId=zone, **given)
        return list(answer["ResourceRecordSets"])

    def shown(self, zone: str, **given: Any) -> list[str]:
        """Names and types of a page, as `www.example.test. A`."""
        return [f"{one['Name']} {one['Type']}" for one in self.sets(zone, **given)]


def record(name: str, type: str = "A", *values: str, ttl: int = 60, **more: Any) -> Document:
    """A record set with values."""
    texts = values or ("192.0.2.1",)
    plain = {"TTL": ttl, "ResourceRecords": [{"Value": text} for text in texts]}
    return {"Name": name, "Type": type, **plain, **more}


def alias(name: str, target: str, zone: str, type: str = "A", **more: Any) -> Document:
    """A record set that is an alias."""
    led = {"HostedZoneId": zone, "DNSName": target, "EvaluateTargetHealth": False}
    return {"Name": name, "Type": type, "AliasTarget": led, **more}


def code_of(error: ClientError) -> str:
    """What a client was refused with."""
    answer: Any = error.response
    return str(answer["Error"]["Code"])
