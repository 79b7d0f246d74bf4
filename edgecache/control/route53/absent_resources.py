"""Lists of kinds that nothing can be made of here, which are empty; the state of DNSSEC.

Law: a list is empty where that is the truth: its Create is refused.
"""

from __future__ import annotations

from functools import partial

from edgecache.control.route53.call import Document, Route53Call, Run, page_size, plain_id
from edgecache.control.route53.declared_zones import is_declared, zone_of
from edgecache.control.route53.model import Route53Error, route53

EMPTY = (
    "ListQueryLoggingConfigs",
    "ListReusableDelegationSets",
    "ListTrafficPolicies",
    "ListTrafficPolicyInstances",
    "ListTrafficPolicyInstancesByHostedZone",
    "ListVPCAssociationAuthorizations",
)


def operations() -> dict[str, Run]:
    """The operations, by name."""
    return {
        **{name: partial(list_none, name) for name in EMPTY},
        "GetDNSSEC": get_dnssec,
        "GetTrafficPolicyInstanceCount": lambda _call: {"TrafficPolicyInstanceCount": 0},
    }


def list_none(name: str, call: Route53Call) -> Document:
    """An empty list, in the form of the operation `name`; of a zone that is there."""
    if zone := call.input.get("HostedZoneId"):
        zone_of(call, plain_id(zone))
    answer: Document = {}
    for member, shape in route53().operations[name].gives.members.items():
        if shape.type_name == "list":
            answer[member] = []
        elif member == "IsTruncated":
            answer[member] = False
        elif member == "MaxItems":
            answer[member] = str(page_size(call.input.get("MaxItems")))
        elif member == "HostedZoneId":
            answer[member] = plain_id(call.input["HostedZoneId"])
        elif member == "Marker":
            answer[member] = str(call.input.get("Marker") or "")
    return answer


def get_dnssec(call: Route53Call) -> Document:
    """A zone that the API made is not signed; one of the file is told of by its own command."""
    zone = zone_of(call, plain_id(call.input["HostedZoneId"]))
    if zone.is_private:
        raise Route53Error("InvalidArgument", "A private hosted zone is not signed.")
    if is_declared(call, zone):
        raise Route53Error("InvalidInput", "See `edgecache dns ds` for a zone of the file.")
    return {"Status": {"ServeSignature": "NOT_SIGNING"}, "KeySigningKeys": []}
