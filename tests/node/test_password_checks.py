"""Checks of passwords: bounded, shared by who wants the same, remembered until the hash changes."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from edgecache.config.htpasswd import Htpasswd
from edgecache.node.password_checks import EACH_MAX, WAITING_MAX, PasswordChecks
from edgecache.rules.viewer.basic_auth import BasicCredentials
from edgecache.rules.viewer.password_hashes import matches
from edgecache.runtime.environment import LoneThread

SHA1 = b"{SHA}W6ph5Mm5Pz8GgiULbPgzG37mj9g="  # of "password"
OTHER = b"{SHA}W6ph5Mm5Pz8GgiULbPgzG37mj9h="
STAFF = Htpasswd({b"a": SHA1}, SHA1)
GOOD, BAD = BasicCredentials(b"a", b"password"), BasicCredentials(b"a", b"guess")


class Held:
    """A thread that is let run by hand."""

    def __init__(self) -> None:
        self.waiting: list[tuple[Callable[[], bool], asyncio.Future[bool]]] = []

    def __call__(self, work: Callable[[], bool]) -> asyncio.Future[bool]:
        future: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        self.waiting.append((work, future))
        return future

    def work(self) -> None:
        waiting, self.waiting = self.waiting, []
        for work, future in waiting:
            future.set_result(work())


async def _turn() -> None:
    """One turn of the loop."""
    future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    asyncio.get_running_loop().call_soon(future.set_result, None)
    await future


async def settle() -> None:
    for _ in range(5):
        await _turn()


def test_a_result_is_remembered_until_the_hash_is_another() -> None:
    async def play() -> None:
        checks = PasswordChecks(LoneThread("password"), b"k" * 32)
        assert checks.known(STAFF, GOOD) is None
        await checks.check(STAFF, GOOD, "192.0.2.1")
        await checks.check(STAFF, BAD, "192.0.2.1")
        assert checks.known(STAFF, GOOD) is True
        assert checks.known(STAFF, BAD) is False
        changed = Htpasswd({b"a": OTHER}, OTHER)
        assert checks.known(changed, GOOD) is None
        await checks.check(changed, GOOD, "192.0.2.1")
        assert checks.known(changed, GOOD) is False
        assert checks.known(Htpasswd({}, b""), GOOD) is None
        assert len(checks) == 0
        assert checks.size_bytes == 600

    asyncio.run(play())


def test_nobody_is_let_in_by_the_hash_of_another() -> None:
    """The hash that strangers are checked against is somebody's, whose password may be known."""

    async def play() -> None:
        checks = PasswordChecks(LoneThread("password"), b"k" * 32)
        stranger = BasicCredentials(b"stranger", b"password")
        assert matches(stranger.password, STAFF.costliest)
        await checks.check(STAFF, stranger, "192.0.2.1")
        assert checks.known(STAFF, stranger) is False
        joined = Htpasswd({b"a": SHA1, b"stranger": SHA1}, SHA1)
        assert checks.known(joined, stranger) is None

    asyncio.run(play())


def test_who_wants_the_same_waits_for_one_check() -> None:
    async def play() -> None:
        thread = Held()
        checks = PasswordChecks(thread, b"k" * 32)
        waiting = [asyncio.create_task(checks.check(STAFF, GOOD, f"192.0.2.{n}")) for n in range(9)]
        await settle()
        assert len(thread.waiting) == len(checks) == 1
        waiting[0].cancel()  # who leaves takes nothing from the others
        thread.work()
        await asyncio.gather(*waiting[1:])
        assert checks.known(STAFF, GOOD) is True

    asyncio.run(play())


def test_a_client_and_all_clients_are_bounded() -> None:
    async def play() -> None:
        thread = Held()
        checks = PasswordChecks(thread, b"k" * 32)

        def guesses(address: str, count: int) -> list[asyncio.Task[None]]:
            return [
                asyncio.create_task(
                    checks.check(STAFF, BasicCredentials(b"a", f"{address} {n}".encode()), address)
                )
                for n in range(count)
            ]

        tasks = guesses("2001:db8::1", EACH_MAX) + guesses("2001:db8::2", EACH_MAX)
        await settle()
        assert len(thread.waiting) == EACH_MAX  # one network of IPv6 is one client
        for n in range(WAITING_MAX):
            tasks += guesses(f"192.0.2.{n}", 2)
        await settle()
        assert len(thread.waiting) == WAITING_MAX
        assert sum(task.done() for task in tasks) == len(tasks) - WAITING_MAX
        thread.work()
        await asyncio.gather(*tasks)
        assert len(checks) == 0

    asyncio.run(play())
