"""Tokens: one purpose, one name, a short life, keys that change."""

from __future__ import annotations

import pytest

from edgecache.cluster.tokens import Purpose, Tokens

OLD, NEW = "o" * 32, "n" * 32


class Clock:
    def __init__(self, now: float = 1_700_000_000.0) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now


@pytest.mark.parametrize("purpose", Purpose)
@pytest.mark.parametrize("name", ["regional", "edge-LHR50-1", "a.b.c"])
def test_a_token_gives_its_name_back(purpose: Purpose, name: str) -> None:
    tokens = Tokens([NEW], Clock())
    assert tokens.verify(purpose, tokens.issue(purpose, name)) == name


@pytest.mark.parametrize(
    ("purpose", "age_s", "good"),
    [
        (Purpose.NODE, 0, True),
        (Purpose.NODE, 60, True),
        (Purpose.NODE, 61, False),
        (Purpose.NODE, -30, True),  # its maker's clock is ahead
        (Purpose.NODE, -31, False),
        (Purpose.OPERATOR, 3600, True),
        (Purpose.OPERATOR, 3601, False),
    ],
)
def test_a_token_ends(purpose: Purpose, age_s: float, good: bool) -> None:
    clock = Clock()
    tokens = Tokens([NEW], clock)
    token = tokens.issue(purpose, "n")
    clock.now += age_s
    assert (tokens.verify(purpose, token) == "n") is good


def test_a_token_serves_one_purpose() -> None:
    tokens = Tokens([NEW], Clock())
    assert tokens.verify(Purpose.OPERATOR, tokens.issue(Purpose.NODE, "n")) is None
    assert tokens.verify(Purpose.NODE, tokens.issue(Purpose.OPERATOR, "n")) is None


def test_keys_change_one_machine_at_a_time() -> None:
    clock = Clock()
    before, during, after = (Tokens(keys, clock) for keys in ([OLD], [OLD, NEW], [NEW]))
    assert during.verify(Purpose.NODE, before.issue(Purpose.NODE, "n")) == "n"
    assert after.verify(Purpose.NODE, during.issue(Purpose.NODE, "n")) == "n"
    assert after.verify(Purpose.NODE, before.issue(Purpose.NODE, "n")) is None


def test_what_is_no_token_is_refused() -> None:
    tokens = Tokens([NEW], Clock())
    good = tokens.issue(Purpose.NODE, "n")
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
        assert tokens.verify(Purpose.NODE, token) is None, token


@pytest.mark.parametrize("keys", [[], [""], [NEW, ""]])
def test_an_empty_key_is_refused(keys: list[str]) -> None:
    with pytest.raises(ValueError, match="needs a key"):
        Tokens(keys, Clock())
