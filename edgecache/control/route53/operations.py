"""Table of the operations that act, of the model's 83. The rest answers NotImplemented."""

from __future__ import annotations

from collections.abc import Mapping

from edgecache.control.route53 import (
    absent_resources,
    answer_tests,
    call,
    change_batch,
    cidr_collections,
    geo_locations,
    health_checks,
    hosted_zones,
    limits,
    record_set_lists,
    tags,
    vpcs,
)
from edgecache.control.route53.call import Run


def route53_actions() -> Mapping[str, Run]:
    """Every operation that acts, by name."""
    return {
        **change_batch.operations(),
        **absent_resources.operations(),
        **answer_tests.operations(),
        **call.operations(),
        **cidr_collections.operations(),
        **geo_locations.operations(),
        **health_checks.operations(),
        **limits.operations(),
        **tags.operations(),
        **vpcs.operations(),
        **hosted_zones.operations(),
        **record_set_lists.operations(),
    }
