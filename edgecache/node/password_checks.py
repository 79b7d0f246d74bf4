"""Checks of passwords: in a thread of their own, few at once, their results remembered.

Law: what strangers can make us do is bounded: one check at a time, `WAITING_MAX` that wait, and
`EACH_MAX` of one client; who comes beyond is told to come again. A result is remembered by a keyed
digest of the hash and what was checked against it, never by a password; a file that changed has
other hashes, so what was concluded from the former ones is never asked for again. What is right and
what is wrong stands apart: who guesses pushes out nobody who knows.
"""

from __future__ import annotations

import asyncio
import hmac
from collections.abc import Awaitable, Callable
from functools import partial

from cachetools import LRUCache

from edgecache.config.htpasswd import Htpasswd
from edgecache.rules.viewer.basic_auth import BasicCredentials, hash_to_check
from edgecache.rules.viewer.client_shares import ClientShares, client_network
from edgecache.rules.viewer.password_hashes import matches

WAITING_MAX = 64  # of bcrypt's default cost a third of a second's work
EACH_MAX = 4  # a browser opens six connections, with the same credentials: that is one
REMEMBERED_MAX = 10_000  # of either kind: as many as a file may have users
RESULT_BYTES = 200  # a digest, with its place in the table

Run = Callable[[Callable[[], bool]], Awaitable[bool]]


class PasswordChecks:
    """Passwords of one process. `key` is random, and nobody else's."""

    def __init__(self, run: Run, key: bytes) -> None:
        self._run = run
        self._key = key
        self._right: LRUCache[bytes, None] = LRUCache(REMEMBERED_MAX)
        self._wrong: LRUCache[bytes, None] = LRUCache(REMEMBERED_MAX)
        self._under_way: dict[bytes, asyncio.Task[None]] = {}
        self._shares = ClientShares()

    def known(self, users: Htpasswd, given: BasicCredentials) -> bool | None:
        """Whether the credentials are good, as far as that is known; None when it is not."""
        hashed, own = hash_to_check(users, given)
        digest = self._digest(hashed, given, own=own)
        if digest in self._right:
            self._right[digest] = None  # met last
            return True
        return False if digest in self._wrong else None

    async def check(self, users: Htpasswd, given: BasicCredentials, address: str) -> None:
        """Come to know it; at once, without, where as many checks wait as may."""
        hashed, own = hash_to_check(users, given)
        digest = self._digest(hashed, given, own=own)
        task = self._under_way.get(digest)
        if task is None:
            network = client_network(address)
            room = self._shares.total < WAITING_MAX
            if not room or not self._shares.take(network, EACH_MAX):
                return
            work = partial(matches, given.password, hashed)
            task = asyncio.get_running_loop().create_task(self._checked(digest, work, network, own))
            self._under_way[digest] = task
        await asyncio.shield(task)  # others may wait for it, too

    async def _checked(
        self, digest: bytes, work: Callable[[], bool], network: str, own: bool
    ) -> None:
        try:
            good = await self._run(work)
            (self._right if good and own else self._wrong)[digest] = None
        finally:
            self._shares.give_back(network)
            del self._under_way[digest]

    def _digest(self, hashed: bytes, given: BasicCredentials, *, own: bool) -> bytes:
        """Injective: no hash has a line end, and no user or password a control byte."""
        owner = b"own" if own else b""
        return hmac.digest(self._key, b"\n".join((owner, hashed, *given)), "sha256")

    @property
    def size_bytes(self) -> int:
        """About what is remembered, in bytes."""
        return (len(self._right) + len(self._wrong)) * RESULT_BYTES

    def __len__(self) -> int:
        """How many are under way."""
        return self._shares.total
