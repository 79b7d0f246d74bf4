"""A log made by an edge gives its own hit ratio when it is replayed."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.end_to_end.lone_edge import start_origin
from tests.end_to_end.replays import OWN_MAX, replayed, run_of

COUNT = 120
MEMORY_MIB = 64


@pytest.fixture(scope="module")
def origin(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    process, port = start_origin(tmp_path_factory.mktemp("origin"))
    yield port
    process.stop()


def test_a_log_gives_its_own_ratio(origin: int, tmp_path: Path) -> None:
    logs, real = run_of(tmp_path / "edge", origin, MEMORY_MIB, COUNT, MEMORY_MIB)
    told = replayed(logs, "--config", str(tmp_path / "edge" / "edge.toml"))
    assert told["requests"] == COUNT
    assert 0.3 < real < 0.9
    assert told["requests_there"] == pytest.approx(real, abs=0.0001)
    assert told["requests_here"] == pytest.approx(real, abs=OWN_MAX)
    assert told["bytes_here"] == pytest.approx(told["bytes_there"], abs=OWN_MAX)
