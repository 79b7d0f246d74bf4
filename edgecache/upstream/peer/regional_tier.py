"""Several regional caches as one upstream: each object has its own, and the next ones after it.

Law: an object is asked for where it lives, and elsewhere only while that cache does not answer, is
drained by an operator, or refuses who asks. Whoever has the same configuration chooses alike (see
`rules/rendezvous.py`), so that one flight in each region asks the origin, and the next choice has
one flight again. Those of one's own region come first, then all others. After the last the origin
is asked, where the cache the object lives at says so (`when_down`).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from msgspec.structs import replace

from edgecache.rules.rendezvous import Member, RendezvousHash, object_key, within_bound
from edgecache.upstream.faults import Fault, UpstreamError
from edgecache.upstream.interface import Call, Reply, Upstream
from edgecache.upstream.peer.peer import GONE
from edgecache.upstream.request_body import read_start

NEXT = GONE | {Fault.PEER, Fault.SHIELD}  # it takes us for none of its own, or knows no shield


@dataclass(slots=True, eq=False)
class RegionalPeer:
    """One regional cache of several. `fallback`: who is asked when none answers; None: nobody."""

    name: str
    upstream: Upstream
    fallback: Upstream | None = None
    weight: float = 1
    under_way: int = 0  # requests of this process that wait for its answer


@dataclass(slots=True, eq=False)
class DrainedCaches:
    """The regional caches that an operator drains, by name: asked when no other answers."""

    names: frozenset[str] = field(default_factory=frozenset)


class RegionalTier:
    """The regional caches of one region, `near`, and the others, `far`.

    `factor`: see `within_bound`; 0: there is no bound.
    """

    def __init__(
        self,
        near: Sequence[RegionalPeer],
        far: Sequence[RegionalPeer],
        drained: DrainedCaches,
        factor: int = 0,
    ) -> None:
        self._near, self._far = tuple(near), tuple(far)
        self._near_hash, self._far_hash = _hash_of(near), _hash_of(far)
        self._drained = drained
        self._factor = factor

    async def fetch(self, call: Call) -> Reply:
        """The response of the first that answers. UpstreamError of the first when none does."""
        if call.body is not None:
            call = replace(call, body=await read_start(call.body))
        key = object_key(call.request, call.route)
        first = self._near[self._near_hash.first(key)]
        if self._factor or first.name in self._drained.names:
            return await self._ask_in_order(call, self._in_order(key), first)
        try:
            return await first.upstream.fetch(call)
        except UpstreamError as error:
            if not _goes_on(call, error):
                raise
            others = (one for one in self._in_order(key) if one is not first)
            return await self._ask_in_order(call, others, first, error)

    def _in_order(self, key: bytes) -> list[RegionalPeer]:
        """All of them in the order they are asked in for a key."""
        ranked = [self._near[index] for index in self._near_hash.ranked(key)]
        if self._factor:
            ranked.sort(key=self._is_loaded)  # a stable sort: who is within the bound, first
        if self._far:
            ranked += [self._far[index] for index in self._far_hash.ranked(key)]
        return sorted(ranked, key=lambda peer: peer.name in self._drained.names)

    def _is_loaded(self, peer: RegionalPeer) -> bool:
        in_all = sum(one.under_way for one in self._near)
        share = self._near_hash.share(self._near.index(peer))
        return not within_bound(peer.under_way, in_all, share, self._factor)

    async def _ask_in_order(
        self,
        call: Call,
        peers: Sequence[RegionalPeer] | Iterator[RegionalPeer],
        first: RegionalPeer,
        error: UpstreamError | None = None,
    ) -> Reply:
        """Ask one after the other; `first` is where the object lives, `error` how it has failed."""
        for peer in peers:
            peer.under_way += 1
            try:
                return await peer.upstream.fetch(call)
            except UpstreamError as failed:
                if not _goes_on(call, failed):
                    raise
                error = error or failed
            finally:
                peer.under_way -= 1
        assert error is not None, "a tier has one at least"
        if first.fallback is None:
            raise error
        return await first.fallback.fetch(call)


def _hash_of(peers: Sequence[RegionalPeer]) -> RendezvousHash:
    return RendezvousHash([Member(one.name, one.weight) for one in peers])


def _goes_on(call: Call, error: UpstreamError) -> bool:
    """Whether the next may be asked: what was read of a body cannot be sent again."""
    return error.fault in NEXT and not (call.body is not None and error.sent)
