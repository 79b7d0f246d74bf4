"""What every node knows of its installation."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from pathlib import Path

import pytest

from edgecache.cluster.control_access import installation_addresses
from edgecache.config.model import Config, Control, Limits, Location, RegionalCache
from edgecache.rules.origin_addresses import Listeners
from edgecache.upstream.endpoint import Endpoint, ForbiddenAddressError, Network
from edgecache.upstream.pool import response_limits
from edgecache.upstream.resolver import NameResolver


async def nowhere(host: str) -> tuple[str, ...]:
    raise AssertionError(host)


@dataclass
class Unasked(asyncio.Protocol):
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        raise AssertionError


@pytest.mark.parametrize("name", ["control.sock", "up.sock", "regional.sock"])
def test_no_origin_is_a_socket_of_our_own(name: str, tmp_path: Path) -> None:
    """Whoever reaches control's is an operator, and a node of ours runs as the user who may."""
    config = Config(
        state_dir=str(tmp_path),
        control=Control(),
        regional=RegionalCache(listen="unix:regional.sock"),
        locations=(Location(name="LHR50", listen="127.0.0.1:8080"),),
    )
    network = Network(NameResolver(nowhere, lambda: 0.0), Listeners(installation_addresses(config)))
    endpoint = Endpoint("", 80, str(tmp_path / name), reach="private")
    with pytest.raises(ForbiddenAddressError, match="an address of our own"):
        asyncio.run(network(endpoint, Unasked))


def test_how_much_an_origin_may_say_before_its_body_is_configured() -> None:
    limits = response_limits(Limits(response_head_bytes_max=9_000, response_fields_max=700))
    assert (limits.head_bytes_max, limits.fields_max) == (9_000, 700)
