"""Datagram relay: what the kernel gave to one process, and is for a connection of another.

Law: it goes only where an id of ours says, and only processes of our own user can say so: each has
a Unix socket in the folder of the installation that nobody else may write to. Nobody waits: what
the other has no room for is lost, as on any network, and a viewer sends it again.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

RELAYED_BYTES_MAX = 65_535 + 128  # a datagram, and where it came from
RELAYED_MAX = 64  # in one turn of the loop
PREFIX = "quic-"

OnDatagram = Callable[[bytes, Any], None]
"""Take a datagram and the address it came from."""


class DatagramRelay:
    """That of one process, whose number is `owner`; `folder` is the installation's."""

    def __init__(self, folder: str, owner: int) -> None:
        """Listens. OSError: it cannot, the path may be too long."""
        self._folder = Path(folder)
        self._path = self._path_of(owner)
        self._folder.mkdir(parents=True, exist_ok=True)
        self._remove_left()
        self._path.unlink(missing_ok=True)
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.setblocking(False)
        former = os.umask(0o177)
        try:
            self._socket.bind(str(self._path))
        finally:
            os.umask(former)
        self._loop: asyncio.AbstractEventLoop | None = None

    def start(self, loop: asyncio.AbstractEventLoop, on_datagram: OnDatagram) -> None:
        """Hear of what others relay."""
        self._loop = loop
        loop.add_reader(self._socket.fileno(), self._take, on_datagram)

    def send(self, owner: int, datagram: bytes, address: Any) -> bool:
        """Give a datagram to the process `owner`; False: there is none of that number."""
        told = " ".join(str(part) for part in address).encode()
        try:
            self._socket.sendto(b"%b\n%b" % (told, datagram), str(self._path_of(owner)))
        except (ConnectionRefusedError, FileNotFoundError):
            return False
        except OSError:  # it has as many as it has room for
            return True
        return True

    def close(self) -> None:
        """Hear of nothing more."""
        if self._loop is not None:
            self._loop.remove_reader(self._socket.fileno())
            self._loop = None
        self._socket.close()
        self._path.unlink(missing_ok=True)

    def _take(self, on_datagram: OnDatagram) -> None:
        with contextlib.suppress(BlockingIOError):
            for _ in range(RELAYED_MAX):
                told, _, datagram = self._socket.recv(RELAYED_BYTES_MAX).partition(b"\n")
                host, *numbers = told.decode("latin-1").split(" ")
                on_datagram(datagram, (host, *map(int, numbers)))

    def _path_of(self, owner: int) -> Path:
        return self._folder / f"{PREFIX}{owner}.sock"

    def _remove_left(self) -> None:
        """Remove the sockets of processes that were killed."""
        for path in self._all():
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as probe:
                try:
                    probe.connect(str(path))
                except ConnectionRefusedError:
                    path.unlink(missing_ok=True)
                except OSError:
                    continue

    def _all(self) -> Iterator[Path]:
        return self._folder.glob(f"{PREFIX}*.sock")
