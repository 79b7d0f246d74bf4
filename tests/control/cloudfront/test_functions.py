"""Functions over CloudFront's API: two stages, versions, tests, and behaviors that run them."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from typing import Any

import pytest
from botocore.exceptions import ClientError

from edgecache.config.functions import CODE_BYTES_MAX, FunctionAssociation, FunctionConfig
from edgecache.config.model import Quotas
from edgecache.control.state.resources import ResourceKind
from tests.control.cloudfront.desk import LOCATION_ALONE, Desk, code_of, open_desk, site

CODE = b"function handler(event) { return event.request; }"
CONFIG = {"Comment": "c", "Runtime": "cloudfront-js-2.0"}
ARN = "arn:aws:cloudfront::000000000000:function/"


def create(client: Any, name: str = "f", **more: Any) -> Any:
    return client.create_function(
        **{"Name": name, "FunctionConfig": CONFIG, "FunctionCode": CODE} | more
    )


def publish(client: Any, name: str = "f") -> Any:
    etag = client.describe_function(Name=name)["ETag"]
    return client.publish_function(Name=name, IfMatch=etag)["FunctionSummary"]


def behavior(*functions: str, event: str = "viewer-request") -> dict[str, Any]:
    """The default behavior of `site`, which runs these functions."""
    items = [{"FunctionARN": f"{ARN}{name}", "EventType": event} for name in functions]
    listed = {"Quantity": len(items), "Items": items}
    base: dict[str, Any] = site("r")["DefaultCacheBehavior"]
    return base | {"FunctionAssociations": listed}


def refused(call: Any, **given: Any) -> tuple[str, int]:
    with pytest.raises(ClientError) as error:
        call(**given)
    return code_of(error.value)


def test_a_function_is_made_changed_published_and_deleted(desk: Desk, client: Any) -> None:
    made = create(client)
    summary = made["FunctionSummary"]
    assert made["Location"].endswith("/2020-05-31/function/f")
    assert (summary["Name"], summary["Status"]) == ("f", "UNPUBLISHED")
    assert summary["FunctionConfig"] == CONFIG | {"KeyValueStoreAssociations": {"Quantity": 0}}
    metadata = summary["FunctionMetadata"]
    assert (metadata["FunctionARN"], metadata["Stage"]) == (f"{ARN}f", "DEVELOPMENT")
    assert refused(client.describe_function, Name="f", Stage="LIVE") == (
        "NoSuchFunctionExists", 404,
    )  # fmt: skip
    assert publish(client)["FunctionMetadata"]["Stage"] == "LIVE"
    found = client.describe_function(Name="f")
    assert (found["ETag"], found["FunctionSummary"]["Status"]) == (made["ETag"], "UNASSOCIATED")
    other = b"function handler(e) { return e.response; }"
    changed = client.update_function(
        Name="f", IfMatch=made["ETag"], FunctionConfig=CONFIG, FunctionCode=other
    )
    assert changed["ETag"] not in ("", made["ETag"])  # which the model reads from `ETtag`
    raw = changed["ResponseMetadata"]["HTTPHeaders"]
    assert raw["etag"] == raw["ettag"] == changed["ETag"]
    development = client.get_function(Name="f")
    live = client.get_function(Name="f", Stage="LIVE")
    assert (development["FunctionCode"].read(), development["ETag"]) == (other, changed["ETag"])
    assert (live["FunctionCode"].read(), live["ETag"]) == (CODE, made["ETag"])
    assert live["ContentType"] == "application/octet-stream"
    assert client.describe_function(Name="f")["FunctionSummary"]["Status"] == "UNPUBLISHED"
    client.delete_function(Name="f", IfMatch=changed["ETag"])
    assert client.list_functions()["FunctionList"]["Quantity"] == 0
    summaries = [one.summary for one in desk.catalog.changes.page(0, "k1", 10)]
    assert summaries[:4] == [
        "DeleteFunction f", "UpdateFunction f", "PublishFunction f", "CreateFunction f",
    ]  # fmt: skip


def test_every_stage_is_listed(client: Any) -> None:
    for name in ("a", "a-b", "c"):
        create(client, name)
    publish(client, "a")
    found, marker = [], ""
    while True:
        more = {"Marker": marker} if marker else {}
        page = client.list_functions(MaxItems="1", **more)["FunctionList"]
        found += [(one["Name"], one["FunctionMetadata"]["Stage"]) for one in page["Items"]]
        marker = page.get("NextMarker", "")
        if not marker:
            break
    assert sorted(found) == [
        ("a", "DEVELOPMENT"), ("a", "LIVE"), ("a-b", "DEVELOPMENT"), ("c", "DEVELOPMENT"),
    ]  # fmt: skip
    live = client.list_functions(Stage="LIVE")["FunctionList"]["Items"]
    assert [one["Name"] for one in live] == ["a"]


@pytest.mark.parametrize(
    ("given", "code"),
    [
        ({"FunctionCode": b"x" * (CODE_BYTES_MAX + 1)}, ("FunctionSizeLimitExceeded", 413)),
        ({"FunctionCode": b" \n"}, ("InvalidArgument", 400)),
        ({"FunctionCode": b"\xff"}, ("InvalidArgument", 400)),
        ({"FunctionConfig": CONFIG | {"Runtime": "nodejs"}}, ("InvalidArgument", 400)),
        ({"Name": "a b"}, ("InvalidArgument", 400)),
        ({"Name": "taken"}, ("FunctionAlreadyExists", 409)),
        ({"FunctionConfig": CONFIG | {"KeyValueStoreAssociations": {"Quantity": 1, "Items": [
            {"KeyValueStoreARN": "arn:aws:cloudfront::000000000000:key-value-store/" + "0" * 36}
        ]}}}, ("InvalidArgument", 400)),
    ],
)  # fmt: skip
def test_what_is_not_made(client: Any, given: dict[str, Any], code: tuple[str, int]) -> None:
    create(client, "taken")
    assert refused(lambda **more: create(client, **more), **given) == code
    assert client.list_functions()["FunctionList"]["Quantity"] == 1


def test_there_are_so_many_and_no_more(desk: Desk, client: Any) -> None:
    create(client)
    one = desk.catalog.of(ResourceKind.FUNCTION)[0]
    with desk.catalog.changing():
        for number in range(Quotas().functions - 1):
            desk.catalog.put(replace(one, id=f"n{number}"))
    assert refused(lambda: create(client, "one-more")) == ("TooManyFunctions", 400)


def test_a_call_for_another_version_is_refused(client: Any) -> None:
    create(client)
    change = {"FunctionConfig": CONFIG, "FunctionCode": CODE}
    for call, more in (
        (client.update_function, change),
        (client.publish_function, {}),
        (client.delete_function, {}),
        (client.test_function, {"EventObject": b"{}"}),
    ):
        wrong = "InvalidIfMatchVersion" if "EventObject" in more else "PreconditionFailed"
        assert refused(call, Name="f", IfMatch="EOTHER", **more)[0] == wrong
        assert refused(call, Name="f", IfMatch="*", **more)[0] == "InvalidIfMatchVersion"
        assert refused(call, Name="g", IfMatch="E", **more) == ("NoSuchFunctionExists", 404)


def test_a_behavior_runs_what_is_published(desk: Desk, client: Any) -> None:
    create(client)
    wanted = site("r", DefaultCacheBehavior=behavior("f"))
    assert refused(client.create_distribution, DistributionConfig=wanted) == (
        "InvalidFunctionAssociation", 400,
    )  # fmt: skip
    publish(client)
    assert desk.catalog.published.functions == ()  # nobody runs it yet
    made = client.create_distribution(DistributionConfig=wanted)
    config = made["Distribution"]["DistributionConfig"]
    assert (
        config["DefaultCacheBehavior"]["FunctionAssociations"]
        == (wanted["DefaultCacheBehavior"]["FunctionAssociations"])
    )
    published = desk.catalog.published
    assert published.functions == (
        FunctionConfig(name="f", comment="c", code=CODE.decode(), stage="LIVE"),
    )
    id = made["Distribution"]["Id"]
    ours = next(one for one in published.distributions if one.id == id)
    association = FunctionAssociation(event_type="viewer-request", function="f")
    assert ours.default_behavior.function_associations == (association,)
    etag = client.describe_function(Name="f")["ETag"]
    assert refused(client.delete_function, Name="f", IfMatch=etag) == ("FunctionInUse", 409)
    for deployed, status in ((True, "DEPLOYED"), (False, "IN_PROGRESS")):
        desk.deployed = deployed
        found = client.describe_function(Name="f", Stage="LIVE")["FunctionSummary"]
        assert found["Status"] == status


def test_a_change_counts_once_it_is_published(desk: Desk, client: Any) -> None:
    etag = create(client)["ETag"]
    publish(client)
    client.create_distribution(DistributionConfig=site("r", DefaultCacheBehavior=behavior("f")))
    before = desk.log.generation
    other = b"function handler(e) { return e.request }"
    client.update_function(Name="f", IfMatch=etag, FunctionConfig=CONFIG, FunctionCode=other)
    assert desk.log.generation == before
    publish(client)
    assert desk.log.generation > before
    assert desk.catalog.published.functions[0].code == other.decode()


@pytest.mark.parametrize(
    ("functions", "event"),
    [(("f", "f"), "viewer-request"), (("f",), "origin-request"), (("g",), "viewer-response")],
)
def test_what_no_behavior_may_name(client: Any, functions: tuple[str, ...], event: str) -> None:
    create(client)
    publish(client)
    wanted = site("r", DefaultCacheBehavior=behavior(*functions, event=event))
    assert refused(client.create_distribution, DistributionConfig=wanted) == (
        "InvalidFunctionAssociation", 400,
    )  # fmt: skip


def test_a_function_reads_a_store_that_is_there(desk: Desk, client: Any) -> None:
    store = client.create_key_value_store(Name="r")
    reads = {"Quantity": 1, "Items": [{"KeyValueStoreARN": store["KeyValueStore"]["ARN"]}]}
    create(client, FunctionConfig=CONFIG | {"KeyValueStoreAssociations": reads})
    found = client.describe_function(Name="f")["FunctionSummary"]["FunctionConfig"]
    assert found["KeyValueStoreAssociations"] == reads
    assert refused(client.delete_key_value_store, Name="r", IfMatch=store["ETag"]) == (
        "CannotDeleteEntityWhileInUse", 409,
    )  # fmt: skip
    publish(client)
    client.create_distribution(DistributionConfig=site("r", DefaultCacheBehavior=behavior("f")))
    assert desk.catalog.published.functions[0].key_value_stores == (store["KeyValueStore"]["Id"],)


@dataclass
class Outcome:
    """What an engine says of a run."""

    result: Any = None
    error: str = ""
    logs: tuple[str, ...] = ("a line",)
    utilization: int = 21


EVENT = {
    "context": {"eventType": "viewer-request"},
    "request": {"method": "GET", "uri": "/", "querystring": {}, "headers": {}, "cookies": {}},
}


def test_a_stage_is_tested_as_it_is(desk: Desk, client: Any) -> None:
    etag = create(client)["ETag"]
    asked: list[tuple[FunctionConfig, Any]] = []
    outcome = Outcome({"uri": "/ü"})

    def tester(function: FunctionConfig, event: Any) -> Outcome:
        asked.append((function, event))
        return outcome

    object.__setattr__(desk.world, "test_function", tester)
    given = {"Name": "f", "IfMatch": etag, "EventObject": json.dumps(EVENT).encode()}
    result = client.test_function(**given)["TestResult"]
    assert result["ComputeUtilization"] == "21"
    assert result["FunctionExecutionLogs"] == ["a line"]
    assert result["FunctionErrorMessage"] == ""
    assert json.loads(result["FunctionOutput"]) == {"request": {"uri": "/ü"}}
    assert result["FunctionSummary"]["FunctionMetadata"]["Stage"] == "DEVELOPMENT"
    function, event = asked[0]
    assert (function.stage, function.code) == ("DEVELOPMENT", CODE.decode())
    assert (event["version"], event["viewer"]) == ("1.0", {"ip": "127.0.0.1"})
    assert event["context"]["requestId"] == ""
    outcome.error, outcome.result = "TypeError: x", None
    result = client.test_function(**given, Stage="DEVELOPMENT")["TestResult"]
    assert (result["FunctionErrorMessage"], result["FunctionOutput"]) == ("TypeError: x", "")


@pytest.mark.parametrize(
    "event",
    [b"", b"[]", b"{", b"{}", b'{"context": {"eventType": "origin-request"}}',
     json.dumps(EVENT | {"version": "2.0"}).encode(), json.dumps(EVENT | {"request": 1}).encode(),
     json.dumps(EVENT | {"context": {"eventType": "viewer-response"}}).encode()],
)  # fmt: skip
def test_what_is_no_event(client: Any, event: bytes) -> None:
    etag = create(client)["ETag"]
    code, _ = refused(client.test_function, Name="f", IfMatch=etag, EventObject=event)
    assert code == "InvalidArgument"


def test_functions_have_tags(client: Any) -> None:
    tags = {"Items": [{"Key": "team", "Value": "a"}]}
    create(client, Tags=tags)
    assert client.list_tags_for_resource(Resource=f"{ARN}f")["Tags"] == tags
    client.untag_resource(Resource=f"{ARN}f", TagKeys={"Items": ["team"]})
    assert client.list_tags_for_resource(Resource=f"{ARN}f")["Tags"]["Items"] == []


def test_a_function_of_the_file_is_shown_and_changed_there_alone(tmp_path: Any) -> None:
    (tmp_path / "f.js").write_bytes(CODE)
    declared = '\n[[functions]]\nname = "f"\ncode_file = "f.js"\n'
    with open_desk(tmp_path, LOCATION_ALONE + declared) as desk:
        client = desk.client()
        found = client.describe_function(Name="f")
        assert found["FunctionSummary"]["Status"] == "UNASSOCIATED"
        assert found["FunctionSummary"]["FunctionMetadata"]["Stage"] == "LIVE"
        assert client.get_function(Name="f")["FunctionCode"].read() == CODE
        for call in (client.publish_function, client.delete_function):
            assert refused(call, Name="f", IfMatch=found["ETag"]) == ("AccessDenied", 403)
        client.create_distribution(DistributionConfig=site("r", DefaultCacheBehavior=behavior("f")))
        assert [one.name for one in desk.catalog.published.functions] == ["f"]


READS = b"""import cf from 'cloudfront';
async function handler(event) {
    const values = cf.kvs();
    console.log('looking');
    event.request.uri = await values.get('/old');
    return event.request;
}"""


def test_what_an_engine_says_of_a_test(desk: Desk, client: Any) -> None:
    store = client.create_key_value_store(Name="r")["KeyValueStore"]
    values = desk.values_client()
    etag = values.describe_key_value_store(KvsARN=store["ARN"])["ETag"]
    reads = {"Quantity": 1, "Items": [{"KeyValueStoreARN": store["ARN"]}]}
    config = CONFIG | {"KeyValueStoreAssociations": reads}
    version = create(client, FunctionConfig=config, FunctionCode=READS)["ETag"]
    given = {"Name": "f", "IfMatch": version, "EventObject": json.dumps(EVENT).encode()}
    result = client.test_function(**given)["TestResult"]
    assert result["FunctionErrorMessage"]  # the key is not there
    values.put_key(KvsARN=store["ARN"], Key="/old", Value="/new", IfMatch=etag)
    result = client.test_function(**given)["TestResult"]
    assert result["FunctionErrorMessage"] == ""
    assert json.loads(result["FunctionOutput"])["request"]["uri"] == "/new"
    assert result["FunctionExecutionLogs"] == ["looking"]
    assert 1 <= int(result["ComputeUtilization"]) <= 100


def test_a_source_that_is_none_is_told_by_a_test(client: Any) -> None:
    version = create(client, FunctionCode=b"function handler(event) {")["ETag"]
    given = {"Name": "f", "IfMatch": version, "EventObject": json.dumps(EVENT).encode()}
    result = client.test_function(**given)["TestResult"]
    assert "SyntaxError" in result["FunctionErrorMessage"]
    assert result["FunctionOutput"] == ""
