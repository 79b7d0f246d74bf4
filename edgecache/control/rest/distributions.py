"""Distributions over the REST API: listed, shown, adopted from the file and given back to it.

Law: it does nothing that CloudFront's API does not do by the same functions.
"""

from __future__ import annotations

import msgspec

from edgecache.config.aws.unsupported import unsupported
from edgecache.config.refused_distributions import log_buckets, shield_names, unavailable_reasons
from edgecache.control.cloudfront.context import OperationContext, arn, page
from edgecache.control.cloudfront.distributions import distribution, runs_everywhere
from edgecache.control.rest.call import RestCall
from edgecache.control.state.catalog import adopt, give_back
from edgecache.control.state.resources import Resource, ResourceKind, default_domain_name


class DistributionSummary(msgspec.Struct, frozen=True):
    """A distribution in a few words; `source` says who may change it.

    `unsupported` are members it asks for and is served without; with `unavailable`, why it answers
    503, it is not served.
    """

    id: str
    arn: str
    domain_name: str
    aliases: list[str]
    enabled: bool
    status: str
    source: str
    comment: str
    etag: str
    unsupported: list[str] = []
    unavailable: list[str] = []


class DistributionSummaries(msgspec.Struct, frozen=True):
    """A page of distributions; `next` is the `marker` of the next one, empty at the end."""

    distributions: list[DistributionSummary]
    next: str = ""


def list_distributions(call: RestCall) -> DistributionSummaries:
    """GET /distributions?marker=&max_items=."""
    context = call.context
    distributions = context.catalog.of(ResourceKind.DISTRIBUTION)
    wanted = {"Marker": call.query.get("marker"), "MaxItems": call.query.get("max_items")}
    listed = page(wanted, distributions, lambda one: one.id, lambda one: _summary(context, one))
    return DistributionSummaries(listed.get("Items", []), listed.get("NextMarker", ""))


def get_distribution(call: RestCall) -> DistributionSummary:
    """GET /distributions/ID."""
    return _summary(call.context, distribution(call.context, call.path["id"]))


def adopt_distribution(call: RestCall) -> DistributionSummary:
    """POST /distributions/ID/adoption: from now on the API says what it is."""
    context, id = call.context, call.path["id"]
    return _summary(context, adopt(context.catalog, id, context.by(id)))


def give_back_distribution(call: RestCall) -> DistributionSummary:
    """DELETE /distributions/ID/adoption: the file says again what it is."""
    context, id = call.context, call.path["id"]
    give_back(context.catalog, id, context.by(id))
    return get_distribution(call)


def _summary(context: OperationContext, one: Resource) -> DistributionSummary:
    return DistributionSummary(
        id=one.id,
        arn=arn(one),
        domain_name=one.domain_name or default_domain_name(one.id),
        aliases=one.config["Aliases"].get("Items", []),
        enabled=one.config["Enabled"],
        status="Deployed" if runs_everywhere(context, one) else "InProgress",
        source=one.source,
        comment=one.config["Comment"],
        etag=one.etag,
        unsupported=_unsupported_places(context, one),
        unavailable=unavailable_reasons(context.catalog.published, one.id),
    )


def _unsupported_places(context: OperationContext, one: Resource) -> list[str]:
    file = context.catalog.file
    members = unsupported(
        one.config,
        geo=bool(file.geo_database),
        log_buckets=log_buckets(file),
        shields=shield_names(file),
    )
    return list(dict.fromkeys(each.member.place for each in members))
