"""Operations on functions, in their two stages. API reference, Function.

What is created and updated is the stage DEVELOPMENT, which runs in tests alone. Publishing makes it
LIVE: that is what distributions name and nodes are told of, and only where a behavior names it.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from edgecache.config.checks.functions import check_functions
from edgecache.config.functions import FunctionConfig
from edgecache.config.model import Config
from edgecache.config.problems import ProblemCode, Problems
from edgecache.control.cloudfront.context import (
    FunctionTester,
    FunctionTestResult,
    OperationContext,
    Run,
    arn,
    page,
)
from edgecache.control.cloudfront.error_mapping import as_api_errors
from edgecache.control.cloudfront.errors import ApiError
from edgecache.control.cloudfront.key_value_stores import store_of_arn
from edgecache.control.cloudfront.model import PREFIX
from edgecache.control.cloudfront.preconditions import (
    require_changeable,
    require_current,
    require_resource,
)
from edgecache.control.cloudfront.quotas import require_room
from edgecache.control.cloudfront.resources import distributions_using
from edgecache.control.cloudfront.tags import merge_tags
from edgecache.control.state.functions import DEVELOPMENT, LIVE, function_config
from edgecache.control.state.key_values import KeyValues
from edgecache.control.state.resources import Resource, ResourceKind, ResourceSource, random_id
from edgecache.functions.context import EngineMissingError
from edgecache.functions.event import is_response
from edgecache.functions.interface import FunctionWorld
from edgecache.functions.runner import run_test

KIND = ResourceKind.FUNCTION
MISSING = "NoSuchFunctionExists"
CODE_TYPE = "application/octet-stream"
EVENT_TYPES = ("viewer-request", "viewer-response")

Document = dict[str, Any]


def operations() -> dict[str, Run]:
    """The operations on functions, by name."""
    return {
        "CreateFunction": create,
        "DescribeFunction": describe,
        "GetFunction": get,
        "UpdateFunction": update,
        "PublishFunction": publish,
        "DeleteFunction": delete,
        "ListFunctions": list_all,
        "TestFunction": test_function,
    }


def create(call: OperationContext) -> Document:
    """Make a function, whose only stage is DEVELOPMENT."""
    catalog, name = call.catalog, call.input["Name"]
    known = catalog.of(KIND)
    if any(one.id == name for one in known):
        raise ApiError("FunctionAlreadyExists", f"There is a function named {name} already.")
    require_room(call, "functions", len(known), "TooManyFunctions")
    now = catalog.clock()
    etag = random_id("E", catalog.random)
    resource = Resource(
        kind=KIND,
        id=name,
        etag=etag,
        created_at=now,
        modified_at=now,
        config={"Name": name, "Stages": {DEVELOPMENT: _stage(call, etag, now, now)}},
        tags=merge_tags({}, call.input.get("Tags", {}).get("Items", [])),
    )
    with as_api_errors(KIND, name), call.changing(name):
        catalog.put(resource)
    location = f"{call.base}{PREFIX}/function/{name}"
    return _output(call, resource, DEVELOPMENT) | {"Location": location}


def describe(call: OperationContext) -> Document:
    one = _function(call)
    return _output(call, one, _wanted_stage(call, one))


def get(call: OperationContext) -> Document:
    """The code alone."""
    one = _function(call)
    stage = one.config["Stages"][_wanted_stage(call, one)]
    code = stage["FunctionCode"].encode()
    return {"FunctionCode": code, "ETag": stage["ETag"], "ContentType": CODE_TYPE}


def update(call: OperationContext) -> Document:
    """Replace the stage DEVELOPMENT; what is LIVE stays."""
    one = _function(call)
    require_changeable(one, "AccessDenied")
    require_current(call, one)
    catalog, etag = call.catalog, random_id("E", call.catalog.random)
    now = catalog.clock()
    stages = one.config["Stages"] | {DEVELOPMENT: _stage(call, etag, one.created_at, now)}
    changed = replace(
        one, etag=etag, modified_at=now, config=one.config | {"Stages": stages}, generation=0
    )
    with as_api_errors(KIND, one.id), call.changing(one.id):
        catalog.put(changed)
    return _output(call, changed, DEVELOPMENT)


def publish(call: OperationContext) -> Document:
    """Make DEVELOPMENT what runs at viewers."""
    one = _function(call)
    require_changeable(one, "AccessDenied")
    require_current(call, one)
    stages = one.config["Stages"]
    live = stages[DEVELOPMENT] | {"LastModifiedTime": call.catalog.clock()}
    changed = replace(one, config=one.config | {"Stages": stages | {LIVE: live}}, generation=0)
    with as_api_errors(KIND, one.id), call.changing(one.id):
        call.catalog.put(changed)
    return {"FunctionSummary": _summary(call, changed, LIVE)}


def delete(call: OperationContext) -> Document:
    """Remove a function that no behavior names, with both its stages."""
    one = _function(call)
    require_changeable(one, "AccessDenied")
    require_current(call, one)
    using = distributions_using(call.catalog, KIND, one.id)
    if using:
        raise ApiError("FunctionInUse", f"The function {one.id} is associated with {using[0].id}.")
    with as_api_errors(KIND, one.id), call.changing(one.id):
        call.catalog.remove(KIND, one.id)
    return {}


def list_all(call: OperationContext) -> Document:
    """Every function in every stage it has, or in the one that is asked for."""
    wanted = call.input.get("Stage")
    stages = (DEVELOPMENT, LIVE) if wanted is None else (wanted,)
    known = {
        f"{one.id}/{stage}": (one, stage)
        for one in call.catalog.of(KIND)
        for stage in stages
        if stage in one.config["Stages"]
    }
    listed = page(call.input, sorted(known), str, lambda key: _summary(call, *known[key]))
    return {"FunctionList": listed}


def test_function(call: OperationContext) -> Document:
    """Run a stage on an event, outside of any request."""
    one = _function(call)
    stage = _wanted_stage(call, one)
    if call.input.get("IfMatch") != one.config["Stages"][stage]["ETag"]:  # its only code for it
        raise ApiError(
            "InvalidIfMatchVersion", "The If-Match version is missing or not the stage's current."
        )
    event = _event(call.input["EventObject"])
    tester = call.services.test_function
    if tester is None:
        raise ApiError("UnsupportedOperation", "There is no engine to run functions.")
    tested = function_config(one.id, one.config["Stages"][stage], stage)
    result = tester(tested, event)
    kind = "response" if is_response(result.result) else "request"
    output = "" if result.error else json.dumps({kind: result.result}, ensure_ascii=False)
    return {
        "TestResult": {
            "FunctionSummary": _summary(call, one, stage),
            "ComputeUtilization": str(result.utilization),
            "FunctionExecutionLogs": list(result.logs),
            "FunctionErrorMessage": result.error,
            "FunctionOutput": output,
        }
    }


def function_tester(
    values: KeyValues, clock: Callable[[], float], cpu_clock: Callable[[], float]
) -> FunctionTester:
    """Runs functions in this process; `clock` is wall time, `cpu_clock` this thread's."""
    world = FunctionWorld(cpu_clock, clock, values.reader)

    def tested(function: FunctionConfig, event: Document) -> FunctionTestResult:
        try:
            return run_test(function, event, world)
        except EngineMissingError as error:
            raise ApiError("UnsupportedOperation", f"{error}.") from None

    return tested


