"""The invalidations that may still matter, found by subject. Law: a subject meets few of them.

An exact path, tag or host costs one look into a map. A prefix costs one for each length that
prefixes have: a few dozen among ten thousand, each a slice and a hash, against a dictionary for
every letter in a tree of letters. Globs are tried one by one, the newest first.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from edgecache.rules.globs import glob
from edgecache.rules.invalidation import Item, Kind, Subject

Numbers = dict[bytes, int]
GLOBS_MAX = 1_000  # of one distribution at a time: each is an expression that is tried


class Patterns:
    """The items of one distribution, each with the number of the newest invalidation naming it."""

    def __init__(self) -> None:
        self.newest = 0
        self.newest_tag = 0
        self._exact: Numbers = {}
        self._prefixes: dict[int, Numbers] = {}  # by their length
        self._tags: Numbers = {}
        self._hosts: Numbers = {}
        self._globs: list[tuple[int, re.Pattern[bytes]]] = []  # in the order of their numbers

    def add(self, seq: int, items: Iterable[Item]) -> None:
        """Items of invalidation `seq`, which is above all that came before."""
        assert seq >= self.newest
        self.newest = seq
        for kind, value in items:
            self._add(seq, kind, value.encode())

    def _add(self, seq: int, kind: Kind, value: bytes) -> None:
        match kind:
            case Kind.PATH if value.endswith(b"*"):
                self._add(seq, Kind.PREFIX, value[:-1])
            case Kind.PATH:
                self._exact[value] = seq
            case Kind.PREFIX:
                self._prefixes.setdefault(len(value), {})[value] = seq
            case Kind.TAG:
                self._tags[value] = self.newest_tag = seq
            case Kind.HOST:
                self._hosts[value] = seq
            case Kind.GLOB:
                self._globs.append((seq, re.compile(glob(value), re.DOTALL)))

    def newest_match(self, subject: Subject, after: int) -> int:
        """The number of the newest invalidation above `after` that names `subject`; else 0."""
        if self.newest <= after:
            return 0
        target = subject.target
        best = max(after, self._exact.get(target, 0), self._hosts.get(subject.host, 0))
        if subject.tags is None:
            best = max(best, self.newest_tag)
        else:
            for tag in subject.tags:
                best = max(best, self._tags.get(tag, 0))
        for length, prefixes in self._prefixes.items():
            if length <= len(target):
                best = max(best, prefixes.get(target[:length], 0))
        for seq, expression in reversed(self._globs):
            if seq <= best:
                break
            if expression.fullmatch(target):
                best = seq
        return best if best > after else 0

    def trim(self, upto: int) -> None:
        """Forget what was named by no invalidation above `upto`."""
        for numbers in (self._exact, self._tags, self._hosts, *self._prefixes.values()):
            for value in [value for value, seq in numbers.items() if seq <= upto]:
                del numbers[value]
        self._prefixes = {length: found for length, found in self._prefixes.items() if found}
        self._globs = [pair for pair in self._globs if pair[0] > upto]

    def __len__(self) -> int:
        maps = (self._exact, self._tags, self._hosts, *self._prefixes.values())
        return sum(map(len, maps)) + len(self._globs)


class Live:
    """The patterns of every distribution, hard and soft apart."""

    def __init__(self) -> None:
        self._hard: dict[str, Patterns] = {}
        self._soft: dict[str, Patterns] = {}

    def add(self, seq: int, distribution: str, items: Iterable[Item], *, soft: bool) -> None:
        """Invalidation `seq` of a distribution."""
        kept = self._soft if soft else self._hard
        kept.setdefault(distribution, Patterns()).add(seq, items)

    def hard_match(self, subject: Subject, after: int) -> int:
        """The newest hard invalidation above `after` that names `subject`; else 0."""
        patterns = self._hard.get(subject.distribution)
        return 0 if patterns is None else patterns.newest_match(subject, after)

    def soft_match(self, subject: Subject, after: int) -> int:
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
