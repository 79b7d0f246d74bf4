"""Sizes and durations as people write them: `"256 MiB"`, `"5m"`, `"1h30m"`.

Law: a size is a whole number of bytes (IEC 80000-13 units, any case); a duration is in seconds, in
units of at most a week, the largest first, as nginx, Prometheus and Go spell them.
"""

from __future__ import annotations

import re

_BYTES = {
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
_SECONDS = {"w": 604_800.0, "d": 86_400.0, "h": 3_600.0, "m": 60.0, "s": 1.0, "ms": 0.001}
_SIZE = re.compile(r"([0-9]{1,18})(?:\.([0-9]{1,6}))?\s*([A-Za-z]{1,3})")
_DURATION = re.compile(
    "".join(rf"(?:([0-9]{{1,12}}(?:\.[0-9]{{1,6}})?)\s*{unit}\s*)?" for unit in _SECONDS)
)
SIZE_PATTERN = r"^\s*[0-9]{1,18}(\.[0-9]{1,6})?\s*([KMGTkmgt][Ii]?)?[Bb]\s*$"  # of a schema
DURATION_PATTERN = rf"^(?=.*[0-9])\s*{_DURATION.pattern}$"
_OF_TIME = re.compile(r"(?<!per)_s(_(min|max|default))?")


def parse_size(text: str) -> int:
    """Bytes of `"256 MiB"`, `"1.5GB"`. ValueError otherwise."""
    match = _SIZE.fullmatch(text.strip())
    factor = _BYTES.get(match[3].upper()) if match else None
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
        factor = _BYTES[unit.upper()]
        if size >= factor and size % factor == 0:
            return f"{size // factor} {unit}"
    return f"{size} bytes"


def is_duration(name: str) -> bool:
    """Whether a setting of this name is in seconds: `head_s_max`, `ttl_s_min`; no rate is."""
    match = _OF_TIME.search(name)
    return match is not None and match.end() == len(name)


def parse_duration(text: str) -> int | float:
    """Seconds of `"5m"`, `"1h 30m"`, `"1.5s"`, `"250ms"`: whole ones as int. ValueError else."""
    match = _DURATION.fullmatch(text.strip())
    if match is None or not any(match.groups()):
        raise ValueError(f"not a duration: {text!r}")
    parts = zip(match.groups(), _SECONDS.values(), strict=True)
    seconds = round(sum(float(count) * length for count, length in parts if count), 6)
    return int(seconds) if seconds.is_integer() else seconds
