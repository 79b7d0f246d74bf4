"""Lease of a node: how long it may serve without word from control. Law: never longer."""

from __future__ import annotations

from dataclasses import dataclass

LEASE_S = 3.0  # Chubby's is 12 s, ZooKeeper's default session 4-40 s; ours is renewed every second


@dataclass(frozen=True, slots=True)
class Instance:
    """One run of one node: `instance` is made anew by each process, as `MACHINE.RANDOM`.

    Several machines may have nodes of one name; what replaces a node runs on its machine.
    """

    name: str
    instance: str
    serves: bool = False  # without a lease, too

    @property
    def machine(self) -> str:
        """The machine it runs on; empty where a former version does not tell."""
        return self.instance.rpartition(".")[0]
