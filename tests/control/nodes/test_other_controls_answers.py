"""Answers of other controls: read, or their control named as missing."""

from __future__ import annotations

import asyncio

from edgecache.control.nodes.other_controls import (
    FIGURES_BYTES_MAX,
    ONLY,
    ControlAnswers,
    InstallationNodes,
)
from edgecache.control.nodes.registry import NodeRegistry


class AnsweredNodes(InstallationNodes):
    """Other controls that answer so."""

    def __init__(self, **told: bytes | str) -> None:
        super().__init__(NodeRegistry(lambda: 0.0))
        self.told = told
        self.asked: list[tuple[str, int]] = []

    async def answers(self, target: str, bytes_max: int) -> dict[str, bytes | str]:
        self.asked.append((target, bytes_max))
        return self.told


def test_who_answers_and_who_is_missing() -> None:
    nodes = AnsweredNodes(a=b"[1, 2]", b="no answer within 1 s", c=b'{"of": "later"}', d=b"[")
    found, missing = asyncio.run(ControlAnswers(nodes).ask("/x?y=1", list[int]))
    assert found == {"a": [1, 2]}
    assert missing == ["b", "c", "d"]
    assert nodes.asked == [("/x?y=1", FIGURES_BYTES_MAX)]


def test_the_only_control_asks_nobody() -> None:
    answers = ControlAnswers(InstallationNodes(NodeRegistry(lambda: 0.0)))
    assert asyncio.run(answers.ask("/x", int)) == ({}, [])
    assert answers.own_name == ONLY
