"""Answers of the other controls of an installation to a question about their nodes' figures.

Law: a control that does not answer in time is named and left out; nothing waits for it any longer.
What cannot be read is of another release's, and missing, too.
"""

from __future__ import annotations

from typing import TypeVar

import msgspec

from edgecache.control.nodes.other_controls import InstallationNodes

ANSWER_BYTES_MAX = 16 * 1024 * 1024
ONLY = "this"  # the name of a control that has no others

T = TypeVar("T")


class ControlAnswers:
    """Asks the other controls that `nodes` knows of."""

    def __init__(self, nodes: InstallationNodes) -> None:
        self._nodes = nodes

    @property
    def own_name(self) -> str:
        """This control's."""
        return self._nodes.own_name or ONLY

    async def ask(self, target: str, kind: type[T]) -> tuple[dict[str, T], list[str]]:
        """The answers to `GET target`, by the names of controls, and the names of those missing."""
        found: dict[str, T] = {}
        missing: list[str] = []
        for name, answer in (await self._nodes.answers(target, ANSWER_BYTES_MAX)).items():
            try:
                if isinstance(answer, str):
                    missing.append(name)
                else:
                    found[name] = msgspec.json.decode(answer, type=kind)
            except msgspec.DecodeError:
                missing.append(name)
        return found, missing
