"""Table of the operations that act, of the model's 167. The rest answers NotImplemented."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from edgecache.control.cloudfront import (
    absent_resources,
    aliases,
    distributions,
    functions,
    invalidations,
    key_value_stores,
    monitoring_subscriptions,
    promotion,
    realtime_logs,
    resources,
    tags,
)
from edgecache.control.cloudfront.context import OperationContext, Run


@dataclass(frozen=True, slots=True)
class OperationFunction:
    """The function of one operation.

    With `is_done`, the answer is held back for a moment until that is true: SDKs' waiters poll
    once a minute, and every node has a new configuration within milliseconds.
    """

    run: Run
    is_done: Callable[[OperationContext], bool] | None = None


def actions() -> Mapping[str, OperationFunction]:
    """Every operation that acts, by name."""
    runs = {
        **absent_resources.operations(),
        **aliases.operations(),
        **distributions.operations(),
        **functions.operations(),
        **invalidations.operations(),
        **key_value_stores.operations(),
        **monitoring_subscriptions.operations(),
        **promotion.operations(),
        **realtime_logs.operations(),
        **resources.operations(),
        **tags.operations(),
    }
    checks = {
        "GetDistribution": distributions.is_deployed,
        "DeleteDistribution": distributions.is_deployed,
        "GetInvalidation": invalidations.is_completed,
    }
    return {name: OperationFunction(run, checks.get(name)) for name, run in sorted(runs.items())}
