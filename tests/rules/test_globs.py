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


@pytest.mark.parametrize(
    ("text", "subject", "runs"),
    [
        (b"a*", b"abc", [b"bc"]),
        (b"*/p-*", b"/x/p-7", [b"/x", b"7"]),
        (b"*a*", b"xaya", [b"x", b"ya"]),
        (b"**", b"ab", [b"", b"ab"]),
        (b"a?*c", b"abxc", [b"x"]),
        (b"a", b"a", []),
    ],
)
def test_what_its_stars_stand_for(text: bytes, subject: bytes, runs: list[bytes]) -> None:
    match = re.fullmatch(glob(text, captures=True), subject, re.DOTALL)
    assert match is not None
    assert [match[f"s{n}"] for n in range(text.count(b"*"))] == runs
