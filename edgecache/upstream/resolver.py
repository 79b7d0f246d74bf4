"""Name resolver of origins: cached addresses, look-ups in threads of their own.

Law: who asks for a name waits for no other's look-up.

An answer is remembered for a time of our own, since `getaddrinfo` tells none (nginx's
`resolver valid=`, Envoy's `dns_refresh_rate`), and while a resolver fails or hangs the last good
one counts on. One look-up for a name is shared by all who ask.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import threading
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, field
from ipaddress import ip_address

from cachetools import LRUCache

from edgecache.config.model import Resolver

LOOKUPS_MAX = 64  # at once; beyond that a name that is not known fails at once

LookUp = Callable[[str], Awaitable[tuple[str, ...]]]
"""The addresses of a name, in the order to try them. socket.gaierror; it may take for ever."""


def system_addresses(host: str) -> tuple[str, ...]:
    """What the machine's resolver says, in the order of RFC 6724. Blocks."""
    found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    return tuple(dict.fromkeys(str(address[0]) for *_, address in found))


class LookupThreads:
    """A `LookUp` with a thread for each look-up, and a bound on how many there are.

    `getaddrinfo` cannot be given up, and the pool of threads that loops share is soon full of it:
    one that hangs holds its thread, and no other's.
    """

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
            loop.call_soon_threadsafe(_deliver, future, found)


def _deliver(future: asyncio.Future[tuple[str, ...]], found: tuple[str, ...] | Exception) -> None:
    if future.done():
        return
    if isinstance(found, Exception):
        future.set_exception(found)
    else:
        future.set_result(found)


NAMES_MAX = 10_000  # 500 distributions of 25 origins (CloudFront's quotas), less what they share
RETRY_S = 1.0  # between look-ups of a name that fail
AHEAD = 10  # times its age: until then an answer is used while it is looked up anew
WAIT_S = 1.0  # for a look-up, where a former answer could do
LOST_S = 60.0  # for so long an address that failed comes last


@dataclass(slots=True)
class _Answer:
    """What is known of a name; no addresses and an error when nothing ever was."""

    addresses: tuple[str, ...] = ()
    looked_up_at: float = float("-inf")
    fresh_until: float = float("-inf")
    doubted: bool = False  # nobody answered at them
    error: Exception | None = None
    lost_until: dict[str, float] = field(default_factory=dict)  # by address


@dataclass(slots=True)
class _Flight:
    """A look-up under way."""

    task: asyncio.Future[None]
    began_at: float


class NameResolver:
    """Addresses of names. `look_up` asks a resolver; `clock` gives seconds that never step back."""

    def __init__(
        self, look_up: LookUp, clock: Callable[[], float], settings: Resolver | None = None
    ) -> None:
        self._look_up = look_up
        self._clock = clock
        self._settings = settings or Resolver()
        self._answers: LRUCache[str, _Answer] = LRUCache(NAMES_MAX)
        self._flights: dict[str, _Flight] = {}

    async def addresses(self, host: str) -> tuple[str, ...]:
        """Where to try to reach `host`, in order. socket.gaierror, UnicodeError."""
        if _is_address(host):
            return (host,)
        answer = self._answers.get(host)
        if answer is None:
            answer = self._answers[host] = _Answer()
        now = self._clock()
        if now >= answer.fresh_until:
            await self._renewed(host, answer, now)
        if not self._usable(answer):
            error = answer.error or socket.gaierror(socket.EAI_AGAIN, "no answer in time")
            raise _error_anew(error)
        return interleave(answer.addresses, _recently_failed(answer, self._clock()))

    def failed(self, host: str, address: str) -> None:
        """An address was slower than another, or nobody answered there: it comes last now."""
        answer = self._answers.get(host)
        if answer is not None and address in answer.addresses:
            answer.lost_until[address] = self._clock() + LOST_S

    def unreachable(self, host: str) -> None:
        """Nobody answered at any address of a name: it may have moved."""
        answer = self._answers.get(host)
        if answer is not None and self._clock() - answer.looked_up_at >= RETRY_S:
            answer.doubted, answer.fresh_until = True, float("-inf")

    async def _renewed(self, host: str, answer: _Answer, now: float) -> None:
        """Look up, and wait as long as there is nothing better to do."""
        flight = self._flights.get(host)
        if flight is None:
            flight = self._flights[host] = self._begin(host, answer, now)
        usable = self._usable(answer)
        ahead = now - answer.looked_up_at < AHEAD * self._settings.answer_s_max
        if usable and ahead and not answer.doubted:
            return
        if not usable:
            await asyncio.shield(flight.task)
        elif now - flight.began_at < WAIT_S:
            await asyncio.wait({flight.task}, timeout=WAIT_S)

    def _begin(self, host: str, answer: _Answer, now: float) -> _Flight:
        return _Flight(asyncio.ensure_future(self._looked_up(host, answer)), now)

    async def _looked_up(self, host: str, answer: _Answer) -> None:
        try:
            found = await self._look_up(host)
        except (OSError, UnicodeError) as error:
            answer.error, answer.fresh_until = error, self._clock() + RETRY_S
        else:
            now = self._clock()
            answer.addresses, answer.looked_up_at = found, now
            answer.fresh_until = now + self._settings.answer_s_max
            answer.doubted, answer.error = False, None
        finally:
            del self._flights[host]

    def _usable(self, answer: _Answer) -> bool:
        age = self._clock() - answer.looked_up_at
        # What need not be looked up anew yet counts, however short a last good answer would.
        age_max = max(self._settings.answer_s_max, self._settings.last_good_s_max)
        return bool(answer.addresses) and age < age_max


def interleave(addresses: Iterable[str], lost: frozenset[str] = frozenset()) -> tuple[str, ...]:
    """Addresses as they are tried: families by turns (RFC 8305 §4), those that lost at the end."""
    first: list[str] = []
    other: list[str] = []
    given = list(addresses)
    for address in given:
        (first if (":" in address) == (":" in given[0]) else other).append(address)
    mixed: list[str] = []
    for place in range(max(len(first), len(other))):
        mixed += first[place : place + 1] + other[place : place + 1]
    return tuple(sorted(mixed, key=lambda address: address in lost))


def _recently_failed(answer: _Answer, now: float) -> frozenset[str]:
    if answer.lost_until:
        kept = {a: until for a, until in answer.lost_until.items() if now < until}
        answer.lost_until = kept
    return frozenset(answer.lost_until)


def _error_anew(error: Exception) -> Exception:
    """An error for one who asks: raised twice, one would gather both their tracebacks."""
    return type(error)(*error.args)


def _is_address(host: str) -> bool:
    try:
        ip_address(host)
    except ValueError:
        return False
    return True
