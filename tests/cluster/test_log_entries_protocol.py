"""Which releases work with which, and what is said where they do not."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from edgecache import __version__
from edgecache.cluster.log_entries import OURS, Speaker, as_query, from_query, refusal


@pytest.mark.parametrize(
    ("query", "speaker"),
    [
        ({}, Speaker(1, "")),
        ({"protocol": "2", "release": "0.2.0"}, Speaker(2, "0.2.0")),
        ({"protocol": "x", "release": "y" * 100}, Speaker(1, "y" * 64)),
        ({"protocol": "9" * 30}, Speaker(1, "")),
    ],
)
def test_who_asks(query: Mapping[str, str], speaker: Speaker) -> None:
    assert from_query(query) == speaker


def test_what_we_say_is_read_as_ours() -> None:
    assert from_query({name: str(value) for name, value in as_query(OURS).items()}) == OURS
    assert OURS.release == __version__


@pytest.mark.parametrize(
    ("other", "oldest", "why"),
    [
        (Speaker(), 1, ""),
        (Speaker(7, "9.0"), 1, ""),  # it is newer, and says so itself where it must
        (Speaker(), 2, "edge runs a former release (protocol 1), and 3.0 (protocol 3) takes 2"),
        (Speaker(1, "0.9"), 2, "edge runs 0.9 (protocol 1), and 3.0 (protocol 3) takes 2"),
        (Speaker(2, "2.0"), 2, ""),
    ],
)
def test_the_newer_side_says_no(other: Speaker, oldest: int, why: str) -> None:
    told = refusal("edge", other, Speaker(3, "3.0"), oldest)
    assert told == (f"{why} and later: upgrade edge first" if why else "")
