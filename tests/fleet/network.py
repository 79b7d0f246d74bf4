"""Network of a fleet: a namespace and a TUN device for each host, and the router between them."""

from __future__ import annotations

import ctypes
import fcntl
import json
import os
import shutil
import socket
import struct
import subprocess
import sys
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import msgspec

from tests.fleet.router import RouterPlan, clear_away, pids_in
from tests.fleet.topology import PREFIX_BITS, Host, Topology

ROOT = Path(__file__).resolve().parents[2]
NAMESPACES = Path("/run/netns")
NAME = "ecfleet{pid}-{number}"
_TUNSETIFF = 0x400454CA  # linux/if_tun.h
_IFF_TUN_NO_PI = 0x1001
_CLONE_NEWNET = 0x40000000  # sched.h


class NoNetworkError(Exception):
    """Namespaces or TUN devices cannot be made here; the message says which, and why."""


class Network:
    """The network while it exists. Cuts are between two hosts, both ways."""

    def __init__(self, topology: Topology, folder: Path) -> None:
        self.topology = topology
        self._folder = folder
        self._names = {
            host: NAME.format(pid=os.getpid(), number=number)
            for number, host in enumerate(topology.hosts)
        }
        self._devices: dict[str, int] = {}
        self._router: subprocess.Popen[bytes] | None = None
        self._entered: dict[Host, ThreadPoolExecutor] = {}
        self._cut: set[frozenset[str]] = set()

    def start(self) -> None:
        """Make it. NoNetworkError."""
        _clear_abandoned()
        try:
            for host in self.topology.hosts:
                self._make(host)
        except (NoNetworkError, OSError) as error:
            self._close_devices()
            clear_away(self._names.values())
            raise NoNetworkError(f"no network namespaces can be made here: {error}") from None
        self._start_router()
        self._close_devices()

    def stop(self) -> None:
        """Remove it, with whatever runs in it; the folder too."""
        for entered in self._entered.values():
            entered.shutdown()
        if self._router is not None:
            assert self._router.stdin is not None
            assert self._router.stdout is not None
            self._router.stdin.close()
            self._router.wait(60)
            self._router.stdout.close()

    def prefix(self, host: Host) -> tuple[str, ...]:
        """What a command begins with that runs on a host."""
        return ("ip", "netns", "exec", self._names[host])

    def address(self, host: Host) -> str:
        """The host's address, for all others."""
        return self.topology.address(host)

    def pids(self, host: Host) -> list[int]:
        """What runs on a host."""
        return pids_in(self._names[host])

    def socket(self, host: Host) -> socket.socket:
        """A TCP socket of a host, for this process: whom it connects to, that host does."""
        if host not in self._entered:
            path = NAMESPACES / self._names[host]
            self._entered[host] = ThreadPoolExecutor(1, initializer=_enter, initargs=(path,))
        return self._entered[host].submit(socket.socket).result()

    def is_cut(self, one: Host, other: Host) -> bool:
        """Whether packets between two hosts are dropped."""
        return frozenset({one.name, other.name}) in self._cut

    @contextmanager
    def cut(self, pairs: Iterable[tuple[Host, Host]]) -> Iterator[None]:
        """Drop what goes between these, while the block runs."""
        added = {frozenset({one.name, other.name}) for one, other in pairs} - self._cut
        self._tell(self._cut | added)
        try:
            yield
        finally:
            self._tell(self._cut - added)

    def _tell(self, cut: set[frozenset[str]]) -> None:
        assert self._router is not None
        assert self._router.stdin is not None
        assert self._router.stdout is not None
        by_name = {host.name: self.address(host) for host in self.topology.hosts}
        self._cut = cut
        lines = [[by_name[name] for name in pair] for pair in cut]
        self._router.stdin.write(json.dumps(lines).encode() + b"\n")
        self._router.stdin.flush()
        assert self._router.stdout.readline() == b"\n", "the router has ended"

    def _make(self, host: Host) -> None:
        name, address = self._names[host], self.address(host)
        device = f"ecf{os.getpid() % 10_000_000}x{self.topology.hosts.index(host)}"
        if shutil.which("ip") is None:
            raise NoNetworkError("there is no ip(8)")
        _ip("netns", "add", name)
        fd = os.open("/dev/net/tun", os.O_RDWR)
        self._devices[address] = fd
        fcntl.ioctl(fd, _TUNSETIFF, struct.pack("16sH22x", device.encode(), _IFF_TUN_NO_PI))
        _ip("link", "set", device, "netns", name)
        _ip("-n", name, "address", "add", f"{address}/{PREFIX_BITS}", "dev", device)
        _ip("-n", name, "link", "set", device, "up")
        _ip("-n", name, "link", "set", "lo", "up")

    def _start_router(self) -> None:
        topology = self.topology
        hosts = topology.hosts
        delays = [
            (self.address(one), self.address(other), topology.round_trip_ms(one, other) / 2_000)
            for number, one in enumerate(hosts)
            for other in hosts[:number]
        ]
        names, folder = list(self._names.values()), str(self._folder)
        plan = RouterPlan(self._devices, delays, names, folder)
        self._router = subprocess.Popen(
            (sys.executable, "-m", "tests.fleet.router"),
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            pass_fds=list(self._devices.values()),
            start_new_session=True,  # Ctrl-C is not for it: it outlives us, to clear away
        )
        assert self._router.stdin is not None
        assert self._router.stdout is not None
        self._router.stdin.write(msgspec.json.encode(plan) + b"\n")
        self._router.stdin.flush()
        assert self._router.stdout.readline() == b"\n", "the router does not start"

    def _close_devices(self) -> None:
        for fd in self._devices.values():
            os.close(fd)
        self._devices.clear()


def _enter(path: Path) -> None:
    """Move this thread into a network namespace (setns(2); os.setns is of Python 3.12)."""
    fd = os.open(path, os.O_RDONLY)
    try:
        if ctypes.CDLL(None, use_errno=True).setns(fd, _CLONE_NEWNET):
            raise OSError(ctypes.get_errno(), "setns")
    finally:
        os.close(fd)


def _ip(*arguments: str) -> None:
    done = subprocess.run(("ip", *arguments), capture_output=True, text=True)
    if done.returncode:
        raise NoNetworkError(f"ip {' '.join(arguments)}: {done.stderr.strip()}")


def _clear_abandoned() -> None:
    """Remove namespaces of fleets whose process is gone, and whose router was killed with it."""
    for path in NAMESPACES.glob(NAME.format(pid="*", number="*")):
        pid = path.name.removeprefix("ecfleet").partition("-")[0]
        if not Path(f"/proc/{pid}").exists():
            clear_away([path.name])
