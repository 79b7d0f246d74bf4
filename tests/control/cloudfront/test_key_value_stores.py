"""Key value stores over CloudFront's API: made, imported, described, changed, deleted."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from edgecache.config.key_value_stores import STORE_BYTES_MAX, store_id
from edgecache.config.model import Quotas
from tests.control.cloudfront.desk import LOCATION_ALONE, Desk, code_of, open_desk

FILE = (
    LOCATION_ALONE
    + """
[bucket]
listen = "127.0.0.1:8088"
folder = "bucket"
name = "data"

[[key_value_stores]]
name = "declared"
data_file = "declared.json"
"""
)
ARN = "arn:aws:s3:::data/"


def imported(**items: str) -> str:
    return json.dumps({"data": [{"key": key, "value": value} for key, value in items.items()]})


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    bucket = tmp_path / "bucket"
    bucket.mkdir()
    (tmp_path / "outside.json").write_text(imported(a="1"))
    (tmp_path / "declared.json").write_text(imported(red="green"))
    (bucket / "good.json").write_text(imported(a="1", b="zwei ü"))
    (bucket / "twice.json").write_text('{"data":[{"key":"a","value":"1"},{"key":"a","value":"2"}]}')
    (bucket / "list.json").write_text("[]")
    (bucket / "long.json").write_text(imported(a="x" * 1025))
    many = {f"{number:05}": "x" * 1024 for number in range(STORE_BYTES_MAX // 1029 + 1)}
    (bucket / "large.json").write_text(imported(**many))
    with open_desk(tmp_path, FILE) as made:
        yield made


@pytest.fixture
def client(desk: Desk) -> Any:
    return desk.client()


def test_a_store_is_made_described_changed_and_deleted(desk: Desk, client: Any) -> None:
    made = client.create_key_value_store(Name="redirects", Comment="where to")
    store = made["KeyValueStore"]
    assert made["Location"].endswith("/2020-05-31/key-value-store/redirects")
    assert store["ARN"] == f"arn:aws:cloudfront::000000000000:key-value-store/{store['Id']}"
    assert (store["Name"], store["Comment"], store["Status"]) == ("redirects", "where to", "READY")
    found = client.describe_key_value_store(Name="redirects")
    assert found["ETag"] == made["ETag"]
    assert found["KeyValueStore"] == store
    changed = client.update_key_value_store(Name="redirects", Comment="", IfMatch=made["ETag"])
    assert changed["ETag"] != made["ETag"]
    assert changed["KeyValueStore"]["Comment"] == ""
    listed = client.list_key_value_stores()["KeyValueStoreList"]
    assert [one["Name"] for one in listed["Items"]] == ["declared", "redirects"]
    client.delete_key_value_store(Name="redirects", IfMatch=changed["ETag"])
    assert desk.state.execute("SELECT count(*) FROM key_value_stores").fetchone()[0] == 1
    with pytest.raises(ClientError) as refused:
        client.describe_key_value_store(Name="redirects")
    assert code_of(refused.value) == ("EntityNotFound", 404)
    summaries = [one.summary for one in desk.catalog.changes.page(0, "k1", 10)]
    assert "CreateKeyValueStore redirects" in summaries
    assert "DeleteKeyValueStore redirects" in summaries


def test_an_import_is_there_at_once(desk: Desk, client: Any) -> None:
    source = {"SourceType": "S3", "SourceARN": f"{ARN}good.json"}
    made = client.create_key_value_store(Name="r", ImportSource=source)["KeyValueStore"]
    values = desk.values_client()
    assert values.get_key(KvsARN=made["ARN"], Key="b")["Value"] == "zwei ü"
    assert values.describe_key_value_store(KvsARN=made["ARN"])["ItemCount"] == 2


@pytest.mark.parametrize(
    ("place", "code", "words"),
    [
        (f"{ARN}absent.json", "InvalidArgument", "no such file"),
        (f"{ARN}../outside.json", "InvalidArgument", "no such object"),
        (f"{ARN}list.json", "InvalidArgument", "data"),
        (f"{ARN}twice.json", "InvalidArgument", "twice"),
        (f"{ARN}long.json", "InvalidArgument", "longer than 1024"),
        (f"{ARN}large.json", "EntitySizeLimitExceeded", "more than"),
        ("arn:aws:s3:::other/good.json", "InvalidArgument", "the one here is data"),
        ("good.json", "InvalidArgument", "arn:aws:s3:::BUCKET/KEY"),
    ],
)
def test_what_cannot_be_imported(client: Any, place: str, code: str, words: str) -> None:
    with pytest.raises(ClientError, match=words) as refused:
        client.create_key_value_store(
            Name="r", ImportSource={"SourceType": "S3", "SourceARN": place}
        )
    assert code_of(refused.value)[0] == code
    assert len(client.list_key_value_stores()["KeyValueStoreList"]["Items"]) == 1


def test_what_is_refused(client: Any) -> None:
    etag = client.create_key_value_store(Name="r")["ETag"]
    for call, given, code in (
        (client.create_key_value_store, {"Name": "r"}, "EntityAlreadyExists"),
        (client.create_key_value_store, {"Name": "declared"}, "EntityAlreadyExists"),
        (client.create_key_value_store, {"Name": "a b"}, "InvalidArgument"),
        (client.update_key_value_store, {"Name": "r", "Comment": "", "IfMatch": "E1"},
         "PreconditionFailed"),
        (client.delete_key_value_store, {"Name": "r", "IfMatch": "-"}, "InvalidIfMatchVersion"),
        (client.delete_key_value_store, {"Name": "q", "IfMatch": etag}, "EntityNotFound"),
        (client.delete_key_value_store, {"Name": "declared", "IfMatch": etag}, "AccessDenied"),
    ):  # fmt: skip
        with pytest.raises(ClientError) as refused:
            call(**given)
        assert code_of(refused.value)[0] == code, given


def test_there_are_so_many_and_no_more(client: Any) -> None:
    for number in range(Quotas().key_value_stores - 1):
        client.create_key_value_store(Name=f"s{number}")
    with pytest.raises(ClientError) as refused:
        client.create_key_value_store(Name="one-more")
    assert code_of(refused.value) == ("EntityLimitExceeded", 400)


def test_a_store_of_the_file_holds_what_its_file_says(desk: Desk, client: Any) -> None:
    arn = client.describe_key_value_store(Name="declared")["KeyValueStore"]["ARN"]
    assert arn.endswith(store_id("declared"))
    values = desk.values_client()
    etag = values.describe_key_value_store(KvsARN=arn)["ETag"]
    with pytest.raises(ClientError, match="configuration file") as refused:
        values.put_key(KvsARN=arn, Key="red", Value="blue", IfMatch=etag)
    assert code_of(refused.value) == ("AccessDeniedException", 403)
    desk.open()
    assert desk.values_client().describe_key_value_store(KvsARN=arn)["ETag"] == etag
    (desk.folder / "declared.json").write_text(imported(red="blue"))
    desk.open()
    values = desk.values_client()
    assert values.get_key(KvsARN=arn, Key="red")["Value"] == "blue"
    assert values.describe_key_value_store(KvsARN=arn)["ETag"] != etag


def test_nodes_are_told_of_no_store(desk: Desk, client: Any) -> None:
    before = desk.log.generation
    client.create_key_value_store(Name="r")
    assert desk.log.generation == before
    newest = desk.log.newest_text("config")
    assert newest is not None
    assert "key_value_stores" not in newest[1]


def test_a_comment_that_was_not_given_is_not_told(desk: Desk, client: Any) -> None:
    """Terraform's provider takes an empty one for another than none, and refuses to go on."""
    for name, given in (("none", {}), ("empty", {"Comment": ""})):
        made = client.create_key_value_store(Name=name, **given)
        found = client.describe_key_value_store(Name=name)
        for told in (made, found):
            assert {"Comment": told["KeyValueStore"].get("Comment")} == {"Comment": None} | given
        changed = client.update_key_value_store(Name=name, Comment="c", IfMatch=made["ETag"])
        assert changed["KeyValueStore"]["Comment"] == "c"
    desk.open()
    assert client.describe_key_value_store(Name="none")["KeyValueStore"]["Comment"] == "c"
