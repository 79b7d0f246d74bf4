"""The answer that a resolver would be given of a zone now (TestDNSAnswer)."""

from __future__ import annotations

from ipaddress import ip_address, ip_network

from edgecache.control.route53.call import Document, Route53Call, Run, TestedQuestion, plain_id
from edgecache.control.route53.declared_zones import zone_of
from edgecache.control.route53.model import Route53Error
from edgecache.control.route53.record_sets import RecordSetRefusedError, owner_name
from edgecache.control.state.hosted_zones import shown_name

RESOLVER = "127.0.0.1"  # where a call names none
SUBNET_BITS = {4: 24, 6: 56}


def operations() -> dict[str, Run]:
    """The operation, by name."""
    return {"TestDNSAnswer": test_answer}


def test_answer(call: Route53Call) -> Document:
    """What is answered by the records, the health of what they lead to, and who asks."""
    given, tester = call.input, call.services.tester
    zone = zone_of(call, plain_id(given["HostedZoneId"]))
    if zone.is_private:
        raise Route53Error("InvalidInput", "Answers of private hosted zones are not tested.")
    if tester is None or call.settings is None:
        raise Route53Error("InvalidInput", "There are no name servers here.")
    try:
        name = owner_name(zone, given["RecordName"])
    except RecordSetRefusedError as error:
        raise Route53Error("InvalidInput", str(error)) from None
    question = TestedQuestion(
        name, given["RecordType"], _address(given.get("ResolverIP") or RESOLVER), _subnet(given)
    )
    answer = tester(zone.name, call.zones.content(zone.id), question, call.down)
    return {
        "Nameserver": next(iter(call.settings.name_servers), ""),
        "RecordName": shown_name(name),
        "RecordType": given["RecordType"],
        "RecordData": [*answer.data],
        "ResponseCode": answer.rcode,
        "Protocol": "UDP",
    }


def _address(text: str) -> str:
    try:
        return str(ip_address(text))
    except ValueError:
        raise Route53Error("InvalidInput", f"{text} is not an address.") from None


def _subnet(given: Document) -> str:
    """The client's subnet that the resolver tells; empty: none."""
    text, mask = given.get("EDNS0ClientSubnetIP"), given.get("EDNS0ClientSubnetMask")
    if not text:
        if mask:
            raise Route53Error("InvalidInput", "EDNS0ClientSubnetMask is of an address.")
        return ""
    bits = mask or str(SUBNET_BITS[ip_address(_address(text)).version])
    try:
        return str(ip_network(f"{text}/{bits}", strict=False))
    except ValueError:
        raise Route53Error("InvalidInput", f"{text}/{bits} is not a subnet.") from None
