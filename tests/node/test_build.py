"""What every node knows of its installation."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from pathlib import Path

import msgspec
import pytest
from msgspec.structs import replace

from edgecache.cache.frontend import ViewerFrontend
from edgecache.cluster.control_access import installation_addresses
from edgecache.config.functions import FunctionConfig, PythonHookConfig
from edgecache.config.model import Config, Control, Limits, Location, RegionalCache
from edgecache.config.secrets import load_secrets
from edgecache.functions.runner import FunctionError, Run
from edgecache.node.build import NodeParts
from edgecache.node.key_value_files import KeyValueFiles
from edgecache.node.last_configuration import (
    LastConfiguration,
    last_configuration_path,
    write_last_configuration,
)
from edgecache.rules.origin_addresses import Listeners
from edgecache.store.key_values import KeyValueStore
from edgecache.upstream.endpoint import Endpoint, ForbiddenAddressError, Network
from edgecache.upstream.pool import response_limits
from edgecache.upstream.resolver import NameResolver
from tests.functions.engine import event


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


def test_an_edge_that_starts_without_control_has_its_stores_and_their_functions(
    tmp_path: Path,
) -> None:
    store = "11111111-2222-3333-4444-555555555555"
    location = Location(name="LHR50", listen="127.0.0.1:8080")
    config = Config(state_dir=str(tmp_path), control=Control(), locations=(location,))
    load_secrets(tmp_path, {})
    told = replace(
        config,
        functions=(FunctionConfig(name="f", code="x", key_value_stores=(store,)),),
        python_hooks=(PythonHookConfig(name="of-control", module="no_such_module"),),
    )
    path = last_configuration_path(str(tmp_path), "edge-LHR50-1")
    last = LastConfiguration("e", 7, 9.0, msgspec.json.encode(told))
    write_last_configuration(path, last, "1")
    files = KeyValueFiles(path, "1", asyncio.sleep)
    files.tell({store: KeyValueStore({"a": "1"}, 1.0, 2.0, 6)})
    asyncio.run(files.flush())
    parts = NodeParts(config, "edge-LHR50-1")
    found = parts.key_values.stores.get(store)
    assert found is not None
    assert found.items() == {"a": "1"}
    frontend = parts.edge(location).listener.frontend
    assert isinstance(frontend, ViewerFrontend)
    assert frontend.functions is not None
    asked = Run("python:of-control", event(), None)
    with pytest.raises(FunctionError, match="no such function"):  # hooks are the file's
        frontend.functions.runner.run(asked)
