"""Writers that invalidate at a steady pace through several controls, and what became of each."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path

from tests.fleet.event_loop import LoopThread, pause
from tests.fleet.writers import RefusedError, ask

TASKS = 8  # of each control: a commit that waits holds up no other


@dataclass(slots=True)
class SteadyWriters:
    """All that was accepted, by control: when (monotonic seconds) and the id."""

    site: str
    controls: Sequence[Path]
    per_s: float
    accepted: dict[Path, list[tuple[float, str]]] = field(default_factory=dict)
    refused: Counter[str] = field(default_factory=Counter)
    _numbers: Iterator[int] = field(default_factory=count)

    @property
    def ids(self) -> set[str]:
        """Every id that was accepted."""
        return {id_ for some in self.accepted.values() for _, id_ in some}

    def since(self, moment: float, control: Path) -> int:
        """How many a control has accepted that were asked for after a moment."""
        return sum(at > moment for at, _ in self.accepted[control])

    @contextmanager
    def writing(self) -> Iterator[None]:
        """Write while the block runs."""
        loop = LoopThread()
        loop.start()
        try:
            for control in self.controls:
                self.accepted[control] = []
                for _ in range(TASKS):
                    loop.spawn(self._write(control, TASKS * len(self.controls) / self.per_s))
            yield
        finally:
            loop.stop()

    async def _write(self, control: Path, every_s: float) -> None:
        while True:
            began = time.monotonic()
            body = {"distribution": self.site, "paths": [f"/none/{next(self._numbers)}"]}
            try:
                told = await ask(control, "POST", "/invalidations", body)
                self.accepted[control].append((began, told["id"]))
            except RefusedError as error:
                self.refused[str(error)] += 1
            await pause(max(0.001, every_s - (time.monotonic() - began)))
