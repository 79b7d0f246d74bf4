"""Invalidation matcher: the newest of thousands of live items that names an object.

Law: nothing outside this file compares items with objects, and an object meets few of them. An
exact path, tag or host costs one look into a map. A prefix costs one for each length that prefixes
have: a few dozen among ten thousand, each a slice and a hash, against a dictionary for every letter
in a tree of letters. A glob is found by both its ends, the letters before its first and after its
last wildcard, in one look for each pair of lengths these have; only what more it says between them
is tried as an expression.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from edgecache.http.function_cache import CONFIGURED_BYTES, cached
from edgecache.rules.globs import glob
from edgecache.rules.invalidation.items import InvalidationSubject, Item, ItemKind

Numbers = dict[bytes, int]
GLOBS_MAX = 1_000  # of one distribution, as control sees to: each may have to be tried
_WILDCARDS = re.compile(rb"[*?]")
_PORT = re.compile(rb":[0-9]+\Z")


@dataclass(frozen=True, slots=True)
class _Glob:
    seq: int
    between: bool  # what is between the ends matters


class GlobSet:
    """Globs by both ends, each with the number of the newest invalidation naming it."""

    def __init__(self) -> None:
        # By the lengths of the ends, by the ends, by the glob.
        self._lengths: dict[tuple[int, int], dict[tuple[bytes, bytes], dict[bytes, _Glob]]] = {}

    def add(self, seq: int, value: bytes) -> None:
        """Add a glob of invalidation `seq`, which is above all that came before."""
        wildcards = [*_WILDCARDS.finditer(value)]
        head = value[: wildcards[0].start()] if wildcards else value
        tail = value[wildcards[-1].end() :] if wildcards else b""
        alike = self._lengths.setdefault((len(head), len(tail)), {}).setdefault((head, tail), {})
        plain = len(wildcards) == 1 and value == head + b"*" + tail
        alike[value] = _Glob(seq, between=not plain)

    def newest_match(self, target: bytes, best: int) -> int:
        """The number of the newest that matches, if that is above `best`; else `best`."""
        for (head, tail), by_ends in self._lengths.items():
            end = len(target) - tail
            if end < head:
                continue
            for value, one in by_ends.get((target[:head], target[end:]), _NONE).items():
                if one.seq > best and (not one.between or _expression(value).fullmatch(target)):
                    best = one.seq
        return best

    def trim(self, upto: int) -> None:
        """Forget what was named by no invalidation above `upto`."""
        self._lengths = {
            lengths: kept
            for lengths, by_ends in self._lengths.items()
            if (kept := _trimmed(by_ends, upto))
        }

    def __len__(self) -> int:
        return sum(len(alike) for by_ends in self._lengths.values() for alike in by_ends.values())


@cached(2 * GLOBS_MAX, CONFIGURED_BYTES)
def _expression(value: bytes) -> re.Pattern[bytes]:
    """Made when an object first meets it: most never do."""
    return re.compile(glob(value), re.DOTALL)


_NONE: dict[bytes, _Glob] = {}


def _trimmed(
    by_ends: dict[tuple[bytes, bytes], dict[bytes, _Glob]], upto: int
) -> dict[tuple[bytes, bytes], dict[bytes, _Glob]]:
    found = {}
    for ends, alike in by_ends.items():
        if kept := {value: one for value, one in alike.items() if one.seq > upto}:
            found[ends] = kept
    return found


class PathPatterns:
    """The items of one distribution, each with the number of the newest invalidation naming it."""

    def __init__(self) -> None:
        self.newest = 0
        self.newest_tag = 0
        self._exact: Numbers = {}
        self._prefixes: dict[int, Numbers] = {}  # by their length
        self._tags: Numbers = {}
        self._hosts: Numbers = {}
        self._globs = GlobSet()

    def add(self, seq: int, items: Iterable[Item]) -> None:
        """Add items of invalidation `seq`, which is above all that came before."""
        assert seq >= self.newest
        self.newest = seq
        for kind, value in items:
            self._add(seq, kind, value.encode())

    def _add(self, seq: int, kind: ItemKind, value: bytes) -> None:
        match kind:
            case ItemKind.PATH if value.endswith(b"*"):
                self._add(seq, ItemKind.PREFIX, value[:-1])
            case ItemKind.PATH:
                self._exact[value] = seq
            case ItemKind.PREFIX:
                self._prefixes.setdefault(len(value), {})[value] = seq
            case ItemKind.TAG:
                self._tags[value] = self.newest_tag = seq
            case ItemKind.HOST:
                self._hosts[value] = seq
            case ItemKind.GLOB:
                self._globs.add(seq, value)

    def newest_match(self, subject: InvalidationSubject, after: int) -> int:
        """The number of the newest invalidation above `after` that names `subject`; else 0."""
        if self.newest <= after:
            return 0
        target = subject.target
        best = max(after, self._exact.get(target, 0))
        if self._hosts:
            name = _PORT.sub(b"", subject.host)
            best = max(best, self._hosts.get(subject.host, 0), self._hosts.get(name, 0))
        if subject.tags is None:
            best = max(best, self.newest_tag)
        else:
            for tag in subject.tags:
                best = max(best, self._tags.get(tag, 0))
        for length, prefixes in self._prefixes.items():
            if length <= len(target):
                best = max(best, prefixes.get(target[:length], 0))
        best = self._globs.newest_match(target, best)
        return best if best > after else 0

    def trim(self, upto: int) -> None:
        """Forget what was named by no invalidation above `upto`."""
        for numbers in (self._exact, self._tags, self._hosts, *self._prefixes.values()):
            for value in [value for value, seq in numbers.items() if seq <= upto]:
                del numbers[value]
        self._prefixes = {length: found for length, found in self._prefixes.items() if found}
        self._globs.trim(upto)

    def __len__(self) -> int:
        maps = (self._exact, self._tags, self._hosts, *self._prefixes.values())
        return sum(map(len, maps)) + len(self._globs)


class LiveInvalidations:
    """The patterns of every distribution, hard and soft apart."""

    def __init__(self) -> None:
        self._hard: dict[str, PathPatterns] = {}
        self._soft: dict[str, PathPatterns] = {}

    def add(self, seq: int, distribution: str, items: Iterable[Item], *, soft: bool) -> None:
        """Invalidation `seq` of a distribution."""
        kept = self._soft if soft else self._hard
        kept.setdefault(distribution, PathPatterns()).add(seq, items)

    def hard_match(self, subject: InvalidationSubject, after: int) -> int:
        """The newest hard invalidation above `after` that names `subject`; else 0."""
        patterns = self._hard.get(subject.distribution)
        return 0 if patterns is None else patterns.newest_match(subject, after)

    def soft_match(self, subject: InvalidationSubject, after: int) -> int:
        """The newest soft one; what is not known to carry a tag is not held to carry it."""
        patterns = self._soft.get(subject.distribution)
        return 0 if patterns is None else patterns.newest_match(subject, after)

    def trim(self, upto: int) -> None:
        """Forget invalidations up to number `upto`."""
        for kept in (self._hard, self._soft):
            for distribution, patterns in list(kept.items()):
                patterns.trim(upto)
                if not len(patterns):
                    del kept[distribution]

    def __len__(self) -> int:
        return sum(map(len, (*self._hard.values(), *self._soft.values())))
