"""Planned misses of a primary distribution and of its staging one: none goes to the other."""

from __future__ import annotations

import re

from msgspec.structs import replace

from edgecache.config.model import Behavior, Config, ContinuousDeploymentPolicy, Origin
from tests.world.transcripts import ASK, config, get, response
from tests.world.wired import WiredEdge

HOST = re.compile(rb"\r\nHost: ([^\r]+)", re.IGNORECASE)


def test_a_staging_distribution_has_plans_of_its_own() -> None:
    """A header leads to it, which has behaviors that its primary has not."""
    policy = ContinuousDeploymentPolicy(
        id="p", staging_distribution="ENEW", header="aws-cf-cd-next", value="yes"
    )
    (old,) = config().distributions
    new = replace(old, id="ENEW", aliases=(), staging=True)
    old = replace(old, behaviors=(), continuous_deployment_policy="p")
    origins = (
        Origin(id="o", domain_name="new.test"), Origin(id="p", domain_name="other.test"),
    )  # fmt: skip
    other = Behavior(origin="p", path_pattern="/other/*")
    new = replace(new, origins=origins, behaviors=(other,))
    edge = WiredEdge(
        Config(distributions=(old, new), continuous_deployment_policies=(policy,)),
        lambda head: [response(b"Cache-Control: no-store")],
        plans=True,
    )
    viewer = edge.viewer(("192.0.2.1", 40_000))
    staged = ASK[:-2] + b"aws-cf-cd-next: yes\r\n\r\n"
    for number in range(6):
        for path, block in (("", ASK), ("", staged), ("other/", ASK), ("other/", staged)):
            edge.sends(viewer, get(f"/{path}{number}", block))
    hosts = [HOST.findall(head)[0] for head in edge.heard]
    assert hosts == [b"origin.test", b"new.test", b"origin.test", b"other.test"] * 6
    assert edge.plans.begun > 8
    edge.inside(viewer.transport.close)
    edge.close()
