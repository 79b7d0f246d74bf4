"""An edge under traffic keeps to its memory, as the system sees it: browsers, TLS, mixed sizes."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.end_to_end.crowd import Crowd
from tests.end_to_end.lone_edge import HOST, LoneEdge, start_lone_edge, start_origin
from tests.end_to_end.processes import resident_bytes, wait_for

pytestmark = pytest.mark.alone

MIB = 1024 * 1024
BUDGET_MIB, LEAST_MIB = 64, 1
TRAFFIC_BYTES = 4 * BUDGET_MIB * MIB
BROWSERS = 300
CONNECTIONS = 12  # of each kind


@pytest.fixture(scope="module")
def origin(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    process, port = start_origin(tmp_path_factory.mktemp("origin"))
    yield port
    process.stop()


def visited(folder: Path, origin: int, memory_mib: int) -> LoneEdge:
    """An edge with so much memory, after a crowd has left it."""
    folder.mkdir()
    edge = start_lone_edge(folder, origin, memory_mib)
    unchecked = ssl.create_default_context()
    unchecked.check_hostname, unchecked.verify_mode = False, ssl.CERT_NONE
    ports = [(edge.plain, None), (edge.tls, unchecked)] * CONNECTIONS
    asyncio.run(Crowd(HOST.encode(), BROWSERS).visit(ports, TRAFFIC_BYTES))
    return edge


def test_its_memory_is_what_it_was_given_beside_its_base(tmp_path: Path, origin: int) -> None:
    """The base: what an edge takes that keeps next to nothing, under the same traffic."""
    least = visited(tmp_path / "least", origin, LEAST_MIB)
    base = resident_bytes(least.worker) - LEAST_MIB * MIB
    assert least.process.stop() == 0
    edge = visited(tmp_path / "edge", origin, BUDGET_MIB)
    taken = resident_bytes(edge.worker)
    print(f"budget {BUDGET_MIB} MiB, base {base / MIB:.1f} MiB, resident {taken / MIB:.1f} MiB")
    assert taken - base > 0.7 * BUDGET_MIB * MIB, "it is not full"
    bound = base + 1.1 * BUDGET_MIB * MIB
    wait_for("what was under way is gone", lambda: resident_bytes(edge.worker) < bound)
    assert edge.process.stop() == 0
