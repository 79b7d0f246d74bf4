"""Lists of kinds that nothing can be made of here, which are empty, and of distributions by them.

Law: a list is empty where that is the truth: its Create is refused. What is kept of a document for
its way back (a VPC origin, a list of Anycast addresses) is found by it all the same.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from edgecache.control.cloudfront.context import OperationContext, Run, page, page_size
from edgecache.control.cloudfront.distributions import list_chosen
from edgecache.control.cloudfront.model import api
from edgecache.control.state.resources import Resource, ResourceKind

EMPTY = (
    "ListAnycastIpLists",
    "ListConnectionFunctions",
    "ListConnectionGroups",
    "ListDistributionTenants",
    "ListDistributionTenantsByCustomization",
    "ListFieldLevelEncryptionConfigs",
    "ListFieldLevelEncryptionProfiles",
    "ListStreamingDistributions",
    "ListTrustStores",
    "ListVpcOrigins",
)

Document = dict[str, Any]


def operations() -> dict[str, Run]:
    """The operations, by name."""
    return {
        **{name: partial(list_none, name) for name in EMPTY},
        "ListDistributionsByAnycastIpListId": list_by_anycast_ip_list,
        "ListDistributionsByConnectionMode": list_by_connection_mode,
        "ListDistributionsByVpcOriginId": list_by_vpc_origin,
    }


def list_none(name: str, call: OperationContext) -> Document:
    """An empty list, in the form of the operation `name`."""
    most = page_size(call.input.get("MaxItems"))
    operation = api().operations[name]
    (member,) = (one for one in operation.gives.members if one != "NextMarker")
    shape = operation.gives.members[member]
    if shape.type_name == "list":
        return {member: []}
    whole = {
        "Marker": str(call.input.get("Marker") or ""),
        "MaxItems": most,
        "IsTruncated": False,
        "Quantity": 0,
    }
    return {member: {name: value for name, value in whole.items() if name in shape.members}}


def list_by_anycast_ip_list(call: OperationContext) -> Document:
    """Distributions that keep the id of an Anycast list."""
    wanted = call.input["AnycastIpListId"]
    return _chosen(call, lambda one: one.config.get("AnycastIpListId") == wanted)


def list_by_connection_mode(call: OperationContext) -> Document:
    """All for `direct`: there are no tenants."""
    wanted = call.input["ConnectionMode"]
    return _chosen(call, lambda one: one.config.get("ConnectionMode", "direct") == wanted)


def list_by_vpc_origin(call: OperationContext) -> Document:
    """The ids of distributions with an origin of a VPC origin's id."""
    wanted = call.input["VpcOriginId"]
    known = [
        one
        for one in call.catalog.of(ResourceKind.DISTRIBUTION)
        if any(
            origin.get("VpcOriginConfig", {}).get("VpcOriginId") == wanted
            for origin in one.config["Origins"].get("Items", ())
        )
    ]
    ids = [one.id for one in known]
    return {"DistributionIdList": page(call.input, ids, str, str)}


def _chosen(call: OperationContext, is_one: Callable[[Resource], bool]) -> Document:
    known = call.catalog.of(ResourceKind.DISTRIBUTION)
    return list_chosen(call, [one for one in known if is_one(one)])
