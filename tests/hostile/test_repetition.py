"""Each thousands of times: nothing stays, nobody else waits or gets another's answer."""

from __future__ import annotations

import pytest

from tests.hostile.repetition import REPEATED, Repeated, repeat
from tests.hostile.rows_cache import DECEPTION, HOPS, KEYS, POISON
from tests.hostile.rows_framing import CHUNKS, FRAMING, PIPELINED
from tests.hostile.rows_target import TARGETS
from tests.hostile.settings import BOTH, Setting, settings_of
from tests.hostile.stage import under
from tests.measurements import tell

MESSAGES = tuple(row.data for row in (*FRAMING, *PIPELINED, *CHUNKS, *TARGETS) if not row.wrong)
STORIES = tuple(
    step.data for row in (*HOPS, *POISON, *DECEPTION, *KEYS) for step in row.steps
)  # fmt: skip
ALL = [
    *REPEATED,
    Repeated("F-T", "every message of sections 1 to 3", MESSAGES),
    Repeated("B-K", "every request of sections 4 to 7", STORIES),
]


def _parameters() -> list[object]:
    """One setting for each set of rules; which has the memo is the seed's."""
    found: list[object] = []
    for number, row in enumerate(ALL):
        chosen = settings_of(f"repeated {row.what}")[-1].how
        other = "no-memo" if chosen == "memo" else "memo"
        for how, rules in zip((other, chosen), BOTH, strict=True):
            setting = Setting(how, rules)
            found.append(pytest.param(row, setting, id=f"{row.id}-{number}-{setting}"))
    return found


@pytest.mark.parametrize(("row", "setting"), _parameters())
def test_what_is_repeated_leaves_nothing(row: Repeated, setting: Setting) -> None:
    with under(setting.semantics):
        looked = repeat(row, setting.how == "memo")
    tell(f"{row.what} ({setting}) {looked}")
