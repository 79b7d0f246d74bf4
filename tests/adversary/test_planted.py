"""Every planted fault is where the product has its guard, and belongs to a profile."""

from __future__ import annotations

import pytest

from tests.adversary.planted import ROOT
from tests.adversary.planted_rows import PLANTED, Planted
from tests.adversary.profiles import PROFILES


@pytest.mark.parametrize("planted", PLANTED, ids=lambda one: one.name.replace(" ", "-"))
def test_the_guard_stands_where_it_is_taken_away(planted: Planted) -> None:
    file, code, without = planted.mutation()
    assert (ROOT / "edgecache" / file).read_text().count(code) == 1
    assert code != without
    assert planted.profile in PROFILES


def test_names_are_unique() -> None:
    names = [one.name for one in PLANTED]
    assert len(names) == len(set(names))
