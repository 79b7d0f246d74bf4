"""A fuzz of the viewer's protocol: the same reading however the bytes are cut."""

from __future__ import annotations

import pytest

from edgecache.config.model import SemanticsName
from tests.hostile import fuzz
from tests.hostile.settings import BOTH
from tests.hostile.stage import under

CASES = 200  # by either set of rules


@pytest.mark.parametrize("semantics", BOTH)
def test_whatever_comes_is_read_one_way(
    semantics: SemanticsName, capsys: pytest.CaptureFixture[str]
) -> None:
    with under(semantics):
        tried = fuzz.run(CASES)
    with capsys.disabled():
        print(f" [{tried} cases]", end="")
    assert tried >= CASES // 2
