"""Methods in small letters are no methods, and it is said what is amiss."""

from __future__ import annotations

from edgecache.config.checks.distribution import check_distribution
from edgecache.config.model import Behavior, Distribution, Origin
from edgecache.config.problems import Problems


def test_methods_are_in_capitals() -> None:
    behavior = Behavior(origin="o", allowed_methods=("get", "head"))
    origins = (Origin(id="o", domain_name="o.test"),)
    problems = Problems()
    check_distribution(
        Distribution(id="E", origins=origins, default_behavior=behavior), "d", problems
    )
    (found,) = problems.found
    assert found.where == "d.default_behavior.allowed_methods"
    assert found.message.endswith(", in capitals")
