"""A fuzz of the viewer's protocol: the same reading however the bytes are cut."""

from __future__ import annotations

import pytest

from tests.hostile import fuzz

CASES = 300


def test_whatever_comes_is_read_one_way(capsys: pytest.CaptureFixture[str]) -> None:
    tried = fuzz.run(CASES)
    with capsys.disabled():
        print(f" [{tried} cases]", end="")
    assert tried >= CASES // 2
