"""Operations on real-time log configurations, by name or ARN. API reference, RealtimeLogConfig.

Where lines go is the file's to say: an end point names a stream that `realtime_log_streams` has.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from edgecache.config.aws.behaviors import REALTIME_LOG_ARN
from edgecache.config.checks.realtime_logs import NAME
from edgecache.control.cloudfront.context import OperationContext, Run, arn, page
from edgecache.control.cloudfront.error_mapping import as_api_errors
from edgecache.control.cloudfront.errors import ApiError
from edgecache.control.cloudfront.preconditions import require_changeable, require_resource
from edgecache.control.cloudfront.quotas import require_room
from edgecache.control.cloudfront.resources import distributions_using
from edgecache.control.state.resources import Resource, ResourceKind, random_id
from edgecache.observe.realtime_log import REALTIME_FIELDS

KIND = ResourceKind.REALTIME_LOG
MISSING = "NoSuchRealtimeLogConfig"
_MEMBERS = ("EndPoints", "Fields", "SamplingRate")

Document = dict[str, Any]


def operations() -> dict[str, Run]:
    """The operations on real-time log configurations, by name."""
    return {
        "CreateRealtimeLogConfig": create,
        "GetRealtimeLogConfig": get,
        "UpdateRealtimeLogConfig": update,
        "DeleteRealtimeLogConfig": delete,
        "ListRealtimeLogConfigs": list_all,
    }


def create(call: OperationContext) -> Document:
    """Make one."""
    catalog, name = call.catalog, call.input["Name"]
    if not NAME.fullmatch(name):
        raise _wrong("Name", "1 to 64 letters, digits, _ and -")
    known = catalog.of(KIND)
    if any(one.name == name for one in known):
        raise ApiError(
            "RealtimeLogConfigAlreadyExists", f"There is a real-time log named {name} already."
        )
    require_room(call, "realtime_log_configs", len(known), "TooManyRealtimeLogConfigs")
    now = catalog.clock()
    resource = Resource(
        kind=KIND,
        id=name,
        etag=random_id("E", catalog.random),
        created_at=now,
        modified_at=now,
        config=_config(call, name),
    )
    with as_api_errors(KIND, name), call.changing(name):
        catalog.put(resource)
    return _output(resource)


def get(call: OperationContext) -> Document:
    return _output(_named(call, "Name", "ARN"))


def update(call: OperationContext) -> Document:
    """Replace the configuration whole: a member that is not given is missed."""
    one = _named(call, "Name", "ARN")
    require_changeable(one, "AccessDenied")
    for member in _MEMBERS:
        if member not in call.input:
            raise _wrong(member, "the whole configuration is wanted")
    catalog = call.catalog
    changed = replace(
        one,
        etag=random_id("E", catalog.random),
        modified_at=catalog.clock(),
        config=_config(call, one.name),
        generation=0,
    )
    with as_api_errors(KIND, one.id), call.changing(one.name):
        catalog.put(changed)
    return _output(changed)


def delete(call: OperationContext) -> Document:
    """Remove one that no behavior names."""
    one = _named(call, "Name", "ARN")
    require_changeable(one, "AccessDenied")
    if users := distributions_using(call.catalog, KIND, one.id):
        trouble = f"The real-time log {one.name} is used by the distribution {users[0].id}."
        raise ApiError("RealtimeLogConfigInUse", trouble)
    with as_api_errors(KIND, one.id), call.changing(one.name):
        call.catalog.remove(KIND, one.id)
    return {}


def list_all(call: OperationContext) -> Document:
    listed = page(call.input, call.catalog.of(KIND), _name, _shown)
    listed.pop("Quantity")  # which this list has not
    return {"RealtimeLogConfigs": listed}


def realtime_log_named(call: OperationContext) -> Resource:
    """The one that a list of distributions is about. InvalidArgument, its only error."""
    try:
        return _named(call, "RealtimeLogConfigName", "RealtimeLogConfigArn")
    except ApiError as error:
        raise ApiError("InvalidArgument", error.message) from error


def _named(call: OperationContext, by_name: str, by_arn: str) -> Resource:
    """The one of a name or an ARN; where both are given they must be one's."""
    name, told = call.input.get(by_name, ""), call.input.get(by_arn, "")
    match = REALTIME_LOG_ARN.fullmatch(told)
    if told and match is None:
        raise _wrong(by_arn, f"{told}: not the ARN of a real-time log")
    of_arn = match[1] if match else ""
    if not (name or of_arn) or (name and of_arn and name != of_arn):
        raise _wrong(by_name, f"one real-time log is named, by {by_name} or {by_arn}")
    return require_resource(call, KIND, name or of_arn, MISSING)


def _config(call: OperationContext, name: str) -> Document:
    """What is asked for, its fields in the order in which they are sent."""
    points, fields = call.input["EndPoints"], call.input["Fields"]
    rate = call.input["SamplingRate"]
    if not 1 <= rate <= 100:
        raise _wrong("SamplingRate", f"{rate} is outside 1 to 100")
    if len(points) != 1 or points[0]["StreamType"] != "Kinesis":
        raise _wrong("EndPoints", "one is wanted, of the StreamType Kinesis")
    if "KinesisStreamConfig" not in points[0]:
        raise _wrong("EndPoints[0].KinesisStreamConfig", "missing")
    if not fields:
        raise _wrong("Fields", "empty")
    places = {field: place for place, field in enumerate(REALTIME_FIELDS)}
    ordered = sorted(fields, key=lambda field: places.get(field, len(places)))
    return {"Name": name, "SamplingRate": rate, "EndPoints": points, "Fields": ordered}


def _name(one: Resource) -> str:
    return one.name


def _shown(one: Resource) -> Document:
    return {"ARN": arn(one)} | one.config


def _output(one: Resource) -> Document:
    return {"RealtimeLogConfig": _shown(one)}


def _wrong(member: str, why: str) -> ApiError:
    return ApiError("InvalidArgument", f"The parameter {member}: {why}.")
