"""Distributions of the file that the API takes over, and gives back.

Law: on the day it is adopted a distribution serves exactly as it did; afterwards the file's table
for it counts no more, not even when the API deletes it.
"""

from __future__ import annotations

from dataclasses import replace

from edgecache.config.aws.policies import policies_of
from edgecache.control.cloudfront.origin_reach import origin_troubles
from edgecache.control.state.catalog import Catalog
from edgecache.control.state.resources import Resource, ResourceKind, ResourceSource, drawn

_POLICY_KINDS = (
    ResourceKind.CACHE_POLICY,
    ResourceKind.ORIGIN_REQUEST_POLICY,
    ResourceKind.RESPONSE_HEADERS_POLICY,
)


class NotAdoptedError(Exception):
    """It cannot be taken over, or given back: the message says why."""


def adopt(catalog: Catalog, id: str) -> Resource:
    """Keep what the file says of a distribution as the API's own, and its policies."""
    one = catalog.get(ResourceKind.DISTRIBUTION, id)
    if one is None:
        raise NotAdoptedError(f"there is no distribution {id}")
    if one.source is not ResourceSource.FILE:
        raise NotAdoptedError(f"the distribution {id} is the API's already")
    for place, trouble in origin_troubles(one.config, catalog.file):
        raise NotAdoptedError(f"{place}: {trouble}")
    adopted = _ours(one, catalog)
    with catalog.changing():
        catalog.adopt(id)
        catalog.put(adopted)
        for policy in _policies(catalog, id):
            catalog.put(_ours(policy, catalog))
    return catalog.get(ResourceKind.DISTRIBUTION, id) or adopted


def give_back(catalog: Catalog, id: str) -> None:
    """Let the file say again what a distribution is; what the API kept of it is gone."""
    if not any(one.id == id for one in catalog.file.distributions):
        raise NotAdoptedError(f"the file declares no distribution {id}")
    if not catalog.is_adopted(id):
        raise NotAdoptedError(f"the distribution {id} was not adopted")
    with catalog.changing():
        catalog.give_back(id)
        catalog.remove(ResourceKind.DISTRIBUTION, id)


def _policies(catalog: Catalog, id: str) -> list[Resource]:
    """The file's own policies that its distribution names: they leave with the table."""
    distribution = next(one for one in catalog.file.distributions if one.id == id)
    used = policies_of(distribution)
    found = []
    for kind, policies in zip(
        _POLICY_KINDS, (used.caches, used.requests, used.responses), strict=True
    ):
        known = [catalog.get(kind, name) for name in policies]
        found += [one for one in known if one is not None and one.source is ResourceSource.FILE]
    return found


def _ours(one: Resource, catalog: Catalog) -> Resource:
    return replace(one, etag=drawn("E", catalog.random), generation=0, source=ResourceSource.API)
