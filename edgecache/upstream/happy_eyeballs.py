"""Happy Eyeballs (RFC 8305): a connection to the first of several addresses that answers.

Law: an address that does not answer costs a quarter of a second, not the others.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Protocol, TypeVar

ATTEMPT_DELAY_S = 0.25  # RFC 8305 §8: the recommended Connection Attempt Delay


class Closable(Protocol):
    def close(self) -> None: ...


T = TypeVar("T", bound=Closable)


async def race(
    addresses: Sequence[str],
    connect: Callable[[str], Awaitable[T]],
    lost: Callable[[str], None],
) -> T:
    """The first connection to be there; OSError of the first address when none is.

    The next address is tried once one fails, or has had its delay. `lost` hears of those that
    failed, and of those that were begun before the one that won.
    """
    running: dict[asyncio.Task[T], str] = {}
    errors: list[OSError] = []
    left = list(addresses)
    try:
        while left or running:
            if left:
                address = left.pop(0)
                running[asyncio.ensure_future(_connect(connect, address))] = address
            delay = ATTEMPT_DELAY_S if left else None
            done, _ = await asyncio.wait(
                running, timeout=delay, return_when=asyncio.FIRST_COMPLETED
            )
            for task in [task for task in running if task in done]:
                error = task.exception()
                if error is None:
                    for other, address in running.items():
                        if other is task:
                            break
                        lost(address)
                    del running[task]
                    return task.result()
                lost(running.pop(task))
                if not isinstance(error, OSError):
                    raise error
                errors.append(error)
    finally:
        for task in running:
            task.add_done_callback(_close_late)
            task.cancel()
    raise errors[0]


async def _connect(connect: Callable[[str], Awaitable[T]], address: str) -> T:
    return await connect(address)


def _close_late(task: asyncio.Task[T]) -> None:
    """Close what came second."""
    if not task.cancelled() and task.exception() is None:
        task.result().close()
