"""A Dockerfile's instructions, in order."""

from __future__ import annotations

import shlex
from typing import NamedTuple


class Instruction(NamedTuple):
    """As `RUN`, and what stands behind it, joined as sh joins continued lines."""

    name: str
    rest: str

    def copied(self) -> tuple[str, list[str], str]:
        """Of a COPY: the stage it copies from (else ""), what, and to where."""
        words = shlex.split(self.rest)
        stage = words.pop(0).removeprefix("--from=") if words[0].startswith("--from=") else ""
        return stage, words[:-1], words[-1]


def instructions(text: str) -> list[Instruction]:
    """What stands in a Dockerfile, its comments left out."""
    lines = [line for line in text.splitlines() if not line.lstrip().startswith("#")]
    joined = "\n".join(lines).replace("\\\n", " ")
    parts = (line.split(maxsplit=1) for line in joined.splitlines() if line.strip())
    return [Instruction(name, rest) for name, rest in parts]
