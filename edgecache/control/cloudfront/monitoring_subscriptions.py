"""Monitoring subscriptions of distributions: whether CloudFront's additional metrics are asked for.

API reference, MonitoringSubscription. Law: nothing is promised that is not there. The additional
metrics (hit rate, latency of origins, statuses one by one) are at `/metrics` for every
distribution: who enables them has them, and who would have them disabled is refused.
"""

from __future__ import annotations

from typing import Any

from edgecache.control.cloudfront.context import OperationContext, Run
from edgecache.control.cloudfront.distributions import distribution
from edgecache.control.cloudfront.error_mapping import as_api_errors
from edgecache.control.cloudfront.errors import ApiError
from edgecache.control.cloudfront.preconditions import require_resource
from edgecache.control.state.resources import Resource, ResourceKind, random_id

KIND = ResourceKind.MONITORING_SUBSCRIPTION
MISSING = "NoSuchMonitoringSubscription"
_CONFIG = "RealtimeMetricsSubscriptionConfig"
_STATUS = "RealtimeMetricsSubscriptionStatus"

Document = dict[str, Any]


def operations() -> dict[str, Run]:
    """The operations, by name."""
    return {
        "CreateMonitoringSubscription": create,
        "GetMonitoringSubscription": get,
        "DeleteMonitoringSubscription": delete,
    }


def create(call: OperationContext) -> Document:
    """Keep the subscription of a distribution."""
    catalog = call.catalog
    id = distribution(call, call.input["DistributionId"]).id
    given = call.input["MonitoringSubscription"]
    status = given.get(_CONFIG, {}).get(_STATUS)
    if status != "Enabled":
        raise ApiError(
            "UnsupportedOperation",
            f"{_STATUS}: {status or 'missing'}. Additional metrics are at /metrics for every "
            "distribution, and cannot be disabled: Enabled is what there is.",
        )
    if catalog.get(KIND, id) is not None:
        raise ApiError(
            "MonitoringSubscriptionAlreadyExists",
            f"The distribution {id} has a monitoring subscription already.",
        )
    now, etag = catalog.clock(), random_id("E", catalog.random)
    with as_api_errors(KIND, id), call.changing(id):
        catalog.put(Resource(KIND, id, etag, now, now, {_CONFIG: {_STATUS: status}}))
    return {"MonitoringSubscription": {_CONFIG: {_STATUS: status}}}


def get(call: OperationContext) -> Document:
    return {"MonitoringSubscription": _subscription(call).config}


def delete(call: OperationContext) -> Document:
    """Forget the subscription; what is measured is measured on."""
    one = _subscription(call)
    with as_api_errors(KIND, one.id), call.changing(one.id):
        call.catalog.remove(KIND, one.id)
    return {}


def _subscription(call: OperationContext) -> Resource:
    id = distribution(call, call.input["DistributionId"]).id
    return require_resource(call, KIND, id, MISSING)
