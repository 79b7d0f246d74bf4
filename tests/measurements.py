"""What tests have measured: told at the end of a run, without a verdict of its own."""

from __future__ import annotations

_told: list[str] = []


def tell(measured: str) -> None:
    """Keep a measurement for the end of the run, where it is printed."""
    _told.append(measured)


def told() -> list[str]:
    """What was measured so far."""
    return _told
