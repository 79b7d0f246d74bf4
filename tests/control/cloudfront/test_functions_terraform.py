"""Requests as Terraform's AWS provider sends them for its resources of functions and stores.

`aws_cloudfront_function` and `aws_cloudfront_key_value_store` (hashicorp/aws 5 and 6): create, read
back, change, plan without a difference, destroy. The provider writes the same wire as botocore.
"""

from __future__ import annotations

from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.control.cloudfront.desk import Desk, code_of

CODE = b"import cf from 'cloudfront';\nfunction handler(event) { return event.request; }\n"


def config(comment: str, store: str) -> dict[str, Any]:
    stores = {"Quantity": 1, "Items": [{"KeyValueStoreARN": store}]}
    return {
        "Comment": comment, "Runtime": "cloudfront-js-2.0", "KeyValueStoreAssociations": stores,
    }  # fmt: skip


def read(client: Any, name: str) -> dict[str, Any]:
    """What the provider makes a function's state of."""
    draft = client.describe_function(Name=name, Stage="DEVELOPMENT")
    code = client.get_function(Name=name, Stage="DEVELOPMENT")
    summary = draft["FunctionSummary"]
    state = {
        "arn": summary["FunctionMetadata"]["FunctionARN"],
        "comment": summary["FunctionConfig"]["Comment"],
        "runtime": summary["FunctionConfig"]["Runtime"],
        "status": summary["Status"],
        "etag": draft["ETag"],
        "code": code["FunctionCode"].read(),
        "stores": [
            one["KeyValueStoreARN"]
            for one in summary["FunctionConfig"]["KeyValueStoreAssociations"].get("Items", [])
        ],
    }
    live = client.describe_function(Name=name, Stage="LIVE")
    return {**state, "live_stage_etag": live["ETag"]}


def made_store(client: Any) -> Any:
    client.create_key_value_store(Name="flags", Comment="by terraform")
    found = client.describe_key_value_store(Name="flags")  # until its status is READY
    assert found["KeyValueStore"]["Status"] == "READY"
    return found


def test_a_function_lives_through_apply_change_and_destroy(desk: Desk, client: Any) -> None:
    store = made_store(client)["KeyValueStore"]["ARN"]
    made = client.create_function(Name="f", FunctionCode=CODE, FunctionConfig=config("one", store))
    client.publish_function(Name="f", IfMatch=made["ETag"])
    state = read(client, "f")
    assert (state["code"], state["comment"], state["stores"]) == (CODE, "one", [store])
    assert state["etag"] == made["ETag"]
    assert state["live_stage_etag"]
    assert read(client, "f") == state  # a plan without a difference
    changed = client.update_function(
        Name="f", IfMatch=state["etag"], FunctionCode=CODE + b"// two\n",
        FunctionConfig=config("two", store),
    )  # fmt: skip
    client.publish_function(Name="f", IfMatch=changed["ETag"])
    after = read(client, "f")
    assert (after["code"], after["comment"]) == (CODE + b"// two\n", "two")
    assert after["etag"] == changed["ETag"] != state["etag"]
    assert after["live_stage_etag"] != state["live_stage_etag"]
    client.delete_function(Name="f", IfMatch=after["etag"])
    with pytest.raises(ClientError) as gone:
        client.describe_function(Name="f", Stage="DEVELOPMENT")
    assert code_of(gone.value) == ("NoSuchFunctionExists", 404)


def test_a_store_lives_through_apply_change_and_destroy(desk: Desk, client: Any) -> None:
    made = made_store(client)
    changed = client.update_key_value_store(Name="flags", Comment="changed", IfMatch=made["ETag"])
    found = client.describe_key_value_store(Name="flags")
    assert found["ETag"] == changed["ETag"]
    assert found["KeyValueStore"]["Comment"] == "changed"
    assert found["KeyValueStore"]["Id"] == made["KeyValueStore"]["Id"]
    client.delete_key_value_store(Name="flags", IfMatch=found["ETag"])
    with pytest.raises(ClientError) as gone:
        client.describe_key_value_store(Name="flags")
    assert code_of(gone.value) == ("EntityNotFound", 404)


def test_a_store_in_use_is_destroyed_after_its_function(desk: Desk, client: Any) -> None:
    """Terraform's order: what depends on a resource goes first; the other way round is told."""
    found = made_store(client)
    made = client.create_function(
        Name="f", FunctionCode=CODE, FunctionConfig=config("", found["KeyValueStore"]["ARN"])
    )
    with pytest.raises(ClientError) as used:
        client.delete_key_value_store(Name="flags", IfMatch=found["ETag"])
    assert code_of(used.value)[0] == "CannotDeleteEntityWhileInUse"
    client.delete_function(Name="f", IfMatch=made["ETag"])
    found = client.describe_key_value_store(Name="flags")
    client.delete_key_value_store(Name="flags", IfMatch=found["ETag"])
