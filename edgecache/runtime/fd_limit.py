"""File descriptor limit (RLIMIT_NOFILE). Law: connections are refused before descriptors run out.

Where they have run out a process can neither refuse politely nor open its log.
"""

from __future__ import annotations

import resource

from msgspec.structs import replace

from edgecache.config.model import Config

RESERVED = 512  # for two full pools to upstreams (`Origin.connections_max`), files and sockets


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
