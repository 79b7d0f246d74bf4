"""Quotas as the API tells them, and how much of each is used."""

from __future__ import annotations

from edgecache.config.health_checks import CHECKS_MAX
from edgecache.control.route53.call import Document, Route53Call, Run, plain_id
from edgecache.control.route53.declared_zones import (
    all_zones,
    declared_record_sets,
    is_declared,
    zone_of,
)
from edgecache.control.route53.model import RECORD_SETS_MAX, VPCS_MAX, ZONES_MAX, Route53Error
from edgecache.control.state.resources import ResourceKind


def operations() -> dict[str, Run]:
    """The operations, by name."""
    return {
        "GetAccountLimit": account_limit,
        "GetHealthCheckCount": health_check_count,
        "GetHostedZoneCount": hosted_zone_count,
        "GetHostedZoneLimit": hosted_zone_limit,
    }


def hosted_zone_count(call: Route53Call) -> Document:
    return {"HostedZoneCount": len(all_zones(call))}


def health_check_count(call: Route53Call) -> Document:
    return {"HealthCheckCount": len(call.catalog.of(ResourceKind.HEALTH_CHECK))}


def account_limit(call: Route53Call) -> Document:
    """Of zones and health checks; of what cannot be made here there is no quota."""
    type = call.input["Type"]
    if type == "MAX_HOSTED_ZONES_BY_OWNER":
        return _limit(type, ZONES_MAX, len(all_zones(call)))
    if type == "MAX_HEALTH_CHECKS_BY_OWNER":
        return _limit(type, CHECKS_MAX, health_check_count(call)["HealthCheckCount"])
    raise Route53Error("InvalidInput", f"{type}: nothing of the kind can be made here.")


def hosted_zone_limit(call: Route53Call) -> Document:
    zone, type = zone_of(call, plain_id(call.input["HostedZoneId"])), call.input["Type"]
    if type == "MAX_VPCS_ASSOCIATED_BY_ZONE":
        if not zone.is_private:
            raise Route53Error("HostedZoneNotPrivate", f"The hosted zone {zone.id} is public.")
        return _limit(type, VPCS_MAX, len(zone.vpcs))
    if is_declared(call, zone):
        return _limit(type, RECORD_SETS_MAX, len(declared_record_sets(call, zone.id)))
    return _limit(type, RECORD_SETS_MAX, call.zones.count(zone.id))


def _limit(type: str, value: int, count: int) -> Document:
    return {"Limit": {"Type": type, "Value": value}, "Count": count}
