"""The network between hosts: IP packets handed on late, or dropped. A process of its own.

`python -m tests.fleet.router` with a plan (`RouterPlan`, JSON) as the first line of its standard
input. Each later line is the whole list of cuts, as pairs of addresses: packets between the two are
dropped from then on, and an empty line on standard output says so. Who starts it made the network
namespaces; when standard input ends, also because that process was killed, everything in them is
ended, and they and their folder are removed.
"""

from __future__ import annotations

import contextlib
import heapq
import json
import os
import select
import shutil
import signal
import subprocess
import time
from collections.abc import Iterable

import msgspec

PACKET_BYTES_MAX = 65_536
BURST = 64  # packets read of one host before others have their turn
UNDER_WAY_MAX = 50_000  # packets; beyond, a real network drops them as well
COMMAND_BYTES_MAX = 1_048_576
ENDED_S_MAX = 5.0


class RouterPlan(msgspec.Struct, frozen=True):
    """The TUN devices by address, one-way delays in seconds by pair, and what to clear away."""

    devices: dict[str, int]
    delays_s: list[tuple[str, str, float]]
    namespaces: list[str]
    folder: str


class Router:
    """Packets under way, in the order in which they are due."""

    def __init__(self, plan: RouterPlan) -> None:
        self._devices = {_packed(address): fd for address, fd in plan.devices.items()}
        self._delays: dict[bytes, float] = {}
        for one, other, delay_s in plan.delays_s:
            self._delays[_packed(one) + _packed(other)] = delay_s
            self._delays[_packed(other) + _packed(one)] = delay_s
        self._cut: set[bytes] = set()
        self._under_way: list[tuple[float, int, bytes, bytes]] = []
        self._number = 0

    def cut(self, pairs: Iterable[tuple[str, str]]) -> None:
        """Hand nothing on between these, either way; also what is under way."""
        both = [(_packed(one), _packed(other)) for one, other in pairs]
        self._cut = {one + other for one, other in both} | {other + one for one, other in both}

    def run(self, commands: int, answers: int) -> None:
        """Hand packets on until `commands` ends; each line is answered by an empty one."""
        everything = [commands, *self._devices.values()]
        line = b""
        while True:
            readable, _, _ = select.select(everything, (), (), self._deliver())
            if commands in readable:
                data = os.read(commands, 65_536)
                line += data
                if not data or len(line) > COMMAND_BYTES_MAX:
                    return
                line = self._obey(line, answers)
                readable.remove(commands)
            for fd in readable:
                self._take(fd)

    def _obey(self, received: bytes, answers: int) -> bytes:
        """Take the cuts of whole lines; what is left is the beginning of one."""
        *lines, rest = received.split(b"\n")
        for line in lines:
            self.cut(json.loads(line))
            os.write(answers, b"\n")
        return rest

    def _take(self, fd: int) -> None:
        now = time.monotonic()
        for _ in range(BURST):
            try:
                packet = os.read(fd, PACKET_BYTES_MAX)
            except OSError:
                return  # BlockingIOError: there is none; or the device is going away
            pair = packet[12:20]  # RFC 791 §3.1: source and destination
            delay_s = self._delays.get(pair)
            if packet[0] >> 4 != 4 or delay_s is None or pair in self._cut:
                continue
            if len(self._under_way) >= UNDER_WAY_MAX:
                continue
            self._number += 1
            heapq.heappush(self._under_way, (now + delay_s, self._number, pair, packet))

    def _deliver(self) -> float | None:
        """Hand on what is due; seconds until the next one is."""
        under_way = self._under_way
        while under_way:
            wait_s = under_way[0][0] - time.monotonic()
            if wait_s > 0:
                return wait_s
            _, _, pair, packet = heapq.heappop(under_way)
            if pair not in self._cut:
                with contextlib.suppress(OSError):
                    os.write(self._devices[pair[4:]], packet)
        return None


def _packed(address: str) -> bytes:
    return bytes(int(part) for part in address.split("."))


def clear_away(namespaces: Iterable[str], folder: str = "") -> None:
    """End what runs in network namespaces of ours; remove them, and the folder."""
    for name in namespaces:
        deadline = time.monotonic() + ENDED_S_MAX
        while (pids := pids_in(name)) and time.monotonic() < deadline:
            for pid in pids:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            select.select((), (), (), 0.02)
        subprocess.run(("ip", "netns", "del", name), capture_output=True)
    if folder:
        shutil.rmtree(folder, ignore_errors=True)


def pids_in(namespace: str) -> list[int]:
    """The processes in a network namespace, but this one."""
    done = subprocess.run(("ip", "netns", "pids", namespace), capture_output=True, text=True)
    return [int(word) for word in done.stdout.split() if int(word) != os.getpid()]


def main() -> None:
    plan_line = b""
    while not plan_line.endswith(b"\n") and (byte := os.read(0, 1)):
        plan_line += byte
    plan = msgspec.json.decode(plan_line, type=RouterPlan)
    for fd in plan.devices.values():
        os.set_blocking(fd, False)
    try:
        os.write(1, b"\n")
        Router(plan).run(0, 1)
    finally:
        clear_away(plan.namespaces, plan.folder)


if __name__ == "__main__":
    main()
