"""How many connections the descriptors of a process are enough for."""

from __future__ import annotations

import pytest

from edgecache.config.model import Config, Limits
from edgecache.runtime import fd_limit
from edgecache.runtime.fd_limit import RESERVED, cap_connections, connections_for


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
