"""A record set of the API as name servers are told of it, and the other way.

Law: what our answer tree does not know is refused, never left out. Names are whole, with a final
dot or without; `\\052` is `*`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from msgspec.structs import replace

from edgecache.config.dns import (
    DnsAlias,
    DnsCidrLocation,
    DnsGeolocation,
    DnsGeoproximity,
    DnsRecord,
    distribution_label,
    owner_of,
)
from edgecache.config.zone_records import absolute_value
from edgecache.control.route53.call import Document, Route53Call, plain_id, unsupported
from edgecache.control.route53.model import Route53Error
from edgecache.control.state.hosted_zones import HostedRecordSet, HostedZone, shown_name
from edgecache.control.state.resources import ResourceKind, default_domain_name

CLOUDFRONT_ZONE = "Z2FDTNDATAQYW2"  # of all distributions: AWS's own, which tools have built in
_POLICIES = (
    "Weight", "Region", "Failover", "GeoLocation", "MultiValueAnswer", "CidrRoutingConfig",
    "GeoProximityLocation",
)  # fmt: skip
_ILLEGAL = {
    "A": "ARRDATAIllegalIPv4Address (Value is not a valid IPv4 address)",
    "AAAA": "AAAARRDATAIllegalIPv6Address (Value is not a valid IPv6 address)",
    "CNAME": "DomainLabelEmpty (Domain label is empty)",
}


class RecordSetRefusedError(Exception):
    """A record set cannot be: the message says why, as one of a batch's."""


@dataclass(slots=True)
class RecordSetWorld:
    """What record sets of a zone may name: distributions by the names that lead to them."""

    call: Route53Call
    zone: HostedZone
    _names: dict[str, str] | None = field(default=None)

    def distribution_of(self, name: str) -> str | None:
        """The id of the distribution of a `d….cloudfront.net`, or of its name in our zone."""
        if self._names is None:
            self._names = _distribution_names(self.call)
        return self._names.get(name.rstrip(".").lower())

    def health_check(self, id: str) -> str:
        """An id that is given, of a health check that is there. NoSuchHealthCheck."""
        if id and self.call.catalog.get(ResourceKind.HEALTH_CHECK, id) is None:
            raise Route53Error("NoSuchHealthCheck", f"There is no health check {id}.")
        return id


def _distribution_names(call: Route53Call) -> dict[str, str]:
    settings, names = call.settings, {}
    for one in call.catalog.of(ResourceKind.DISTRIBUTION):
        domain = one.domain_name or default_domain_name(one.id)
        names[domain.lower()] = one.id
        if settings is not None and settings.zone:
            label = distribution_label(one.id, one.domain_name)
            names[f"{label}.{settings.zone.rstrip('.').lower()}"] = one.id
    return names


def words(document: Mapping[str, Any]) -> str:
    """A record set as messages name it."""
    shown = f"name='{document['Name']}', type='{document['Type']}'"
    identifier = document.get("SetIdentifier")
    return f"[{shown}, set-identifier='{identifier}']" if identifier else f"[{shown}]"


def owner_name(zone: HostedZone, given: str) -> str:
    """The name of a record set, absolute and in lower case. RecordSetRefusedError."""
    try:
        return owner_of(given.rstrip(".") + ".", zone.name)
    except ValueError as error:
        if str(error).startswith("is not in"):
            message = f"RRSet with DNS name {given} is not permitted in zone {zone.name}"
        else:
            message = f"RRSet with DNS name {given} is not permitted: it {error}"
        raise RecordSetRefusedError(message) from None


def read_record_set(world: RecordSetWorld, action: str, given: Document) -> HostedRecordSet:
    """A record set as it was given. RecordSetRefusedError, InvalidInput."""
    _check_members(action, given)
    name = owner_name(world.zone, given["Name"])
    alias = given.get("AliasTarget")
    document = {**given, "Name": shown_name(name)}
    record = DnsRecord(
        name=name,
        type=given["Type"],
        id=given.get("SetIdentifier", ""),
        health_check=world.health_check(given.get("HealthCheckId", "")),
    )
    if alias is not None:
        target = _target_name(alias["DNSName"])
        document["AliasTarget"] = {**alias, "DNSName": shown_name(target)}
        document["AliasTarget"]["HostedZoneId"] = plain_id(alias["HostedZoneId"])
        record = replace(record, alias=_alias(world, given, target))
    else:
        record = replace(record, ttl_s=given["TTL"], values=_values(given))
    return HostedRecordSet(document, _with_policy(record, given))


