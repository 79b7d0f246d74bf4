"""Rendezvous hashing: which of several regional caches an object lives at, and who comes next.

Law: the choice is of the object and the members alone, so that all who know the same members agree
without a word. It is of the key without what tells an object's variants, ranges and blocks apart:
whoever has one of these has them all. A member that comes or goes moves its own share and no other
object: each member draws a number for a key, and the highest has it (Thaler and Ravishankar, "Using
Name-Based Mappings to Increase Hit Rates", 1998). A weight w makes of the draw u, uniform in
(0, 1), the score -w / ln(u), so that shares are as the weights.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import xxhash

from edgecache.config.model import RegionalCache
from edgecache.http.message import Request
from edgecache.rules.caching.key import chosen_query, has_query, keyed_policy, lower_names
from edgecache.rules.routing import Route

_DRAW_BITS = 52  # of 64: half a unit more is still below 1 as a float


class Member(NamedTuple):
    """One of those that share objects: its name decides, wherever it is."""

    name: str
    weight: float = 1


class RendezvousHash:
    """The choice among `members`, at least one, whose names differ."""

    __slots__ = ("_equal", "_seeds", "_weights", "members")

    def __init__(self, members: Sequence[Member]) -> None:
        self.members = tuple(members)
        self._seeds = [xxhash.xxh3_64_intdigest(one.name.encode()) for one in members]
        self._weights = [one.weight for one in members]
        self._equal = len(set(self._weights)) == 1

    def first(self, key: bytes) -> int:
        """The index of the member that has `key`."""
        scores = self._scores(key)
        return scores.index(max(scores))

    def ranked(self, key: bytes) -> list[int]:
        """The indices of all members: who has `key`, who has it without that one, and so on."""
        scores = self._scores(key)
        return sorted(range(len(scores)), key=scores.__getitem__, reverse=True)

    def share(self, index: int) -> float:
        """The share of all objects that a member has."""
        return self._weights[index] / sum(self._weights)

    def _scores(self, key: bytes) -> Sequence[float]:
        digest = xxhash.xxh3_64_intdigest
        draws = [digest(key, seed) for seed in self._seeds]
        if self._equal:
            return draws  # in the same order as their logarithms
        return [
            -weight / math.log(((draw >> 64 - _DRAW_BITS) + 0.5) / 2**_DRAW_BITS)
            for weight, draw in zip(self._weights, draws, strict=True)
        ]


def by_region(
    caches: Sequence[RegionalCache], region: str
) -> tuple[list[RegionalCache], list[RegionalCache]]:
    """The regional caches of a region, and those that come next; all alike where it has none."""
    near = [one for one in caches if one.region == region] if region else []
    return near or [*caches], [one for one in caches if one not in near] if near else []


def home(caches: Sequence[RegionalCache], region: str, key: bytes) -> RegionalCache:
    """The regional cache, of one at least, that an edge of a region asks first for `key`."""
    near, _ = by_region(caches, region)
    return near[RendezvousHash([Member(one.name, one.weight) for one in near]).first(key)]


def object_key(request: Request, route: Route) -> bytes:
    """What the choice is made of: distribution, path, and query and Host where they are in the key.

    `request` as a viewer sent it or as it is forwarded: both have the same. Cookies, other headers,
    codings, the method and the release are left out: an invalidation of a path, `Vary` and a write
    (RFC 9111 §4.4) find all that there is of an object at one place.
    """
    policy = keyed_policy(route)
    key = b"%b %b" % (route.distribution.id.encode(), request.path)
    if has_query(policy) and request.query is not None:
        if policy.query_strings.behavior == "all":
            key += b"?" + request.query
        else:
            chosen = chosen_query(request, policy.query_strings)
            key += b"".join(b"?%b=%b" % (name, value or b"") for name, value in chosen)
    if b"host" in lower_names(policy.headers.items):
        key += b" " + request.host
    return key


def within_bound(under_way: int, in_all: int, share: float, factor: int) -> bool:
    """Whether a member with `under_way` requests of `in_all` may have one more.

    `factor` is in percent of its share: Mirrokni, Thorup and Zadimoghaddam, "Consistent Hashing
    with Bounded Loads", 2016, whose c is 1.25 where this is 125.
    """
    return under_way < math.ceil(factor / 100 * share * (in_all + 1))
