"""Operators' tokens: one name, a short life, keys that change."""

from __future__ import annotations

import pytest

from edgecache.cluster.tokens import Tokens

OLD, NEW = "o" * 32, "n" * 32


class Clock:
    def __init__(self, now: float = 1_700_000_000.0) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now


@pytest.mark.parametrize("name", ["regional", "edge-LHR50-1", "a.b.c"])
def test_a_token_gives_its_name_back(name: str) -> None:
    tokens = Tokens([NEW], Clock())
    assert tokens.verify(tokens.issue(name)) == name


@pytest.mark.parametrize(
    ("age_s", "good"),
    [
        (0, True),
        (3600, True),
        (3601, False),
        (-30, True),  # its maker's clock is ahead
        (-31, False),
    ],
)
def test_a_token_ends(age_s: float, good: bool) -> None:
    clock = Clock()
    tokens = Tokens([NEW], clock)
    token = tokens.issue("n")
    clock.now += age_s
    assert (tokens.verify(token) == "n") is good


def test_keys_change_one_machine_at_a_time() -> None:
    clock = Clock()
    before, during, after = (Tokens(keys, clock) for keys in ([OLD], [OLD, NEW], [NEW]))
    assert during.verify(before.issue("n")) == "n"
    assert after.verify(during.issue("n")) == "n"
    assert after.verify(before.issue("n")) is None


def test_what_is_no_token_is_refused() -> None:
    tokens = Tokens([NEW], Clock())
    good = tokens.issue("n")
    forged = [
        good[:-1],
        "m" + good[1:],
        good + "x",
        good.replace(".", ""),
        "",
        ".",
        "..",
        "é",
        "\0",
    ]
    forged += [good * 50, "n." + good.split(".", 1)[1].swapcase()]
    for token in forged:
        assert tokens.verify(token) is None, token


@pytest.mark.parametrize("keys", [[], [""], [NEW, ""]])
def test_an_empty_key_is_refused(keys: list[str]) -> None:
    with pytest.raises(ValueError, match="needs a key"):
        Tokens(keys, Clock())
