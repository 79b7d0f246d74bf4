"""How many connections the descriptors of a process are enough for."""

from __future__ import annotations

import pytest

from edgecache.config.model import Config, Limits
from edgecache.runtime import fd_limit
from edgecache.runtime.fd_limit import RESERVED, DescriptorBudget, cap_connections, connections_for


@pytest.mark.parametrize(("descriptors", "connections"), [(20_000, 19_488), (1_024, 512), (1, 1)])
def test_some_are_kept_for_everything_else(descriptors: int, connections: int) -> None:
    assert connections_for(descriptors) == connections


def test_one_client_has_no_more_of_fewer(monkeypatch: pytest.MonkeyPatch) -> None:
    """A quarter of 20,000 is more than all that 1,024 descriptors are enough for."""
    monkeypatch.setattr(fd_limit, "raise_soft_limit", lambda: 2 * RESERVED)
    limits = cap_connections(Config()).limits
    assert (limits.connections_max, limits.connections_per_address_max) == (512, 128)


def test_where_there_are_enough_nothing_changes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fd_limit, "raise_soft_limit", lambda: 100_000)
    assert cap_connections(Config()).limits == Limits()


@pytest.mark.parametrize(
    ("viewers", "upstreams", "viewers_max", "admits"),
    [(0, 0, 896, True), (384, 383, 513, True), (384, 384, 512, False), (512, 256, 640, False)],
)
def test_both_sides_share_what_there_is(
    viewers: int, upstreams: int, viewers_max: int, admits: bool
) -> None:
    """Of 1,024: a WebSocket takes one of each, and a hit is to be answered still."""
    budget = DescriptorBudget(1_024)
    budget.viewers, budget.upstreams = lambda: viewers, lambda: upstreams
    assert (budget.viewers_max(), budget.admits_upstream()) == (viewers_max, admits)


def test_few_descriptors_are_shared_as_well() -> None:
    budget = DescriptorBudget(64)
    assert (budget.viewers_max(), budget.admits_upstream()) == (48, True)
