"""Which tests may be skipped in CI: those `skips.txt` lists, for the reason it gives."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

SKIPS = Path(__file__).resolve().parent / "skips.txt"


def unlisted(skipped: Sequence[tuple[str, str]], text: str) -> list[str]:
    """Of tests skipped (id, reason), those `text` does not list: a line for each."""
    lines = [line for line in text.splitlines() if line and not line.startswith("#")]
    listed = [line.split("  ", 1) for line in lines]
    return [
        f"{name}: {reason}"
        for name, reason in skipped
        if not any(name.startswith(start) and why.strip() in reason for start, why in listed)
    ]
