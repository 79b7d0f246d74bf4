"""Databases of a fleet: PostgreSQL on hosts of their own, a primary and a synchronous standby."""

from __future__ import annotations

from contextlib import suppress

import psycopg

from tests.end_to_end.processes import wait_for
from tests.fleet.network import Network
from tests.fleet.topology import Host
from tests.world.postgresql import PostgresServer

PORT = 5432
EVERYBODY = "host all,replication all 0.0.0.0/0 trust\n"  # of a network that is the test's own
STANDBY = "SELECT 1 FROM pg_stat_replication WHERE sync_state = 'sync'"
SETTINGS = ("wal_receiver_timeout = '2s'", "wal_sender_timeout = '2s'")


class HostDatabase(PostgresServer):
    """A server on a host of the fleet, asked by TCP."""

    def __init__(self, network: Network, host: Host) -> None:
        super().__init__(SETTINGS)
        self.host = host
        self._network = network

    def command(self, program: str, *arguments: str) -> list[str]:
        """On the host, and there as the server's user: only root enters a namespace."""
        line = super().command(program, *arguments)
        if self._user is not None:
            user = f"--reuid={self._user}", f"--regid={self._user}", "--clear-groups"
            line = ["setpriv", *user, *line]
        return [*self._network.prefix(self.host), *line]

    @property
    def runs_as(self) -> str | None:
        return None  # `command` sees to it

    def make(self) -> None:
        super().make()
        with (self.data / "pg_hba.conf").open("a") as file:
            file.write(EVERYBODY)

    def configure(self, *lines: str) -> None:
        super().configure("listen_addresses = '*'", f"port = {PORT}", *lines)

    def network_dsn(self, *others: HostDatabase) -> str:
        """The connection string for hosts: of this one, or of whichever takes writes."""
        hosts = ",".join(self._network.address(one.host) for one in (self, *others))
        return f"host={hosts} port={PORT} dbname=postgres user=edgecache"

    def dsn(self, database: str = "postgres") -> str:
        """By its socket file, which is reached from everywhere on this machine."""
        return f"{super().dsn(database)} port={PORT}"

    def start(self) -> None:
        (self.data / "postmaster.pid").unlink(missing_ok=True)  # of one that was killed
        super().start()


class DatabasePair:
    """Two databases, one of which takes writes. What an operator, or Patroni, does with them."""

    def __init__(self, network: Network, hosts: tuple[Host, ...]) -> None:
        self._network = network
        self.primary, self.standby = (HostDatabase(network, host) for host in hosts)

    @property
    def dsn(self) -> str:
        """The connection string for controls."""
        return self.primary.network_dsn(self.standby)

    def start(self) -> None:
        """Make and start both."""
        self.primary.make()
        self.primary.start()
        self._follow()

    def fail_over(self) -> None:
        """Let the standby take writes; the one that was primary has to be gone."""
        self.standby.promote()
        self.primary, self.standby = self.standby, self.primary

    def make_standby(self) -> None:
        """Make the deposed one anew, as the synchronous standby of the other."""
        with suppress(AssertionError):
            self.standby.stop()
        self.standby.empty()
        self._follow()

    def stop(self) -> None:
        """Stop both, and remove their files."""
        for one in (self.standby, self.primary):
            with suppress(AssertionError, OSError):
                one.stop()
            one.remove()

    def _follow(self) -> None:
        source = self.primary.network_dsn()
        self.standby.become_standby_of(self.primary, source)
        with (self.standby.data / "postgresql.auto.conf").open("a") as file:
            file.write("synchronous_standby_names = ''\n")  # once it is promoted it has none
        self.standby.start()
        with psycopg.connect(self.primary.dsn(), autocommit=True) as connection:
            connection.execute("ALTER SYSTEM SET synchronous_standby_names = '*'")
            connection.execute("SELECT pg_reload_conf()")
            wait_for("a synchronous standby", lambda: connection.execute(STANDBY).fetchone())
