"""Real-time log configurations over CloudFront's API: made, named, used, changed, deleted."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.control.cloudfront.desk import LOCATION_ALONE, Desk, code_of, open_desk

STREAM = "arn:aws:kinesis:us-east-1:123456789012:stream/site"
FILE = (
    LOCATION_ALONE
    + f"""
[[realtime_log_streams]]
stream = "{STREAM}"
to = "tcp://127.0.0.1:5170"

[[realtime_logs]]
name = "declared"
stream = "{STREAM}"
fields = ["sc-status", "timestamp"]

[[distributions]]
id = "EFILE"
aliases = ["file.test"]

[[distributions.origins]]
id = "o"
domain_name = "127.0.0.1"

[distributions.default_behavior]
origin = "o"
realtime_log = "declared"
"""
)
ARN = "arn:aws:cloudfront::000000000000:realtime-log-config/"
POINT = {
    "StreamType": "Kinesis",
    "KinesisStreamConfig": {"RoleARN": "arn:aws:iam::1:role/r", "StreamARN": STREAM},
}


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    with open_desk(tmp_path, FILE) as made:
        yield made


@pytest.fixture
def client(desk: Desk) -> Any:
    return desk.client()


def asked(**changed: Any) -> dict[str, Any]:
    usual = {
        "Name": "site", "SamplingRate": 10, "EndPoints": [POINT],
        "Fields": ["sc-status", "c-ip", "timestamp"],
    }  # fmt: skip
    return usual | changed


def refused(call: Any, **given: Any) -> tuple[str, str]:
    with pytest.raises(ClientError) as raised:
        call(**given)
    return code_of(raised.value)[0], raised.value.response["Error"]["Message"]


def test_one_is_made_named_changed_and_deleted(desk: Desk, client: Any) -> None:
    made = client.create_realtime_log_config(**asked())["RealtimeLogConfig"]
    assert made == {
        "ARN": f"{ARN}site", "Name": "site", "SamplingRate": 10, "EndPoints": [POINT],
        "Fields": ["timestamp", "c-ip", "sc-status"],
    }  # fmt: skip
    for by in ({"Name": "site"}, {"ARN": made["ARN"]}, {"Name": "site", "ARN": made["ARN"]}):
        assert client.get_realtime_log_config(**by)["RealtimeLogConfig"] == made
    (own,) = [one for one in desk.catalog.published.realtime_logs if one.name == "site"]
    assert (own.stream, own.sampling_rate, own.fields) == (
        STREAM, 10, ("timestamp", "c-ip", "sc-status"),
    )  # fmt: skip
    changed = client.update_realtime_log_config(**asked(SamplingRate=100, Fields=["c-ip"]))
    assert changed["RealtimeLogConfig"] == made | {"SamplingRate": 100, "Fields": ["c-ip"]}
    listed = client.list_realtime_log_configs()["RealtimeLogConfigs"]
    assert [one["Name"] for one in listed["Items"]] == ["declared", "site"]
    client.delete_realtime_log_config(Name="site")
    assert refused(client.get_realtime_log_config, Name="site")[0] == "NoSuchRealtimeLogConfig"
    summaries = [one.summary for one in desk.catalog.changes.page(0, "k1", 10)]
    assert {"CreateRealtimeLogConfig site", "DeleteRealtimeLogConfig site"} <= {*summaries}


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"SamplingRate": 0}, "SamplingRate: 0 is outside 1 to 100"),
        ({"SamplingRate": 101}, "SamplingRate: 101 is outside"),
        ({"Name": "a b"}, "Name: 1 to 64 letters"),
        ({"EndPoints": []}, "EndPoints: one is wanted"),
        ({"EndPoints": [POINT, POINT]}, "EndPoints: one is wanted"),
        ({"EndPoints": [POINT | {"StreamType": "Kafka"}]}, "of the StreamType Kinesis"),
        ({"EndPoints": [{"StreamType": "Kinesis"}]}, "KinesisStreamConfig: missing"),
        ({"Fields": []}, "Fields: empty"),
        ({"Fields": ["c-ipp"]}, 'Fields[0]: "c-ipp" is not a field; did you mean c-ip?'),
        ({"Fields": ["cmcd-version"]}, '"cmcd-version" is not known of requests here'),
        ({"Fields": ["c-ip", "c-ip"]}, 'Fields[1]: "c-ip" is named twice'),
    ],
)
def test_what_is_wrong_is_refused(client: Any, changed: dict[str, Any], words: str) -> None:
    code, message = refused(client.create_realtime_log_config, **asked(**changed))
    assert code == "InvalidArgument"
    assert words in message


def test_a_stream_that_lies_nowhere_is_refused(client: Any) -> None:
    stream = {"RoleARN": "r", "StreamARN": f"{STREAM}-other"}
    point = {"StreamType": "Kinesis", "KinesisStreamConfig": stream}
    code, message = refused(client.create_realtime_log_config, **asked(EndPoints=[point]))
    assert code == "InvalidArgument"
    assert "EndPoints[0].KinesisStreamConfig.StreamARN: no realtime_log_streams of the" in message


def test_names_are_one_things(client: Any) -> None:
    client.create_realtime_log_config(**asked())
    for name in ("site", "declared"):
        code, _ = refused(client.create_realtime_log_config, **asked(Name=name))
        assert code == "RealtimeLogConfigAlreadyExists"
    for by in ({}, {"Name": ""}, {"ARN": "arn:x"}, {"Name": "site", "ARN": f"{ARN}declared"}):
        assert refused(client.get_realtime_log_config, **by)[0] == "InvalidArgument"
    incomplete = asked()
    del incomplete["Fields"]
    code, message = refused(client.update_realtime_log_config, **incomplete)
    assert (code, "Fields: the whole" in message) == ("InvalidArgument", True)


def test_the_files_own_are_shown_and_not_changed(client: Any) -> None:
    told = client.get_realtime_log_config(Name="declared")["RealtimeLogConfig"]
    assert told["Fields"] == ["timestamp", "sc-status"]
    assert told["EndPoints"][0]["KinesisStreamConfig"]["StreamARN"] == STREAM
    code, _ = refused(client.update_realtime_log_config, **asked(Name="declared"))
    assert code == "AccessDenied"
    assert refused(client.delete_realtime_log_config, Name="declared")[0] == "AccessDenied"
    config = client.get_distribution_config(Id="EFILE")["DistributionConfig"]
    assert config["DefaultCacheBehavior"]["RealtimeLogConfigArn"] == f"{ARN}declared"


def test_behaviors_name_one_that_is_there(desk: Desk, client: Any) -> None:
    client.create_realtime_log_config(**asked())
    config = client.get_distribution_config(Id="EFILE")["DistributionConfig"]
    config |= {"CallerReference": "new", "Aliases": {"Quantity": 0}}
    config["DefaultCacheBehavior"].pop("Edgecache", None)
    behavior = config["DefaultCacheBehavior"]
    behavior["RealtimeLogConfigArn"] = f"{ARN}none"
    code, _ = refused(client.create_distribution, DistributionConfig=config)
    assert code == "NoSuchRealtimeLogConfig"
    behavior["RealtimeLogConfigArn"] = "arn:x"
    code, _ = refused(client.create_distribution, DistributionConfig=config)
    assert code == "NoSuchRealtimeLogConfig"
    behavior["RealtimeLogConfigArn"] = f"{ARN}site"
    made = client.create_distribution(DistributionConfig=config)
    told = made["Distribution"]["DistributionConfig"]["DefaultCacheBehavior"]
    assert told["RealtimeLogConfigArn"] == f"{ARN}site"
    (own,) = [one for one in desk.catalog.published.distributions if one.id != "EFILE"]
    assert own.default_behavior.realtime_log == "site"
    listed = client.list_distributions_by_realtime_log_config(RealtimeLogConfigName="site")
    assert [one["Id"] for one in listed["DistributionList"]["Items"]] == [own.id]
    code, message = refused(client.delete_realtime_log_config, Name="site")
    assert (code, own.id in message) == ("RealtimeLogConfigInUse", True)
    code, _ = refused(
        client.list_distributions_by_realtime_log_config, RealtimeLogConfigName="none"
    )
    assert code == "InvalidArgument"  # the operation has no other error