def _check_members(action: str, given: Document) -> None:
    """InvalidInput where members do not go together, in AWS's words."""
    if "TrafficPolicyInstanceId" in given:
        raise unsupported("TrafficPolicyInstanceId", "there are no traffic policies here")
    if "AZAffinity" in given:
        raise unsupported("AZAffinity", "there are no availability zones here")
    shown = [action, given["Name"], given["Type"], given.get("SetIdentifier", "null")]
    place = "Change with [Action={}, Name={}, Type={}, SetIdentifier={}]".format(*shown)
    plain, alias = "TTL" in given or "ResourceRecords" in given, "AliasTarget" in given
    if plain == alias or (plain and not ("TTL" in given and given.get("ResourceRecords"))):
        how = "more than one" if plain and alias else "none"
        raise Route53Error(
            "InvalidInput",
            "Invalid request: Expected exactly one of [AliasTarget, all of [TTL, and"
            f" ResourceRecords], or TrafficPolicyInstanceId], but found {how} in {place}",
        )
    found = [name for name in _POLICIES if given.get(name) not in (None, False)]
    listed = ", ".join(_POLICIES)
    if "SetIdentifier" in given and len(found) != 1:
        how = "more than one" if found else "none"
        raise Route53Error(
            "InvalidInput",
            f"Invalid request: Expected exactly one of [{listed}], but found {how} in {place}",
        )
    if found and "SetIdentifier" not in given:
        raise Route53Error(
            "InvalidInput", f"Invalid request: Missing field 'SetIdentifier' in {place}"
        )


def _target_name(given: str) -> str:
    return given.rstrip(".").lower().replace("\\052", "*") + "."


def _alias(world: RecordSetWorld, given: Document, target: str) -> DnsAlias:
    alias, type = given["AliasTarget"], given["Type"]
    place = plain_id(alias["HostedZoneId"])
    evaluates = alias["EvaluateTargetHealth"]
    tried = f"Tried to create an alias that targets {target}, type {type} in zone {place}, but "
    if place == CLOUDFRONT_ZONE:
        id = world.distribution_of(target)
        if id is None:
            raise RecordSetRefusedError(f"{tried}that target was not found")
        if type not in ("A", "AAAA"):
            raise RecordSetRefusedError(f"{tried}a distribution has A and AAAA records alone")
        return DnsAlias(distribution=id, evaluate_target_health=evaluates)
    if place != world.zone.id:
        raise RecordSetRefusedError(
            f"{tried}only distributions ({CLOUDFRONT_ZONE}) and records of the same hosted zone"
            " are alias targets here"
        )
    try:
        name = owner_of(target, world.zone.name)
    except ValueError:
        raise RecordSetRefusedError(
            f"{tried}the alias target name does not lie within the target zone"
        ) from None
    return DnsAlias(name=name, evaluate_target_health=evaluates)


def _values(given: Document) -> tuple[str, ...]:
    """Values as name servers read them. RecordSetRefusedError."""
    type, values = given["Type"], []
    for one in given["ResourceRecords"]:
        text = one["Value"]
        try:
            if type in ("TXT", "SPF") and not text.lstrip().startswith('"'):
                raise ValueError(
                    "InvalidCharacterString (Value should be enclosed in quotation marks)"
                )
            values.append(absolute_value(type, text))
        except ValueError as error:
            fault = _ILLEGAL.get(type, str(error))
            if type in ("TXT", "SPF"):
                fault = str(error)
            raise RecordSetRefusedError(
                f"Invalid Resource Record: 'FATAL problem: {fault} encountered with '{text}''"
            ) from None
    if len({*values}) < len(values):
        raise RecordSetRefusedError(f"Duplicate Resource Record in {words(given)}")
    return tuple(values)