def _function(call: OperationContext) -> Resource:
    return require_resource(call, KIND, call.input["Name"], MISSING)


def _wanted_stage(call: OperationContext, one: Resource) -> str:
    """The stage that is asked for; DEVELOPMENT unless it is said, or there is none (the file)."""
    stages = one.config["Stages"]
    asked = call.input.get("Stage")
    stage = asked or (DEVELOPMENT if DEVELOPMENT in stages else LIVE)
    if stage not in stages:
        raise ApiError(MISSING, f"The function {one.id} has no stage {stage}.")
    return str(stage)


def _stage(call: OperationContext, etag: str, created_at: float, now: float) -> Document:
    """What a call makes of DEVELOPMENT. InvalidArgument, FunctionSizeLimitExceeded."""
    given = call.input["FunctionConfig"]
    try:
        code = call.input["FunctionCode"].decode()
    except UnicodeDecodeError:
        raise ApiError("InvalidArgument", "The parameter FunctionCode: not UTF-8 text.") from None
    stores = given.get("KeyValueStoreAssociations", {}).get("Items", [])
    stage = {
        "ETag": etag,
        "FunctionConfig": {
            "Comment": given["Comment"],
            "Runtime": given["Runtime"],
            "KeyValueStoreAssociations": {"Quantity": len(stores)}
            | ({"Items": stores} if stores else {}),
        },
        "FunctionCode": code,
        "CreatedTime": created_at,
        "LastModifiedTime": now,
    }
    _require_good(call, function_config(call.input["Name"], stage, DEVELOPMENT), stores)
    return stage


