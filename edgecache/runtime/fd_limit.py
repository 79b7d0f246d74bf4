"""File descriptor limit (RLIMIT_NOFILE). Law: connections are refused before descriptors run out.

Where they have run out a process can neither refuse politely nor open its log, nor reach control.
"""

from __future__ import annotations

import resource
from collections.abc import Callable

from msgspec.structs import replace

from edgecache.config.model import Config

RESERVED = 512  # for two full pools to upstreams (`Origin.connections_max`), files and sockets
KEPT = 128  # of these, for files, the disk, control, and the sockets a process listens on
AHEAD = 128  # which viewers may take and upstreams may not: hits go on when misses are refused


def cap_connections(config: Config) -> Config:
    """`config`, with `limits.connections_max` no more than this process has descriptors for.

    What one client may have of them is less in the same proportion: else it may have them all.
    """
    limits = config.limits
    connections = connections_for(raise_soft_limit())
    if connections >= limits.connections_max:
        return config
    each = limits.connections_per_address_max * connections // limits.connections_max
    capped = replace(limits, connections_max=connections, connections_per_address_max=max(each, 1))
    return replace(config, limits=capped)


def connections_for(descriptors: int) -> int:
    """The number of viewers' connections that so many descriptors are enough for."""
    return max(descriptors - RESERVED, descriptors // 2, 1)


class DescriptorBudget:
    """What the descriptors of a process are enough for, as its connections come and go.

    A WebSocket takes two, so that no number of viewers alone keeps them from running out.
    `viewers` and `upstreams` tell how many connections there are of each.
    """

    def __init__(self, descriptors: int) -> None:
        self._shared = descriptors - min(KEPT, descriptors // 4)
        self._ahead = min(AHEAD, descriptors // 8)
        self.viewers: Callable[[], int] = int
        self.upstreams: Callable[[], int] = int

    def viewers_max(self) -> int:
        """How many connections viewers may have now."""
        return self._shared - self.upstreams()

    def admits_upstream(self) -> bool:
        """Whether one more connection to an upstream may be opened."""
        return self.viewers() + self.upstreams() < self._shared - self._ahead


def soft_limit() -> int:
    """How many descriptors this process may have."""
    return resource.getrlimit(resource.RLIMIT_NOFILE)[0]


def raise_soft_limit() -> int:
    """Raise the soft limit of this process to its hard limit; returns the limit then in force.

    As Go's runtime does: the low soft limit is for programs that use select().
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    except (ValueError, OSError):
        return soft
    return hard
