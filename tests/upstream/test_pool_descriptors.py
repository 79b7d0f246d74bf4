"""A pool where descriptors run out."""

from __future__ import annotations

import asyncio

from msgspec.structs import replace

from edgecache.upstream.faults import Fault
from tests.upstream.loopback import (
    GET,
    Run,
    answers_when_let,
    everything,
    failure,
    open_connections,
    until,
    world,
)


def test_without_descriptors_nothing_is_opened_but_in_place_of_one_at_rest(run: Run) -> None:
    async def main() -> None:
        async with world(answers_when_let) as (pool, origin, endpoint):
            origin.gate.set()
            await everything(await pool.send(endpoint, GET))
            pool.may_open = lambda: False
            other = replace(endpoint, idle_s=1)  # shares no connections with the first
            await everything(await pool.send(other, GET))
            assert origin.connections == 2
            await until(lambda: open_connections(pool) == 1)
            origin.gate.clear()
            at_work = asyncio.create_task(pool.send(other, GET))
            await origin.until(lambda: origin.requests == 3)
            refused = await failure(pool.send(endpoint, GET))
            assert (refused.fault, pool.places) == (Fault.BUSY, 1)
            origin.gate.set()
            await everything(await at_work)

    run(main())
