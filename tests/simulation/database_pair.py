"""A primary and its standby, and who is which."""

from __future__ import annotations

from collections.abc import Iterator
from random import Random

from tests.simulation.database import DatabaseServer, Role
from tests.simulation.links import Links

NAMES = ("db-1", "db-2")


class DatabasePair:
    """Both servers, and which of them is the primary."""

    def __init__(self, links: Links, random: Random) -> None:
        self.servers = {name: DatabaseServer(links, name, random) for name in NAMES}
        self.primary = self.servers[NAMES[0]]
        self.primary.start(Role.PRIMARY)
        self.other.start(Role.BEHIND)
        self.follow()

    @property
    def other(self) -> DatabaseServer:
        """The standby, or who was the primary before."""
        one, other = self.servers.values()
        return other if self.primary is one else one

    def follow(self) -> None:
        """The other server is the standby from now on; what it had beyond is gone."""
        if self.other.role is Role.PRIMARY or not self.other.process.alive:
            self.other.start(Role.BEHIND)
        self.primary.feed(self.other)

    def restart_primary(self) -> None:
        """After a crash, without a failover."""
        self.primary.start(Role.PRIMARY)
        self.follow()

    def fail_over(self, *, alone: bool = False) -> bool:
        """The standby is promoted; who was primary goes on if it runs. False: it is not one.

        `alone`: its commits wait for nobody until it has a standby again.
        """
        standby = self.other
        if standby.role is not Role.STANDBY or not standby.process.alive or standby.process.frozen:
            return False
        standby.become(Role.PRIMARY)
        standby.timeline = 1 + max(server.timeline for server in self)
        standby.alone = alone
        self.primary = standby
        return True

    def __iter__(self) -> Iterator[DatabaseServer]:
        return iter(self.servers.values())
