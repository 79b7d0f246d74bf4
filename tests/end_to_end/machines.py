"""Machines: network namespaces of this one, joined to it by pairs of interfaces (veth(4))."""

from __future__ import annotations

import os
import shutil
import subprocess
from dataclasses import dataclass

import pytest

NO_NAMESPACES = "no network namespaces can be made here"
_NETWORK = "198.18.{number}.{host}"  # RFC 2544: of benchmarks, and so in nobody's way


@dataclass(frozen=True, slots=True)
class Machine:
    """A namespace. `address` is its own, `gateway` this machine's at the other end."""

    name: str
    address: str
    gateway: str

    @property
    def prefix(self) -> tuple[str, ...]:
        """What a command begins with that runs there."""
        return ("ip", "netns", "exec", self.name)


def make_machine(number: int) -> Machine:
    """The machine `number` (0 to 7) of this process. The test is skipped where there are none."""
    name = f"ec{os.getpid()}-{number}"
    subnet = (os.getpid() * 8 + number) % 256
    address, gateway = (_NETWORK.format(number=subnet, host=host) for host in (2, 1))
    if shutil.which("ip") is None or not _done("netns", "add", name):
        pytest.skip(NO_NAMESPACES)
    here, there = f"v{name}", f"w{name}"
    made = (
        _done("link", "add", here, "type", "veth", "peer", "name", there, "netns", name)
        and _done("address", "add", f"{gateway}/24", "dev", here)
        and _done("link", "set", here, "up")
        and _done("-n", name, "address", "add", f"{address}/24", "dev", there)
        and _done("-n", name, "link", "set", there, "up")
        and _done("-n", name, "link", "set", "lo", "up")
        and _done("-n", name, "route", "add", "default", "via", gateway)
        and _done("netns", "exec", name, "true")
    )
    machine = Machine(name, address, gateway)
    if not made:
        remove_machine(machine)
        pytest.skip(NO_NAMESPACES)
    return machine


def remove_machine(machine: Machine) -> None:
    """Remove a machine and both ends of its interface."""
    _done("netns", "del", machine.name)


def _done(*arguments: str) -> bool:
    return subprocess.run(("ip", *arguments), capture_output=True).returncode == 0
