"""Globs of any length mean what they say."""

from __future__ import annotations

import re

import pytest

from edgecache.rules.globs import glob


@pytest.mark.parametrize("stars", [1, 2, 99, 100, 101, 102, 250])
def test_however_many_stars_there_are_each_is_any_run_of_bytes(stars: int) -> None:
    expression = re.compile(glob(b"*".join([b"a"] * (stars + 1))), re.DOTALL)
    assert expression.fullmatch(b"a" * (stars + 1))
    assert expression.fullmatch(b"a--" * stars + b"a")
    assert not expression.fullmatch(b"a" * stars)
    assert not expression.fullmatch(b"a" * (stars + 1) + b"b")
