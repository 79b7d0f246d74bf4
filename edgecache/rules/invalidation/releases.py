"""Releases: version numbers in the key, by which a path pattern misses and comes back at once.

Law: nothing outside this file says which release a path belongs to. A distribution has a current
number for each path pattern releases were cut for; the numbers of all patterns that match stand in
the key, in the order of the patterns, so that a cut of one leaves the others as they are.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from edgecache.config.model import Release
from edgecache.rules.globs import glob


class ReleaseState(StrEnum):
    """State of a stored object's release."""

    CURRENT = "current"
    FORMER = "former"  # may be activated again; leaves first when room is needed
    DELETED = "deleted"


@dataclass(frozen=True, slots=True, eq=False)
class ReleasePattern:
    """The releases of one path pattern, compiled."""

    text: bytes
    matches: re.Pattern[bytes]
    current: int
    kept: frozenset[int]


Patterns = tuple[ReleasePattern, ...]


def compile_releases(releases: Iterable[Release]) -> Patterns:
    """The patterns of a distribution, in an order of their own."""
    return tuple(
        ReleasePattern(
            one.pattern.encode(),
            re.compile(b"/" + glob(one.pattern.removeprefix("/").encode()), re.DOTALL),
            one.current,
            frozenset(one.kept) | {one.current},
        )
        for one in sorted(releases, key=lambda one: one.pattern)
    )


def release_of(path: bytes, patterns: Patterns) -> bytes:
    """The releases of a path as its key has them: `*=2 /assets/*=1`, or nothing."""
    return b" ".join(
        b"%b=%d" % (one.text, one.current)
        for one in patterns
        if one.current and one.matches.fullmatch(path)
    )


def release_state(path: bytes, release: bytes, patterns: Patterns) -> ReleaseState:
    """The state of `release`, of an object stored under `path`."""
    if release == release_of(path, patterns):
        return ReleaseState.CURRENT
    named = dict(part.rpartition(b"=")[::2] for part in release.split(b" ") if part)
    for one in patterns:
        if not one.matches.fullmatch(path):
            continue
        if int(named.pop(one.text, b"0")) not in one.kept:
            return ReleaseState.DELETED
    return ReleaseState.DELETED if named else ReleaseState.FORMER