def _require_good(
    call: OperationContext, function: FunctionConfig, stores: list[dict[str, str]]
) -> None:
    for item in stores:
        id = store_of_arn(item["KeyValueStoreARN"])
        if call.catalog.get(ResourceKind.KEY_VALUE_STORE, id) is None:
            raise ApiError(
                "InvalidArgument",
                f"The parameter FunctionConfig.KeyValueStoreAssociations: there is no key value "
                f"store {item['KeyValueStoreARN']}.",
            )
    problems = Problems()
    check_functions(Config(functions=(function,)), problems)
    for problem in problems.found:
        member = problem.where.partition(".")[2]
        too_large = member == "code" and problem.code is ProblemCode.TOO_MANY
        code = "FunctionSizeLimitExceeded" if too_large else "InvalidArgument"
        raise ApiError(code, f"The parameter {_MEMBERS.get(member, member)}: {problem.message}.")


_MEMBERS = {
    "code": "FunctionCode",
    "name": "Name",
    "key_value_stores": "FunctionConfig.KeyValueStoreAssociations",
}


def _summary(call: OperationContext, one: Resource, stage: str) -> Document:
    content = one.config["Stages"][stage]
    return {
        "Name": one.id,
        "Status": _status(call, one, stage),
        "FunctionConfig": content["FunctionConfig"],
        "FunctionMetadata": {
            "FunctionARN": arn(one),
            "Stage": stage,
            "CreatedTime": content["CreatedTime"],
            "LastModifiedTime": content["LastModifiedTime"],
        },
    }


def _status(call: OperationContext, one: Resource, stage: str) -> str:
    """UNPUBLISHED, UNASSOCIATED, IN_PROGRESS until every node runs it, then DEPLOYED."""
    stages = one.config["Stages"]
    if LIVE not in stages or stages[stage]["ETag"] != stages[LIVE]["ETag"]:
        return "UNPUBLISHED"
    using = distributions_using(call.catalog, KIND, one.id)
    if not using:
        return "UNASSOCIATED"
    whole = call.catalog.generation  # of the file
    brought = max(
        whole if each.source is ResourceSource.FILE else each.generation for each in (one, *using)
    )
    return "DEPLOYED" if call.services.deployed(brought) else "IN_PROGRESS"


def _output(call: OperationContext, one: Resource, stage: str) -> Document:
    etag = one.config["Stages"][stage]["ETag"]
    return {"FunctionSummary": _summary(call, one, stage), "ETag": etag}


def _event(given: bytes) -> Document:
    """The event of a test, with what a caller may leave out. InvalidArgument."""
    try:
        event = json.loads(given)
    except (ValueError, RecursionError):
        raise _wrong_event("not JSON") from None
    if not isinstance(event, dict):
        raise _wrong_event("not an object")
    context = event.get("context", {})
    if not isinstance(context, dict) or context.get("eventType") not in EVENT_TYPES:
        raise _wrong_event(f"context.eventType is not one of {', '.join(EVENT_TYPES)}")
    if event.get("version", "1.0") != "1.0":
        raise _wrong_event("version is not 1.0")
    parts = ["request"] + (["response"] if context["eventType"] == "viewer-response" else [])
    for part in parts:
        if not isinstance(event.get(part), dict):
            raise _wrong_event(f"{part} is missing")
    ids = {"distributionDomainName": "", "distributionId": "", "requestId": ""}
    made = {"version": "1.0", "viewer": {"ip": "127.0.0.1"}} | event
    return made | {"context": ids | context}


def _wrong_event(why: str) -> ApiError:
    return ApiError("InvalidArgument", f"The parameter EventObject: {why}.")