def _with_policy(record: DnsRecord, given: Document) -> DnsRecord:
    area, point, blocks = (
        given.get(name) for name in ("GeoLocation", "GeoProximityLocation", "CidrRoutingConfig")
    )
    return replace(
        record,
        weight=given.get("Weight"),
        region=given.get("Region", ""),
        failover=given.get("Failover", "").lower(),
        multivalue=bool(given.get("MultiValueAnswer")),
        geolocation=None if area is None else _area(area),
        geoproximity=None if point is None else _point(point),
        cidr=None
        if blocks is None
        else DnsCidrLocation(collection=blocks["CollectionId"], location=blocks["LocationName"]),
    )


def _area(given: Document) -> DnsGeolocation:
    return DnsGeolocation(
        continent=given.get("ContinentCode", ""),
        country=given.get("CountryCode", ""),
        subdivision=given.get("SubdivisionCode", ""),
    )


def _point(given: Document) -> DnsGeoproximity:
    if "LocalZoneGroup" in given:
        raise unsupported("GeoProximityLocation.LocalZoneGroup", "nobody knows where that is")
    where = given.get("Coordinates")
    coordinates = () if where is None else (float(where["Latitude"]), float(where["Longitude"]))
    return DnsGeoproximity(
        region=given.get("AWSRegion", ""), coordinates=coordinates, bias=given.get("Bias", 0)
    )


def record_set_document(call: Route53Call, zone: HostedZone, record: DnsRecord) -> Document:
    """A record set of the file as the API has it; its name is absolute."""
    document: Document = {"Name": shown_name(record.name), "Type": record.type}
    if record.id:
        document["SetIdentifier"] = record.id
    if record.alias is None:
        document["TTL"] = record.ttl_s
        document["ResourceRecords"] = [{"Value": one} for one in record.values]
    else:
        document["AliasTarget"] = _alias_document(call, zone, record.alias)
    for name, write in _WRITERS.items():
        value = write(record)
        if value is not None:
            document[name] = value
    return document


def _alias_document(call: Route53Call, zone: HostedZone, alias: DnsAlias) -> Document:
    if alias.name:
        place, name = zone.id, owner_of(alias.name, zone.name)
    else:
        one = call.catalog.get(ResourceKind.DISTRIBUTION, alias.distribution)
        domain = "" if one is None else one.domain_name
        place, name = CLOUDFRONT_ZONE, (domain or default_domain_name(alias.distribution)) + "."
    return {
        "HostedZoneId": place,
        "DNSName": shown_name(name),
        "EvaluateTargetHealth": alias.evaluate_target_health,
    }


def _area_document(record: DnsRecord) -> Document | None:
    area = record.geolocation
    if area is None:
        return None
    named = {
        "ContinentCode": area.continent, "CountryCode": area.country,
        "SubdivisionCode": area.subdivision,
    }  # fmt: skip
    return {name: value for name, value in named.items() if value}


def _point_document(record: DnsRecord) -> Document | None:
    point = record.geoproximity
    if point is None:
        return None
    document: Document = {"Bias": point.bias}
    if point.region:
        return document | {"AWSRegion": point.region}
    latitude, longitude = point.coordinates
    where = {"Latitude": f"{latitude:.2f}", "Longitude": f"{longitude:.2f}"}
    return document | {"Coordinates": where}


def _cidr_document(record: DnsRecord) -> Document | None:
    if record.cidr is None:
        return None
    return {"CollectionId": record.cidr.collection, "LocationName": record.cidr.location}


_WRITERS: Mapping[str, Callable[[DnsRecord], Any]] = {
    "Weight": lambda record: record.weight,
    "Region": lambda record: record.region or None,
    "Failover": lambda record: record.failover.upper() or None,
    "MultiValueAnswer": lambda record: record.multivalue or None,
    "GeoLocation": _area_document,
    "GeoProximityLocation": _point_document,
    "CidrRoutingConfig": _cidr_document,
    "HealthCheckId": lambda record: record.health_check or None,
}
