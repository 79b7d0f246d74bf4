"""Each thousands of times: nothing stays, nobody else waits or gets another's answer."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pytest

from tests.hostile.repetition import REPEATED, Repeated, repeat
from tests.hostile.rows_cache import DECEPTION, HOPS, KEYS, POISON
from tests.hostile.rows_framing import CHUNKS, FRAMING, PIPELINED
from tests.hostile.rows_http2 import ATTEMPTS
from tests.hostile.rows_origin import CONTENT, MISBEHAVING, RANGES
from tests.hostile.rows_signed import SIGNED
from tests.hostile.rows_target import TARGETS
from tests.hostile.settings import BOTH, Setting, settings_of
from tests.hostile.stage import under
from tests.hostile.story import Story
from tests.measurements import tell

MESSAGES = tuple(row.data for row in (*FRAMING, *PIPELINED, *CHUNKS, *TARGETS) if not row.wrong)
STORIES = tuple(
    step.data for row in (*HOPS, *POISON, *DECEPTION, *KEYS) for step in row.steps
)  # fmt: skip


def _told(id: str, what: str, stories: Iterable[Story]) -> list[Repeated]:
    """Every request of stories before their own origins; one row for each scene they have."""
    by_scene: dict[str, list[Story]] = {}
    for story in stories:
        by_scene.setdefault(repr(_scene(story)), []).append(story)
    rows = []
    for number, alike in enumerate(by_scene.values(), 1):
        steps = [(step.data, story.origin) for story in alike for step in story.steps]
        inputs, origins = zip(*steps, strict=True)
        name = f"{what} ({number})" if len(by_scene) > 1 else what
        rows.append(Repeated(id, name, inputs, origins=origins, scene=_scene(alike[0])))
    return rows


def _scene(story: Story) -> dict[str, Any]:
    """Less what the setting says, and memory so short that nobody else is served."""
    return {k: v for k, v in story.scene.items() if k not in ("semantics", "memory_bytes")}


ALL = [
    *REPEATED,
    *_told("R-O", "every request and origin of sections 8 to 10",
           [*RANGES, *CONTENT, *MISBEHAVING]),
    *_told("S", "every request of section 12", SIGNED),
    Repeated("F-T", "every message of sections 1 to 3", MESSAGES),
    Repeated("B-K", "every request of sections 4 to 7", STORIES),
    Repeated("H", "connections of section 15", ATTEMPTS, turns=30, http2=True),
]  # fmt: skip


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
