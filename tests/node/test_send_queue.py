"""What is on its way to a receiver: batches, tries, what is lost, and what does not last."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Sequence

from edgecache.node.send_queue import (
    BATCH_BYTES,
    RETRIES_MAX,
    RETRY_S_MAX,
    WAITING_BYTES_MAX,
    SendQueue,
    SendWorld,
    StreamError,
)


class Receiver:
    """Fails as it is told to; what it took is in `batches`."""

    def __init__(self, *failures: Exception) -> None:
        self.failures = [*failures]
        self.batches: list[int] = []
        self.tries = 0
        self.asked = asyncio.Event()
        self.waits: asyncio.Event | None = None

    async def send(self, pieces: Sequence[bytes]) -> None:
        """See `BatchReceiver`."""
        self.tries += 1
        self.asked.set()
        if self.waits is not None:
            await self.waits.wait()
        if self.failures:
            raise self.failures.pop(0)
        self.batches.append(sum(map(len, pieces)))

    async def close(self) -> None:
        """See `BatchReceiver`."""


def queue(receiver: Receiver) -> tuple[SendQueue, Counter[str], list[float]]:
    counted: Counter[str] = Counter()
    pauses: list[float] = []

    async def pause(seconds: float) -> None:
        pauses.append(seconds)

    world = SendWorld(pause, lambda: 1.0, lambda what, count: counted.update({what: count}))
    return SendQueue("spans", "there", receiver, world), counted, pauses


def test_what_will_never_be_taken_is_tried_once() -> None:
    async def scene() -> None:
        receiver = Receiver(StreamError("answered 400", lasting=True))
        made, counted, pauses = queue(receiver)
        made.put(b"a")
        made.step()
        await made.sent()
        assert (counted["lost"], receiver.tries, pauses) == (1, 1, [])
        made.put(b"b")
        made.step()
        await made.sent()
        assert (counted["sent"], made.problem) == (1, "")

    asyncio.run(scene())


def test_a_batch_is_bounded_and_so_are_the_waits() -> None:
    async def scene() -> None:
        receiver = Receiver(*[StreamError("no")] * (RETRIES_MAX + 1))
        made, counted, pauses = queue(receiver)
        made.put(b"a")
        made.step()
        await made.sent()
        assert counted["lost"] == 1
        assert max(pauses) <= RETRY_S_MAX
        for _ in range(3):
            made.put(b"a" * (BATCH_BYTES - 1))
        await made.close()
        assert max(receiver.batches) < 2 * BATCH_BYTES
        assert sum(receiver.batches) == 3 * (BATCH_BYTES - 1)

    asyncio.run(scene())


def test_who_hangs_costs_what_has_no_room_and_nothing_else() -> None:
    async def scene() -> None:
        receiver = Receiver()
        receiver.waits = asyncio.Event()
        made, counted, _ = queue(receiver)
        piece = b"a" * 65_536
        made.put(piece)
        made.step()
        await receiver.asked.wait()
        for _ in range(199):
            made.put(piece)
            made.step()
        assert receiver.tries == 1
        assert made.size_bytes <= WAITING_BYTES_MAX
        assert 200 - WAITING_BYTES_MAX // 65_536 - 17 <= counted["lost"] < 200
        receiver.waits.set()
        await made.close()
        assert counted["lost"] + counted["sent"] == 200
        assert made.size_bytes == 0

    asyncio.run(scene())


def test_what_waits_for_who_is_gone_is_lost() -> None:
    async def scene() -> None:
        made, counted, _ = queue(Receiver())
        made.put(b"a")
        made.lose(2)
        made.drop()
        assert counted["lost"] == 3

    asyncio.run(scene())
