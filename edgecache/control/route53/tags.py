"""Tags of hosted zones and of health checks."""

from __future__ import annotations

from dataclasses import replace

from edgecache.control.route53.call import Document, Route53Call, Run, plain_id
from edgecache.control.route53.declared_zones import changeable_zone, zone_of
from edgecache.control.route53.model import TAGGED_MAX, TAGS_MAX, Route53Error
from edgecache.control.state.resources import Resource, ResourceKind, ResourceSource

ZONE = "hostedzone"
HEALTH_CHECK = "healthcheck"


def operations() -> dict[str, Run]:
    """The operations, by name."""
    return {
        "ChangeTagsForResource": change_tags,
        "ListTagsForResource": list_tags,
        "ListTagsForResources": list_tags_of_several,
    }


def change_tags(call: Route53Call) -> Document:
    """Add tags, and take some off."""
    added = {one["Key"]: one.get("Value", "") for one in call.input.get("AddTags", ())}
    removed = {*call.input.get("RemoveTagKeys", ())}
    if not added and not removed:
        raise Route53Error("InvalidInput", "There are no tags to add, and none to remove.")
    if any(key.lower().startswith("aws:") for key in added):
        raise Route53Error("InvalidInput", "Keys of tags that begin with aws: are AWS's own.")
    kind, id = call.input["ResourceType"], plain_id(call.input["ResourceId"])
    tags = {key: value for key, value in _tags(call, kind, id).items() if key not in removed}
    tags |= added
    if len(tags) > TAGS_MAX:
        raise Route53Error("InvalidInput", f"More than {TAGS_MAX} tags.")
    if kind == ZONE:
        zone = replace(changeable_zone(call, id), tags=tags)
        with call.catalog.recorded(call.by(id)):
            call.zones.annotate(zone)
        return {}
    check = _health_check(call, id)
    if check.source is not ResourceSource.API:
        raise Route53Error("AccessDenied", f"The health check {id} is the file's.")
    with call.catalog.changing(call.by(id)):
        call.catalog.put(replace(check, tags=tags))
    return {}


def list_tags(call: Route53Call) -> Document:
    kind, id = call.input["ResourceType"], plain_id(call.input["ResourceId"])
    return {"ResourceTagSet": _tag_set(call, kind, id)}


def list_tags_of_several(call: Route53Call) -> Document:
    kind, ids = call.input["ResourceType"], call.input["ResourceIds"]
    if len(ids) > TAGGED_MAX:
        raise Route53Error("InvalidInput", f"More than {TAGGED_MAX} resources.")
    return {"ResourceTagSets": [_tag_set(call, kind, plain_id(id)) for id in ids]}


def _tag_set(call: Route53Call, kind: str, id: str) -> Document:
    tags = [{"Key": key, "Value": value} for key, value in _tags(call, kind, id).items()]
    return {"ResourceType": kind, "ResourceId": id, "Tags": tags}


def _tags(call: Route53Call, kind: str, id: str) -> dict[str, str]:
    if kind == ZONE:
        return zone_of(call, id).tags
    if kind == HEALTH_CHECK:
        return _health_check(call, id).tags
    raise Route53Error("InvalidInput", f"ResourceType is {ZONE} or {HEALTH_CHECK}.")


def _health_check(call: Route53Call, id: str) -> Resource:
    found = call.catalog.get(ResourceKind.HEALTH_CHECK, id)
    if found is None:
        raise Route53Error("NoSuchHealthCheck", f"There is no health check {id}.")
    return found
