"""boto3's client of Route 53 before control, and short words for what tests ask it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import boto3

from edgecache.config.secrets import load_operators
from edgecache.control.cloudfront.authentication import access_keys


def route53_client(state: Path, control: int) -> Any:
    """A client with the key of the operator of a state folder; `control` is its port."""
    key = access_keys(load_operators(state, {}))[-1]
    return boto3.client(
        "route53",
        region_name="us-east-1",
        endpoint_url=f"http://127.0.0.1:{control}",
        aws_access_key_id=key.access_key_id,
        aws_secret_access_key=key.secret_access_key,
    )


def upsert(client: Any, zone: str, name: str, address: str) -> str:
    """Change a record; the id of the change."""
    records = [{"Value": address}]
    record = {"Name": name, "Type": "A", "TTL": 5, "ResourceRecords": records}
    answer = client.change_resource_record_sets(
        HostedZoneId=zone,
        ChangeBatch={"Changes": [{"Action": "UPSERT", "ResourceRecordSet": record}]},
    )
    return str(answer["ChangeInfo"]["Id"])
