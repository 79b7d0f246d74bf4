"""What key value stores hold, over a service of its own, signed for all regions by botocore."""

from __future__ import annotations

from typing import Any

import pytest
from botocore.exceptions import ClientError

from edgecache.config.key_value_stores import STORE_BYTES_MAX
from edgecache.control.cloudfront.authentication import AccessKey, access_keys
from edgecache.rules.permissions import KEY_VALUES
from tests.control.cloudfront.desk import OPERATORS, Desk, code_of


@pytest.fixture
def arn(client: Any) -> str:
    return str(client.create_key_value_store(Name="r")["KeyValueStore"]["ARN"])


@pytest.fixture
def values(desk: Desk) -> Any:
    return desk.values_client()


def etag_of(values: Any, arn: str) -> str:
    return str(values.describe_key_value_store(KvsARN=arn)["ETag"])


def test_every_operation_of_the_model_has_its_permission(values: Any) -> None:
    assert set(KEY_VALUES) == set(values.meta.service_model.operation_names)


def test_keys_are_put_read_and_deleted(values: Any, arn: str) -> None:
    first = values.describe_key_value_store(KvsARN=arn)
    assert (first["ItemCount"], first["TotalSizeInBytes"], first["Status"]) == (0, 0, "READY")
    assert first["KvsARN"] == arn
    assert first["Created"] == first["LastModified"]
    put = values.put_key(KvsARN=arn, Key="a/b ü", Value="1", IfMatch=first["ETag"])
    assert (put["ItemCount"], put["TotalSizeInBytes"]) == (1, len("a/b ü".encode()) + 1)
    got = values.get_key(KvsARN=arn, Key="a/b ü")
    assert (got["Key"], got["Value"], got["ItemCount"]) == ("a/b ü", "1", 1)
    again = values.put_key(KvsARN=arn, Key="a/b ü", Value="22", IfMatch=put["ETag"])
    assert (again["ItemCount"], again["TotalSizeInBytes"]) == (1, put["TotalSizeInBytes"] + 1)
    gone = values.delete_key(KvsARN=arn, Key="a/b ü", IfMatch=again["ETag"])
    assert (gone["ItemCount"], gone["TotalSizeInBytes"]) == (0, 0)
    with pytest.raises(ClientError) as refused:
        values.get_key(KvsARN=arn, Key="a/b ü")
    assert code_of(refused.value) == ("ResourceNotFoundException", 404)


def test_an_update_of_several_keys_is_whole_or_nothing(values: Any, arn: str) -> None:
    etag = etag_of(values, arn)
    puts = [{"Key": key, "Value": "x"} for key in "abc"]
    done = values.update_keys(KvsARN=arn, IfMatch=etag, Puts=puts)
    assert done["ItemCount"] == 3
    done = values.update_keys(
        KvsARN=arn, IfMatch=done["ETag"], Puts=[{"Key": "d", "Value": "y"}],
        Deletes=[{"Key": "a"}, {"Key": "absent"}],
    )  # fmt: skip
    assert done["ItemCount"] == 3
    wrong = [{"Key": "e", "Value": "z"}, {"Key": "f" * 513, "Value": ""}]
    with pytest.raises(ClientError) as refused:
        values.update_keys(KvsARN=arn, IfMatch=done["ETag"], Puts=wrong)
    assert code_of(refused.value) == ("ValidationException", 400)
    assert etag_of(values, arn) == done["ETag"]
    items = values.list_keys(KvsARN=arn)["Items"]
    assert [(one["Key"], one["Value"]) for one in items] == [("b", "x"), ("c", "x"), ("d", "y")]


def test_a_write_for_another_version_is_refused(client: Any, values: Any, arn: str) -> None:
    etag = etag_of(values, arn)
    values.put_key(KvsARN=arn, Key="a", Value="1", IfMatch=etag)
    of_control = client.describe_key_value_store(Name="r")["ETag"]
    for stale in (etag, of_control):  # the two services' versions are not each other's
        with pytest.raises(ClientError) as refused:
            values.put_key(KvsARN=arn, Key="a", Value="2", IfMatch=stale)
        assert code_of(refused.value) == ("ConflictException", 409)
    assert values.get_key(KvsARN=arn, Key="a")["Value"] == "1"


def test_keys_are_listed_in_pages(values: Any, arn: str) -> None:
    puts = [{"Key": f"{n:02}", "Value": str(n)} for n in range(25)]
    values.update_keys(KvsARN=arn, IfMatch=etag_of(values, arn), Puts=puts)
    pages = list(values.get_paginator("list_keys").paginate(KvsARN=arn))
    assert [len(page["Items"]) for page in pages] == [10, 10, 5]
    assert [one["Key"] for page in pages for one in page["Items"]] == [one["Key"] for one in puts]


