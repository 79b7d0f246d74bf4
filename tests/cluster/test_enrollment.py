"""Join tokens: what one holds, and what is none."""

from __future__ import annotations

import pytest

from edgecache.cluster.enrollment import PREFIX, JoinToken, read_join_token

TOKEN = JoinToken("10.0.0.5:8090", "ab" * 32, "edge-LHR50", "s" * 43)


def test_a_token_is_read_as_it_was_spelled() -> None:
    spelled = TOKEN.spelled()
    assert spelled.startswith(PREFIX)
    assert read_join_token(f" {spelled}\n") == TOKEN
    assert TOKEN.secret not in repr(TOKEN)


@pytest.mark.parametrize(
    "text",
    [
        "", "join1.", "join1.!!!", TOKEN.spelled()[:-20], TOKEN.spelled().removeprefix(PREFIX),
        JoinToken("nowhere", "ab" * 32, "regional", "s").spelled(),
        JoinToken("a.test:1", "AB" * 32, "regional", "s").spelled(),
        JoinToken("a.test:1", "ab" * 32, "control", "s").spelled(),
        JoinToken("a.test:1", "ab" * 32, "edge-../x", "s").spelled(),
        PREFIX + "A" * 2_000,
    ],
)  # fmt: skip
def test_what_is_no_token_is_told_in_one_line(text: str) -> None:
    with pytest.raises(ValueError, match="join token") as raised:
        read_join_token(text)
    assert "\n" not in str(raised.value)
