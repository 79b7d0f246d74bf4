"""Memory and descriptors of one process over a soak."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from tests.end_to_end.processes import resident_bytes

MIB = 1024 * 1024
BEYOND_BUDGET = 0.1  # of budget and base together


@dataclass(slots=True)
class History:
    """Samples of one process: (second, bytes, descriptors)."""

    samples: list[tuple[float, int, int]] = field(default_factory=list)
    last: int = 0  # descriptors
    peak: int = 0  # the most bytes it ever had, between two samples too (proc(5), VmHWM)

    def take(self, pid: int, at: float | None) -> None:
        """Look now; without a time only at its descriptors."""
        try:
            self.last = len(list(Path(f"/proc/{pid}/fd").iterdir()))
            if at is not None:
                self.samples.append((at, resident_bytes(pid), self.last))
            self.peak = max(self.peak, _peak_bytes(pid))
        except (OSError, AssertionError):
            pass  # it has just ended

    @property
    def slope(self) -> float:
        """MiB a minute, by least squares over the second half: the first one warms up."""
        half = self.samples[len(self.samples) // 2 :]
        mean_at = sum(at for at, _, _ in half) / len(half)
        mean = sum(size for _, size, _ in half) / len(half)
        spread = sum((at - mean_at) ** 2 for at, _, _ in half)
        rise = sum((at - mean_at) * (size - mean) for at, size, _ in half)
        return 60 * rise / spread / MIB if spread else 0.0

    @property
    def grown(self) -> int:
        """Descriptors at the end beyond those at the start."""
        return self.last - self.samples[0][2] if self.samples else 0


def _peak_bytes(pid: int) -> int:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next((int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM")), 0)


def role_of(command: str, roles: tuple[str, ...]) -> str | None:
    """Which of the processes with a budget a command line starts; workers, not their parents."""
    words = command.split()
    for role in roles:
        if role in words:
            return role
    return None


def bound(budget: int, base: int) -> int:
    """The bytes a process may have that was given `budget` and took `base` when it had begun."""
    return int((budget + base) * (1 + BEYOND_BUDGET))