@pytest.mark.parametrize(
    ("call", "given", "code"),
    [
        ("update_keys", {}, "ValidationException"),
        ("update_keys", {"Puts": [{"Key": "a", "Value": ""}] * 2}, "ValidationException"),
        ("update_keys", {"Puts": [{"Key": str(n), "Value": ""} for n in range(51)]},
         "ValidationException"),
        ("update_keys", {"Puts": [{"Key": "a", "Value": ""}], "Deletes": [{"Key": "a"}]},
         "ValidationException"),
        ("put_key", {"Key": "k", "Value": "x" * 1025}, "ValidationException"),
        ("put_key", {"Key": "k", "Value": "\0"}, "ValidationException"),
        ("put_key", {"Key": "k\0", "Value": ""}, "ValidationException"),
        ("delete_key", {"Key": "absent"}, "ResourceNotFoundException"),
    ],
)  # fmt: skip
def test_what_is_refused(
    values: Any, arn: str, call: str, given: dict[str, Any], code: str
) -> None:
    with pytest.raises(ClientError) as refused:
        getattr(values, call)(KvsARN=arn, IfMatch=etag_of(values, arn), **given)
    assert code_of(refused.value)[0] == code


def test_a_store_that_is_not_there(desk: Desk, values: Any) -> None:
    with pytest.raises(ClientError) as refused:
        values.list_keys(KvsARN="arn:aws:cloudfront::000000000000:key-value-store/" + "0" * 36)
    assert code_of(refused.value) == ("ResourceNotFoundException", 404)
    for wrong in ("r", "a%2Fb", "%00", "arn%3Aaws%3Acloudfront%3A%3A0%3Akey-value-store%2Fr"):
        answer = desk.asks("GET", f"/key-value-stores/{wrong}/keys", headers=desk.token())
        assert answer.status_code == 404
        assert answer.headers["x-amzn-errortype"] == "ResourceNotFoundException"


def test_a_store_holds_so_much_and_no_more(desk: Desk, values: Any, arn: str) -> None:
    desk.state.execute("UPDATE key_value_stores SET bytes = ?", (STORE_BYTES_MAX - 3,))
    etag = etag_of(values, arn)
    with pytest.raises(ClientError) as refused:
        values.put_key(KvsARN=arn, Key="ab", Value="cd", IfMatch=etag)
    assert code_of(refused.value) == ("ServiceQuotaExceededException", 402)
    assert etag_of(values, arn) == etag
    values.put_key(KvsARN=arn, Key="ab", Value="c", IfMatch=etag)


def test_callers_are_known_and_limited(desk: Desk, arn: str) -> None:
    operator = access_keys(OPERATORS)[-1]
    stranger = AccessKey("x", operator.access_key_id, "another secret")
    readers = desk.made_key("reader", ["read"])
    elsewhere = desk.made_key("site", [], ["EFILE"])
    for key, may_read in ((stranger, False), (elsewhere, False), (readers, True)):
        client = desk.values_client(key)
        if may_read:
            etag = etag_of(client, arn)
        else:
            with pytest.raises(ClientError) as refused:
                etag_of(client, arn)
            assert code_of(refused.value) == ("AccessDeniedException", 403)
            continue
        with pytest.raises(ClientError, match="reader") as refused:
            client.put_key(KvsARN=arn, Key="a", Value="1", IfMatch=etag)
        assert code_of(refused.value) == ("AccessDeniedException", 403)


def test_a_token_and_version_4_admit_too(desk: Desk, arn: str) -> None:
    path = f"/key-value-stores/{arn.replace(':', '%3A').replace('/', '%2F')}"
    answer = desk.asks("GET", path, headers=desk.token())
    assert answer.status_code == 200
    assert answer.json()["KvsARN"] == arn
    assert desk.asks("GET", path).status_code == 403
    assert desk.asks("GET", f"{path}/other", headers=desk.token()).status_code == 400


def test_who_wrote_is_kept(desk: Desk, values: Any, arn: str) -> None:
    values.put_key(KvsARN=arn, Key="a", Value="secret", IfMatch=etag_of(values, arn))
    newest = desk.catalog.changes.page(0, "", 1)[0]
    assert (newest.author, newest.kind, newest.summary) == ("k1", "key-values", "PutKey r")
