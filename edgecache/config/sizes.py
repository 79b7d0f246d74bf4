"""Sizes as people write them. Law: a size is a whole number of bytes."""

from __future__ import annotations

import re

_FACTORS = {
    "B": 1,
    "KB": 10**3,
    "MB": 10**6,
    "GB": 10**9,
    "TB": 10**12,
    "KIB": 2**10,
    "MIB": 2**20,
    "GIB": 2**30,
    "TIB": 2**40,
}
_SIZE = re.compile(r"([0-9]{1,18})(?:\.([0-9]{1,6}))?\s*([A-Za-z]{1,3})")


def parse_size(text: str) -> int:
    """Bytes of `"256 MiB"`, `"1.5GB"` (IEC 80000-13 units, any case). ValueError otherwise."""
    match = _SIZE.fullmatch(text.strip())
    factor = _FACTORS.get(match[3].upper()) if match else None
    if match is None or factor is None:
        raise ValueError(f"not a size: {text!r}")
    fraction = match[2] or ""
    scaled = int(match[1] + fraction) * factor
    divisor: int = 10 ** len(fraction)
    size, rest = divmod(scaled, divisor)
    if rest:
        raise ValueError(f"not a whole number of bytes: {text!r}")
    return size


def shown_size(size: int) -> str:
    """The shortest exact spelling: 268435456 → `256 MiB`, 1000 → `1000 bytes`."""
    for unit in ("TiB", "GiB", "MiB", "KiB"):
        factor = _FACTORS[unit.upper()]
        if size >= factor and size % factor == 0:
            return f"{size // factor} {unit}"
    return f"{size} bytes"
