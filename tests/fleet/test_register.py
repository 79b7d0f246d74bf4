"""What a viewer may be given: never less than was Completed when it began to ask."""

from __future__ import annotations

import pytest

from tests.fleet.register import Register, Verdict


@pytest.mark.parametrize(
    ("body", "verdict"),
    [
        (b"/a 2\n", Verdict.GOOD),
        (b"/a 3\n", Verdict.GOOD),  # raised, and not Completed yet
        (b"/a 1\n", Verdict.STALE),
        (b"/a 4\n", Verdict.WRONG),  # there never was such a version
        (b"/b 2\n", Verdict.WRONG),
        (b"", Verdict.WRONG),
        (b"/a 2\n/a 2\n", Verdict.WRONG),
    ],
)
def test_which_answers_are_good(body: bytes, verdict: Verdict) -> None:
    register = Register(("/a", "/b"))
    for _ in range(2):
        register.raise_version("/a")
    register.completed("/a", 2)
    register.raise_version("/a")
    assert register.judge("/a", register.least["/a"], body) is verdict


def test_who_began_before_completed_may_get_what_was_before() -> None:
    register = Register(("/a",))
    least = register.least["/a"]
    register.completed("/a", register.raise_version("/a"))
    assert register.judge("/a", least, b"/a 0\n") is Verdict.GOOD
    assert register.judge("/a", register.least["/a"], b"/a 0\n") is Verdict.STALE


def test_the_origin_gives_the_version_there_is() -> None:
    register = Register(("/a",))
    assert register.body("/a") == b"/a 0\n"
    register.raise_version("/a")
    assert register.body("/a") == b"/a 1\n"
