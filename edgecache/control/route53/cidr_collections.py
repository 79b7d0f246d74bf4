"""CIDR collections: blocks of addresses by the names of locations, for IP-based routing.

Developer Guide, "IP-based routing"; a block is of one location of a collection.
"""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import replace
from ipaddress import ip_network
from typing import Any

from edgecache.control.cloudfront.context import ACCOUNT
from edgecache.control.route53.call import Document, Route53Call, Run, page_size
from edgecache.control.route53.model import (
    CIDR_BLOCKS_MAX,
    CIDR_COLLECTIONS_MAX,
    PREFIX,
    Route53Error,
)
from edgecache.control.state.cidr_collections import CidrCollection

PREFIX_BITS_MAX = {4: 24, 6: 48}


def operations() -> dict[str, Run]:
    """The operations, by name."""
    return {
        "ChangeCidrCollection": change,
        "CreateCidrCollection": create,
        "DeleteCidrCollection": delete,
        "ListCidrBlocks": list_blocks,
        "ListCidrCollections": list_collections,
        "ListCidrLocations": list_locations,
    }


def create(call: Route53Call) -> Document:
    known = call.zones.collections.all()
    name, reference = call.input["Name"], call.input["CallerReference"]
    if any(one.name == name or one.reference == reference for one in known):
        raise Route53Error(
            "CidrCollectionAlreadyExistsException", f"There is a collection {name} already."
        )
    if len(known) >= CIDR_COLLECTIONS_MAX:
        raise Route53Error("LimitsExceeded", f"There are {CIDR_COLLECTIONS_MAX} collections.")
    id = str(uuid.UUID(bytes=call.catalog.random(16), version=4))
    made = CidrCollection(id, name, 1, reference)
    with call.catalog.recorded(call.by(name)):
        call.zones.collections.put(made)
    location = f"{call.base}{PREFIX}/cidrcollection/{id}"
    return {"Collection": _document(made), "Location": location}


def change(call: Route53Call) -> Document:
    """Put blocks into locations, and take some out; all or nothing."""
    one = _collection(call, call.input["Id"])
    if call.input.get("CollectionVersion", one.version) != one.version:
        raise Route53Error(
            "CidrCollectionVersionMismatchException", f"The version is {one.version}."
        )
    locations = {name: [*blocks] for name, blocks in one.locations.items()}
    for item in call.input["Changes"]:
        _apply(locations, item)
    kept = {name: tuple(blocks) for name, blocks in locations.items() if blocks}
    if sum(map(len, kept.values())) > CIDR_BLOCKS_MAX:
        raise Route53Error("LimitsExceeded", f"More than {CIDR_BLOCKS_MAX} blocks.")
    changed = replace(one, version=one.version + 1, locations=kept)
    seq = call.zones.change_collection(changed, call.by(one.name))
    return {"Id": call.zones.note_change("", seq).id}


def _apply(locations: dict[str, list[str]], item: Document) -> None:
    name = item["LocationName"]
    for text in item["CidrList"]:
        block = _block(text)
        if item["Action"] == "DELETE_IF_EXISTS":
            held = locations.get(name, [])
            locations[name] = [one for one in held if one != block]
            continue
        other = next((place for place, blocks in locations.items() if block in blocks), name)
        if other != name:
            raise Route53Error("CidrBlockInUseException", f"{block} is of the location {other}.")
        if block not in locations.setdefault(name, []):
            locations[name].append(block)


def _block(text: str) -> str:
    """A block as it is kept. InvalidInput."""
    try:
        network = ip_network(text)
    except ValueError as error:
        raise Route53Error("InvalidInput", f"{text} is not a CIDR block: {error}.") from None
    if not 1 <= network.prefixlen <= PREFIX_BITS_MAX[network.version]:
        raise Route53Error("InvalidInput", f"{text} is not /1 to /24 (IPv4), /1 to /48 (IPv6).")
    return str(network)


def delete(call: Route53Call) -> Document:
    one = _collection(call, call.input["Id"])
    if one.locations or call.zones.users_of_collection(one.id):
        raise Route53Error(
            "CidrCollectionInUseException", "The collection is in use, or is not empty."
        )
    with call.catalog.recorded(call.by(one.name)):
        call.zones.collections.remove(one.id)
    return {}


def list_collections(call: Route53Call) -> Document:
    found = [_document(one) for one in call.zones.collections.all()]
    return _page(call, "CidrCollections", found, [one["Id"] for one in found])


def list_locations(call: Route53Call) -> Document:
    one = _collection(call, call.input["CollectionId"])
    names = sorted(one.locations)
    return _page(call, "CidrLocations", [{"LocationName": name} for name in names], names)


def list_blocks(call: Route53Call) -> Document:
    one, wanted = _collection(call, call.input["CollectionId"]), call.input.get("LocationName")
    if wanted and wanted not in one.locations:
        raise Route53Error("NoSuchCidrLocationException", f"There is no location {wanted}.")
    found = sorted(
        (name, block)
        for name, blocks in one.locations.items()
        if wanted in (None, name)
        for block in blocks
    )
    items = [{"LocationName": name, "CidrBlock": block} for name, block in found]
    return _page(call, "CidrBlocks", items, [" ".join(pair) for pair in found])


def _page(call: Route53Call, member: str, items: Sequence[Any], keys: Sequence[str]) -> Document:
    """A page from the key that NextToken has; both lists are in the order of keys."""
    most, token = page_size(call.input.get("MaxResults")), call.input.get("NextToken") or ""
    first = next((number for number, key in enumerate(keys) if key >= token), len(keys))
    listed: Document = {member: [*items[first : first + most]]}
    return listed | ({"NextToken": keys[first + most]} if first + most < len(keys) else {})


def _collection(call: Route53Call, id: str) -> CidrCollection:
    found = call.zones.collections.get(id)
    if found is None:
        raise Route53Error("NoSuchCidrCollectionException", f"There is no collection {id}.")
    return found


def _document(one: CidrCollection) -> Document:
    arn = f"arn:aws:route53::{ACCOUNT}:cidrcollection/{one.id}"
    return {"Arn": arn, "Id": one.id, "Name": one.name, "Version": one.version}
