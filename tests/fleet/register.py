"""Register of versions: which answers a viewer may be given. Law: never less than was Completed.

Each path has a version, which the origin gives with the path. Who invalidates raises it first and
says when Completed was seen; a read that begins after that gives this version or a later one.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum

_BODY = re.compile(rb"(/[a-z0-9-]{1,40}) ([0-9]{1,9})\n")


class Verdict(StrEnum):
    """Verdict on an answer."""

    GOOD = "good"
    STALE = "stale"  # less than the version when a Completed invalidation was asked for
    WRONG = "wrong"  # of another path, or of a version there never was, or no answer of ours


@dataclass(slots=True)
class Register:
    """Versions by path. `raise_version` and `completed` are of one writer for each path."""

    paths: Sequence[str]
    versions: Counter[str] = field(default_factory=Counter)
    least: Counter[str] = field(default_factory=Counter)

    def body(self, path: str) -> bytes:
        """What the origin answers now."""
        return b"%b %d\n" % (path.encode(), self.versions[path])

    def raise_version(self, path: str) -> int:
        """Change the object; its new version."""
        self.versions[path] += 1
        return self.versions[path]

    def completed(self, path: str, version: int) -> None:
        """An invalidation that was asked for at `version` is known to be Completed."""
        self.least[path] = max(self.least[path], version)

    def judge(self, path: str, least: int, body: bytes) -> Verdict:
        """An answer for `path` to who began to read when it was at `least`."""
        parts = _BODY.fullmatch(body)
        if parts is None or parts[1] != path.encode() or int(parts[2]) > self.versions[path]:
            return Verdict.WRONG
        return Verdict.STALE if int(parts[2]) < least else Verdict.GOOD
