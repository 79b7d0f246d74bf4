"""Two regional caches behind an edge: where an object is asked for, also after others had it.

Marks are of what is stored and not of where: an object that comes back to a cache which had it
before is judged by what that cache has heard since.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from edgecache.cache.tier import Tier
from edgecache.store.eviction import EvictionReason
from edgecache.upstream.faults import Fault, UpstreamError
from edgecache.upstream.interface import Call, Reply
from edgecache.upstream.origin_group import GroupUpstream
from edgecache.upstream.peer.regional_tier import DrainedCaches, RegionalPeer, RegionalTier
from tests.world.play import Play, Scene


class Reached:
    """A regional cache that can be taken away."""

    def __init__(self, tier: Tier) -> None:
        self.tier = tier
        self.gone = False
        self.asked = 0

    async def fetch(self, call: Call) -> Reply:
        if self.gone:
            raise UpstreamError(Fault.REFUSED, self.tier.name, sent=False)
        self.asked += 1
        return await self.tier.fetch(call)


class RegionalPlay(Play):
    """An edge, and two regional caches which share the objects behind it."""

    def _begin(self) -> None:
        super()._begin()
        origins = GroupUpstream(self.origin, self.clock, self._counters)
        self.caches = {name: Reached(self._tier(name, origins)) for name in ("eu-1", "eu-2")}
        self.drained = DrainedCaches()
        peers = [RegionalPeer(name, one, origins) for name, one in self.caches.items()]
        self.edge = self._tier("LHR50", RegionalTier(peers, (), self.drained))
        self.listener = self._listener()
        self.operator = type(self.operator)(self)

    def applies(self, *names: str) -> None:
        """The edge and these caches hear of what was accepted."""
        marks = [self.caches[name].tier.world.marks for name in names]
        self.operator.applies(self.edge.world.marks, *marks)

    def home(self) -> str:
        """The cache that was asked, of the two."""
        return next(name for name, one in self.caches.items() if one.asked)

    def forgets(self) -> None:
        """The edge has nothing any more; the regional caches have what they had."""
        for entry in [*self.edge.store]:
            self.edge.store.expel(entry, EvictionReason.SIZE)

    def close(self) -> None:
        super().close()
        for one in self.caches.values():
            one.tier.store.check()
            assert not len(one.tier.flights)


@pytest.fixture
def caches() -> Iterator[RegionalPlay]:
    play = RegionalPlay(Scene())
    yield play
    play.close()


def fetched(play: RegionalPlay, body: str = "one") -> None:
    play.viewer().asks("/a")
    play.origin.hears("/a")
    play.origin.answers(200, body, cache="max-age=600")
    play.viewer().gets(200, body)


def test_the_other_has_it_while_the_first_is_gone_and_each_asks_once(caches: RegionalPlay) -> None:
    fetched(caches)
    first = caches.home()
    caches.caches[first].gone = True
    caches.forgets()
    fetched(caches)
    caches.forgets()
    caches.viewer().asks("/a").gets(200, "one")  # of the second choice, which has it now
    caches.caches[first].gone = False
    caches.forgets()
    caches.viewer().asks("/a").gets(200, "one")  # of the first, which had it before
    caches.origin.hears_nothing()


def test_what_comes_back_to_a_cache_is_judged_by_what_it_has_heard(caches: RegionalPlay) -> None:
    fetched(caches, "old")
    first = caches.home()
    caches.drained.names = frozenset({first})
    caches.forgets()
    fetched(caches, "old")  # at the other one
    caches.operator.accepts("/a")
    caches.applies("eu-1", "eu-2")
    fetched(caches, "new")  # the other has the new one, the first still has the old one
    caches.drained.names = frozenset()
    caches.forgets()
    fetched(caches, "newer")  # nothing that the invalidation names is given


def test_a_cache_that_has_not_heard_yet_asks_for_what_the_edge_knows(caches: RegionalPlay) -> None:
    """The edge's mark goes with its question: what the cache has may have fallen."""
    fetched(caches, "old")
    first = caches.home()
    caches.drained.names = frozenset({first})
    caches.operator.accepts("/a")
    (other,) = {*caches.caches} - {first}
    caches.applies(other)
    fetched(caches, "new")
    caches.drained.names = frozenset()
    caches.forgets()
    caches.caches[first].tier.world.marks.lease_until = caches.clock() - 1  # it hears nothing
    fetched(caches, "newer")


def test_all_that_wait_go_on_to_the_next_when_one_goes(caches: RegionalPlay) -> None:
    """One flight at the edge, and one at the cache that is asked next."""
    fetched(caches)
    caches.caches[caches.home()].gone = True
    caches.forgets()
    for name in "abc":
        caches.viewer(name).asks("/a")
    caches.origin.hears("/a")
    caches.origin.hears_nothing()
    caches.origin.answers(200, "one", cache="max-age=600")
    for name in "abc":
        caches.viewer(name).gets(200, "one")


def test_without_any_the_origin_is_asked(caches: RegionalPlay) -> None:
    for one in caches.caches.values():
        one.gone = True
    fetched(caches)
    assert not any(one.asked for one in caches.caches.values())
