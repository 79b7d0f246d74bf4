"""Look-ups of names in threads of their own. Law: one that hangs holds its thread, and no other's.

`getaddrinfo` cannot be given up, and the pool of threads that loops share is soon full of it.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import threading
from collections.abc import Awaitable, Callable

LOOKUPS_MAX = 64  # at once; beyond that a name that is not known fails at once

LookUp = Callable[[str], Awaitable[tuple[str, ...]]]
"""The addresses of a name, in the order to try them. socket.gaierror; it may take for ever."""


def system_addresses(host: str) -> tuple[str, ...]:
    """What the machine's resolver says, in the order of RFC 6724. Blocks."""
    found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    return tuple(dict.fromkeys(str(address[0]) for *_, address in found))


class LookupThreads:
    """A `LookUp` that has a thread for each look-up, and a bound on how many there are."""

    def __init__(
        self,
        addresses: Callable[[str], tuple[str, ...]] = system_addresses,
        lookups_max: int = LOOKUPS_MAX,
    ) -> None:
        self._addresses = addresses
        self._free = threading.BoundedSemaphore(lookups_max)

    def __call__(self, host: str) -> asyncio.Future[tuple[str, ...]]:
        loop = asyncio.get_running_loop()
        future: asyncio.Future[tuple[str, ...]] = loop.create_future()
        if not self._free.acquire(blocking=False):
            future.set_exception(socket.gaierror(socket.EAI_AGAIN, "too many look-ups hang"))
            return future
        # A daemon: the end of the process does not wait for a resolver.
        thread = threading.Thread(target=self._run, args=(host, loop, future), daemon=True)
        try:
            thread.start()
        except RuntimeError:  # the machine has no thread to give
            self._free.release()
            future.set_exception(socket.gaierror(socket.EAI_AGAIN, "no thread for a look-up"))
        return future

    def _run(
        self, host: str, loop: asyncio.AbstractEventLoop, future: asyncio.Future[tuple[str, ...]]
    ) -> None:
        found: tuple[str, ...] | Exception
        try:
            found = self._addresses(host)
        except Exception as error:  # UnicodeError, too: a label no name may have
            found = error
        self._free.release()
        with contextlib.suppress(RuntimeError):  # the loop is closed: nobody waits
            loop.call_soon_threadsafe(_settle, future, found)


def _settle(future: asyncio.Future[tuple[str, ...]], found: tuple[str, ...] | Exception) -> None:
    if future.done():
        return
    if isinstance(found, Exception):
        future.set_exception(found)
    else:
        future.set_result(found)
