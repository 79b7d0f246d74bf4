"""The router: late by the distance, in order, nothing across a cut; packets by real descriptors."""

from __future__ import annotations

import json
import os
import socket
import threading
import time
from collections.abc import Iterator

import pytest

from tests.fleet.router import Router, RouterPlan

ONE, OTHER, THIRD = "198.19.1.1", "198.19.2.2", "198.19.3.3"
DELAY_S = 0.05


def packet(source: str, target: str, text: bytes) -> bytes:
    """The head of an IPv4 packet, as far as the router reads it."""
    return b"\x45" + bytes(11) + socket.inet_aton(source) + socket.inet_aton(target) + text


class Wires:
    """Three hosts' ends of a router that runs in a thread."""

    def __init__(self) -> None:
        pairs = [socket.socketpair(type=socket.SOCK_DGRAM) for _ in range(3)]
        self.one, self.other, self.third = (theirs for theirs, _ in pairs)
        self._sockets = [end for pair in pairs for end in pair]
        for theirs, ours in pairs:
            ours.setblocking(False)
            theirs.settimeout(30)
        addresses = (ONE, OTHER, THIRD)
        devices = {at: ours.fileno() for at, (_, ours) in zip(addresses, pairs, strict=True)}
        delays = [(ONE, OTHER, DELAY_S), (ONE, THIRD, DELAY_S), (OTHER, THIRD, DELAY_S)]
        commands, self._commands = os.pipe()
        self._heard, told = os.pipe()
        self._pipes = [commands, self._heard, told]
        router = Router(RouterPlan(devices, delays, [], ""))
        self._thread = threading.Thread(target=router.run, args=(commands, told))
        self._thread.start()

    def cut(self, *pairs: tuple[str, str]) -> None:
        os.write(self._commands, json.dumps(pairs).encode() + b"\n")
        assert os.read(self._heard, 1) == b"\n"

    def end(self) -> None:
        os.close(self._commands)
        self._thread.join(30)
        assert not self._thread.is_alive()
        for end in self._sockets:
            end.close()
        for fd in self._pipes:
            os.close(fd)


@pytest.fixture
def wires() -> Iterator[Wires]:
    found = Wires()
    yield found
    found.end()


def test_packets_are_late_by_the_distance_and_in_order(wires: Wires) -> None:
    began = time.monotonic()
    for number in (b"1", b"2"):
        wires.one.send(packet(ONE, OTHER, number))
    assert [wires.other.recv(99)[20:] for _ in range(2)] == [b"1", b"2"]
    assert time.monotonic() - began >= DELAY_S


def test_nothing_crosses_a_cut_either_way_and_all_else_does(wires: Wires) -> None:
    wires.cut((OTHER, ONE))
    wires.one.send(packet(ONE, OTHER, b"lost"))
    wires.other.send(packet(OTHER, ONE, b"lost"))
    wires.one.send(packet(ONE, THIRD, b"one"))
    wires.other.send(packet(OTHER, THIRD, b"other"))
    # Sent later, and here: what was sent before is gone.
    assert {wires.third.recv(99)[20:] for _ in range(2)} == {b"one", b"other"}
    wires.cut()
    wires.one.send(packet(ONE, OTHER, b"again"))
    wires.other.send(packet(OTHER, ONE, b"again"))
    assert wires.other.recv(99)[20:] == wires.one.recv(99)[20:] == b"again"


def test_what_is_under_way_is_lost_with_a_cut(wires: Wires) -> None:
    wires.one.send(packet(ONE, THIRD, b"before"))
    wires.one.send(packet(ONE, OTHER, b"under way"))
    wires.cut((ONE, OTHER))
    assert wires.third.recv(99)[20:] == b"before"
    wires.cut()
    wires.one.send(packet(ONE, OTHER, b"again"))
    assert wires.other.recv(99)[20:] == b"again"
