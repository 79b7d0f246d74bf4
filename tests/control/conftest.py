"""A fixture: what the tests of control leave open is told beside them."""

from __future__ import annotations

import gc
from collections.abc import Iterator

import pytest


@pytest.fixture(autouse=True, scope="module")
def what_was_left_open_is_told_here() -> Iterator[None]:
    """What a module's tests leave open is collected before another module begins.

    Python warns of an open database when it is freed (since 3.13), and a warning is an error of
    whatever test runs then. In cycles that is any test of the run, or none.
    """
    yield
    gc.collect()
