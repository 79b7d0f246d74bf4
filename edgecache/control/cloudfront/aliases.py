"""Operations on aliases: moved from one distribution to another, and found where they conflict.

Developer Guide, "Move an alternate domain name to a different distribution"; API reference,
AssociateAlias, ListConflictingAliases. Law: an alias leaves one distribution and is another's in
one configuration, so that no request between finds it with nobody.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from edgecache.control.cloudfront.context import ACCOUNT, OperationContext, Run, page_size
from edgecache.control.cloudfront.distributions import distribution
from edgecache.control.cloudfront.error_mapping import as_api_errors
from edgecache.control.cloudfront.preconditions import require_allowed, require_changeable
from edgecache.control.state.resources import Resource, ResourceKind, random_id

SHOWN_CHARS = 6  # of ids and account numbers: the rest is hidden, as CloudFront does
Document = dict[str, Any]


def operations() -> dict[str, Run]:
    """The operations on aliases, by name."""
    return {"AssociateAlias": associate, "ListConflictingAliases": list_conflicting}


def associate(call: OperationContext) -> Document:
    """Give a distribution an alias, taken from the one that has it; nothing where it has it."""
    alias = call.input["Alias"].lower()
    target = distribution(call, call.input["TargetDistributionId"])
    require_changeable(target, "IllegalUpdate")
    if alias in _folded(target):
        return {}
    given = _with_aliases(call, target, [*_aliases(target), alias])
    require_allowed(call, given.config, target)
    changed = [given]
    for one in call.catalog.of(ResourceKind.DISTRIBUTION):
        if alias in _folded(one):
            require_changeable(one, "IllegalUpdate")
            rest = [name for name in _aliases(one) if name.lower() != alias]
            changed.insert(0, _with_aliases(call, one, rest))
    with as_api_errors(target.kind, target.id), call.changing(target.id):
        for one in changed:
            call.catalog.put(one)
    return {}


def list_conflicting(call: OperationContext) -> Document:
    """Aliases of other distributions that are this one or overlap with it."""
    wanted = call.input["Alias"].lower()
    own = distribution(call, call.input["DistributionId"])
    marker, most = str(call.input.get("Marker") or ""), page_size(call.input.get("MaxItems"))
    found = sorted(
        (alias, one.id)
        for one in call.catalog.of(ResourceKind.DISTRIBUTION)
        if one.id != own.id
        for alias in _aliases(one)
        if _overlap(alias.lower(), wanted) and alias > marker
    )
    items = [
        {"Alias": alias, "DistributionId": _hidden(id), "AccountId": _hidden(ACCOUNT)}
        for alias, id in found[:most]
    ]
    listed: Document = {"MaxItems": most, "Quantity": len(items)}
    listed |= {"Items": items} if items else {}
    listed |= {"NextMarker": items[-1]["Alias"]} if len(found) > most else {}
    return {"ConflictingAliasesList": listed}


def _overlap(one: str, other: str) -> bool:
    """Whether a host may be both: `*` stands for the first label alone, or for all of it."""
    if one == other or "*" in (one, other):
        return True
    if not (one.startswith("*.") or other.startswith("*.")):
        return False
    return one.partition(".")[2] == other.partition(".")[2]


def _aliases(one: Resource) -> list[str]:
    return [*one.config["Aliases"].get("Items", ())]


def _folded(one: Resource) -> set[str]:
    return {name.lower() for name in _aliases(one)}


def _with_aliases(call: OperationContext, one: Resource, names: list[str]) -> Resource:
    listed: Document = {"Quantity": len(names)} | ({"Items": names} if names else {})
    return replace(
        one,
        etag=random_id("E", call.catalog.random),
        modified_at=call.catalog.clock(),
        config=one.config | {"Aliases": listed},
        generation=0,
    )


def _hidden(text: str) -> str:
    return "*" * max(0, len(text) - SHOWN_CHARS) + text[-SHOWN_CHARS:]
