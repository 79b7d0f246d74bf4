"""An operator who invalidates, and control's log as the tiers of a play hear of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from edgecache.rules.invalidation.items import Item, items_of
from edgecache.store.invalidation import Invalidation, InvalidationState

if TYPE_CHECKING:
    from tests.world.play import Play


class Operator:
    """Accepts invalidations in one order; who applies them, and when, the play says."""

    def __init__(self, play: Play) -> None:
        self._play = play
        self.log: list[Invalidation] = []
        self.edge: InvalidationState = play.edge.world.marks
        self.regional: InvalidationState = (play.regional or play.edge).world.marks

    def accepts(self, *paths: str, soft: bool = False, items: tuple[Item, ...] = ()) -> None:
        """An invalidation is durable from here on; nobody has applied it yet."""
        seq = len(self.log) + 1
        named = items or items_of(paths)
        self.log.append(Invalidation(seq, self._play.clock(), "EPLAY", named, soft))

    def applies(self, *tiers: InvalidationState) -> None:
        """These tiers (none given: all) apply everything accepted."""
        for marks in tiers or (self.regional, self.edge):
            for one in self.log:
                marks.apply(one)

    def invalidates(self, *paths: str, soft: bool = False, items: tuple[Item, ...] = ()) -> None:
        """Accepted, applied everywhere, and so Completed."""
        self.accepts(*paths, soft=soft, items=items)
        self.applies()

    def leases(self, seconds: float, *tiers: InvalidationState) -> None:
        """Control's word to these tiers (none given: all) is good for so long from now."""
        for marks in tiers or (self.regional, self.edge):
            marks.lease_until = self._play.clock() + seconds
