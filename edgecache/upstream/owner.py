"""Who keeps a connection to an upstream between its exchanges: the pool, or a test."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from edgecache.upstream.turns import LoopTurns

if TYPE_CHECKING:
    from edgecache.upstream.connection import UpstreamConnection


class ConnectionOwner(Protocol):
    """Who keeps the connection between exchanges."""

    turns: LoopTurns
    """Where a connection waits that has more to do than fits in a turn of the loop."""

    def released(self, connection: UpstreamConnection) -> None:
        """It may be asked again."""
        ...

    def gone(self, connection: UpstreamConnection) -> None:
        """It is closed."""
        ...
