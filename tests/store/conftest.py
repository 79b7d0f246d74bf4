"""A stage for each test of the disk store, proved clean after it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.store.disk.disk_world import DiskStage


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[DiskStage]:
    made = DiskStage(tmp_path / "disk")
    yield made
    made.close()
