"""Access logs of processes, whatever files they are in.

A minute after an hour is over its files are compressed (`observe.log_retention`): who reads `.log`
alone has lost an hour's lines whenever a test meets the turn of one.
"""

from __future__ import annotations

import gzip
import re
from pathlib import Path

READS = 10  # a file may be compressed while it is read, an hour's once
_NAMES = {  # what comes last is a number that logrotate gives
    "log": re.compile(r"(.+?)(?:\.log|(?<!\.json)\.gz)(\.\d+)?"),
    "json": re.compile(r"(.+?)\.json(?:\.gz)?(\.\d+)?"),
}


def log_text(folder: Path, processes: str, kind: str = "log") -> str:
    """All that processes have logged, `kind` as `log` or `json`; `processes` starts their names."""
    for _ in range(READS):
        try:
            return "".join(_text(path) for path in log_files(folder, processes, kind))
        except FileNotFoundError:
            continue
    raise AssertionError(f"{folder}: files are taken away again and again")


def log_records(folder: Path, processes: str) -> list[list[str]]:
    """Their standard lines, each split at its tabs."""
    lines = log_text(folder, processes).splitlines()
    return [line.split("\t") for line in lines if not line.startswith("#")]


def log_files(folder: Path, processes: str, kind: str = "log") -> list[Path]:
    """The files that hold it: of one that is compressed and not yet taken away, the gzip."""
    found: dict[str, Path] = {}
    for path in sorted(folder.glob(f"{processes}*")):
        named = _NAMES[kind].fullmatch(path.name)
        if named is None:
            continue
        stem = named[1] + (named[2] or "")
        if stem not in found or path.suffix == ".gz":
            found[stem] = path
    return list(found.values())


def _text(path: Path) -> str:
    data = path.read_bytes()
    return (gzip.decompress(data) if path.suffix == ".gz" else data).decode()
