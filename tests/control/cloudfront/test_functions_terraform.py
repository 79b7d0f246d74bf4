"""Requests as Terraform's AWS provider sends them for its resources of functions and stores.

`aws_cloudfront_function` and `aws_cloudfront_key_value_store` (hashicorp/aws 5 and 6): create, read
back, change, plan without a difference, destroy. The provider itself is run by
`tests/end_to_end/test_terraform.py`; what it was heard to send there is `terraform_requests.tsv`.
"""

from __future__ import annotations

from base64 import b64decode
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import httpx
import pytest
from botocore.exceptions import ClientError

from tests.control.cloudfront.desk import Desk, code_of

HEARD = Path(__file__).with_name("terraform_requests.tsv")
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


def leaves_of(text: str) -> Counter[tuple[str, str]]:
    """Text by the path of its element, without the outermost; those that are empty are left out."""

    def below(element: ElementTree.Element, path: str) -> Iterator[tuple[str, str]]:
        for inner in element:
            name = inner.tag.partition("}")[2]
            yield from below(inner, f"{path}/{name}" if path else name)
        if not len(element) and element.text:
            yield path, element.text

    return Counter(below(ElementTree.fromstring(text), ""))


class Provider:
    """The provider as it was heard once; its ids are those that control gives now."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._ids = {"@store@": "", "@site@": ""}
        self._fields = {**desk.token(), "content-type": "application/xml"}

    def send(self, row: str) -> tuple[str, str]:
        """What one request said, and what is read after it."""
        method, path, read, body = self._named(row).split("\t")
        fields = dict(self._fields)
        if method == "PUT" or path.endswith("/publish"):
            fields["if-match"] = self.get(read.replace("LIVE", "DEVELOPMENT")).headers["etag"]
        answer = self._desk.asks(method, path, body.encode(), fields)
        assert answer.status_code in (200, 201), (path, answer.text)
        told = dict(leaves_of(answer.text).keys())
        if path.endswith("/key-value-store"):
            self._ids["@store@"] = told["ARN"]
        elif path.endswith("WithTags="):
            self._ids["@site@"] = told["Id"]
        return body, self.get(self._named(read)).text

    def get(self, path: str) -> httpx.Response:
        return self._desk.asks("GET", path, headers=self._fields)

    def _named(self, text: str) -> str:
        for name, known in self._ids.items():
            text = text.replace(name, known or name)
        return text


def said_of(body: str) -> Counter[tuple[str, str]]:
    """What a request says of a resource; its code is read by itself."""
    found: Counter[tuple[str, str]] = Counter()
    for (path, text), count in leaves_of(body).items() if body else ():
        if path not in ("FunctionCode", "Name"):
            found[path.removeprefix("DistributionConfig/"), text] += count
    return found


def test_what_the_provider_was_heard_to_send_is_taken_and_given_back(desk: Desk) -> None:
    """Whatever it says of a resource it reads again, so that a second plan has no difference."""
    provider, code = Provider(desk), ""
    rows = [line for line in HEARD.read_text().splitlines() if not line.startswith("#")]
    for row in rows:
        body, given = provider.send(row)
        assert not said_of(body) - leaves_of(given), row
        code = dict(leaves_of(body).keys()).get("FunctionCode", code) if body else code
    assert provider.get("/2020-05-31/function/rewrite?Stage=LIVE").content == b64decode(code)
