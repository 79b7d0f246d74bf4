"""Releases as control keeps them."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from edgecache.config.model import Release
from edgecache.control.state import releases as module
from edgecache.control.state.releases import NoSuchReleaseError, ReleaseInUseError, Releases
from tests.control.conftest import Opener


@pytest.fixture
def releases(opened: Opener) -> Iterator[Releases]:
    state = opened()
    yield Releases(state)
    state.close()


def numbers(releases: Releases, pattern: str = "*") -> list[tuple[int, bool]]:
    return [(one.number, one.current) for one in releases.of("E1") if one.pattern == pattern]


def test_the_first_leaves_what_there_was_as_number_0(releases: Releases) -> None:
    made = releases.cut("E1", "*", 5.0)
    assert (made.number, made.created_at, made.current) == (1, 5.0, True)
    assert numbers(releases) == [(1, True), (0, False)]
    assert releases.current() == {"E1": (Release(pattern="*", current=1, kept=(0, 1)),)}


def test_a_former_one_comes_back_and_the_next_has_a_new_number(releases: Releases) -> None:
    for _ in range(2):
        releases.cut("E1", "*", 5.0)
    assert releases.activate("E1", "*", 0).current
    assert numbers(releases) == [(2, False), (1, False), (0, True)]
    assert releases.cut("E1", "*", 6.0).number == 3


def test_patterns_and_distributions_are_apart(releases: Releases) -> None:
    releases.cut("E1", "*", 5.0)
    releases.cut("E1", "/a/*", 5.0)
    releases.cut("E2", "*", 5.0)
    releases.activate("E1", "/a/*", 0)
    assert numbers(releases) == [(1, True), (0, False)]
    assert numbers(releases, "/a/*") == [(1, False), (0, True)]
    assert sorted(releases.current()) == ["E1", "E2"]


def test_one_is_deleted_and_cannot_come_back(releases: Releases) -> None:
    for _ in range(2):
        releases.cut("E1", "*", 5.0)
    releases.delete("E1", "*", 1)
    assert numbers(releases) == [(2, True), (0, False)]
    with pytest.raises(NoSuchReleaseError, match=r"release 1 of \* is not kept \(kept: 2, 0\)"):
        releases.activate("E1", "*", 1)


def test_neither_the_current_nor_the_newest_is_deleted(releases: Releases) -> None:
    releases.cut("E1", "*", 5.0)
    releases.activate("E1", "*", 0)
    with pytest.raises(ReleaseInUseError, match="is current"):
        releases.delete("E1", "*", 0)
    with pytest.raises(ReleaseInUseError, match="is the newest"):
        releases.delete("E1", "*", 1)


def test_there_are_bounds(releases: Releases, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "KEPT_MAX", 3)
    monkeypatch.setattr(module, "PATTERNS_MAX", 2)
    for _ in range(2):
        releases.cut("E1", "*", 5.0)
    with pytest.raises(ReleaseInUseError, match="delete some"):
        releases.cut("E1", "*", 5.0)
    releases.cut("E1", "/a", 5.0)
    with pytest.raises(ReleaseInUseError, match="2 patterns"):
        releases.cut("E1", "/b", 5.0)
