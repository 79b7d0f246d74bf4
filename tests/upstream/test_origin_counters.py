"""What is counted of origins: answers, how late, faults, connections, circuits."""

from __future__ import annotations

import asyncio

from edgecache.observe.counters import Counters
from edgecache.observe.labeled_series import NAMES_MAX
from edgecache.upstream.circuit_breaker import CircuitLimits
from edgecache.upstream.endpoint import Endpoint
from edgecache.upstream.faults import Fault, UpstreamError
from edgecache.upstream.origin import OriginUpstream
from edgecache.upstream.origin_counters import OriginCounters
from edgecache.upstream.origin_guard import OriginGuard
from edgecache.upstream.pool import Pool
from tests.upstream.loopback import Run, answers, everything, failure, world
from tests.upstream.test_origin import call


def test_an_answer_is_counted_with_its_time_and_its_connection(run: Run) -> None:
    counters, ticks = Counters(), iter([1.0, 1.3])

    async def main() -> None:
        async with world(answers) as (pool, _, endpoint):
            counted = OriginCounters(counters, lambda: next(ticks))
            upstream = OriginUpstream(pool, counted=counted)
            await everything(await upstream.fetch(call(http_port=endpoint.port)))
            counted.measure(pool.connections_to_origins())
            sample, where = counters.snapshot(), f"127.0.0.1:{endpoint.port}"
            assert sample["words"]["origin_responses"] == {f"{where}\t2xx": 1}
            assert sample["histograms"][f"origin_first_byte\t{where}"]["sum"] == 1.3 - 1.0
            assert sample["gauges"][f"origin_connections\t{where}"] == 1
        counted.measure(pool.connections_to_origins())
        assert counters.snapshot()["gauges"][f"origin_connections\t{where}"] == 0

    run(main())


def test_an_open_circuit_is_told_until_it_closes(run: Run) -> None:
    counters = Counters()
    counted = OriginCounters(counters, lambda: 0.0)
    key = "origin_circuit_open\t127.0.0.1:80"

    def told() -> int:
        counted.measure(())
        return counters.snapshot()["gauges"].get(key, 0)

    async def refuses(_endpoint: Endpoint, _: object) -> asyncio.BaseTransport:
        raise ConnectionRefusedError

    async def main() -> None:
        upstream = OriginUpstream(Pool(refuses, lambda: 0.0), counted=counted)
        asked = call(
            circuit_breaker=True, circuit_failures=2, circuit_window_s=1, connection_attempts=1
        )
        faults, opened = [], []
        for _ in range(3):
            faults.append((await failure(upstream.fetch(asked))).fault)
            opened.append(told())
        assert faults == [Fault.REFUSED, Fault.REFUSED, Fault.OPEN]
        assert opened == [0, 1, 1]
        assert counters.snapshot()["words"]["origin_errors"] == {"127.0.0.1:80\tconnect-refused": 2}

    run(main())


def test_circuits_of_origins_beyond_the_bound_add_up() -> None:
    counters = Counters()
    counted = OriginCounters(counters, lambda: 0.0)
    for number in range(NAMES_MAX + 2):
        guard = OriginGuard(f"origin-{number}", lambda: 0.0, CircuitLimits(failures=1))
        guard.failed(UpstreamError(Fault.REFUSED, guard.where, sent=False))
        counted.failed(guard.where, Fault.REFUSED, guard)
    counted.measure(())
    assert counters.snapshot()["gauges"]["origin_circuit_open\tother"] == 2
