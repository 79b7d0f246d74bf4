"""Record sets listed: by name from the right, by type, by identifier (ListResourceRecordSets)."""

from __future__ import annotations

from edgecache.cluster.dns_zones import RecordKey
from edgecache.control.route53.call import Document, Route53Call, Run, page_size, plain_id
from edgecache.control.route53.declared_zones import (
    declared_record_sets,
    is_declared,
    page_of,
    zone_of,
)
from edgecache.control.route53.model import LIST_MAX, Route53Error
from edgecache.control.state.hosted_zones import HostedRecordSet, HostedZone, list_position


def operations() -> dict[str, Run]:
    """The operation, by name."""
    return {"ListResourceRecordSets": list_record_sets}


def list_record_sets(call: Route53Call) -> Document:
    zone = zone_of(call, plain_id(call.input["HostedZoneId"]))
    most = page_size(call.input.get("MaxItems"), LIST_MAX)
    found = _from(call, zone, _start(call), most + 1)
    listed: Document = {
        "ResourceRecordSets": [one.document for one in found[:most]],
        "IsTruncated": len(found) > most,
        "MaxItems": str(most),
    }
    if len(found) > most:
        following = found[most].document
        listed["NextRecordName"] = following["Name"]
        listed["NextRecordType"] = following["Type"]
        if "SetIdentifier" in following:
            listed["NextRecordIdentifier"] = following["SetIdentifier"]
    return listed


def _from(
    call: Route53Call, zone: HostedZone, start: RecordKey, most: int
) -> list[HostedRecordSet]:
    if is_declared(call, zone):
        return page_of(declared_record_sets(call, zone.id), start, most)
    return call.zones.record_sets(zone.id, start, most)


def _start(call: Route53Call) -> RecordKey:
    name, type, identifier = (
        call.input.get(f"StartRecord{member}", "") for member in ("Name", "Type", "Identifier")
    )
    if type and not name:
        raise Route53Error("InvalidInput", "The input is not valid: a type is of a name.")
    if identifier and not type:
        raise Route53Error("InvalidInput", "The input is not valid: an identifier is of a type.")
    if not name:
        return "", "", ""
    return list_position((name.rstrip(".").lower() + ".", type, identifier))
