"""Table of the operations that act, of the model's 83. The rest answers NotImplemented."""

from __future__ import annotations

from collections.abc import Mapping

from edgecache.control.route53 import (
    call,
    change_batch,
    hosted_zones,
    record_set_lists,
)
from edgecache.control.route53.call import Run


def route53_actions() -> Mapping[str, Run]:
    """Every operation that acts, by name."""
    return {
        **change_batch.operations(),
        **call.operations(),
        **hosted_zones.operations(),
        **record_set_lists.operations(),
    }
