"""Delivery of log files: in time, again after a failure, by one process, to where they belong."""

from __future__ import annotations

import asyncio
import logging
from pathlib import Path

import pytest

from edgecache.config.model import Config, Logging
from edgecache.config.observation import LogBucket, LogDelivery
from edgecache.node.log_delivery import RETRY_S_MAX, LogRoute, log_routes
from edgecache.observe.log_spool import LATE_S, LogDestination
from tests.node.log_machine import BUCKET, WEB, Bucket, Machine, config, site, step
from tests.observe.test_log_spool import HEADER, line, record


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


def test_lines_go_where_their_distribution_says() -> None:
    logged = Logging(enabled=True, bucket="b", prefix="p", include_cookies=True)
    sites = (
        site("E1", logged),
        site("E2", Logging(enabled=False, bucket="b")),
        site("E3", Logging(enabled=True, bucket="unknown")),
    )
    delivery = LogDelivery(buckets=(LogBucket(bucket="b", folder="/b"),))
    assert log_routes(Config(distributions=sites, log_delivery=delivery)) == {
        "E1": LogRoute(LogDestination("b", "p"), cookies=True)
    }


@pytest.mark.parametrize(("cookies", "shown"), [(True, b"a=1"), (False, b"-")])
def test_records_are_spooled_for_who_wants_them(
    machine: Machine, cookies: bool, shown: bytes
) -> None:
    async def play() -> None:
        edge = machine.process(config(cookies=cookies))
        assert edge.shows_cookies is cookies
        assert edge.was_wanted
        records = [record(number, second=True, cookie=b"a=1") for number in range(3)]
        others = [record(4, second=False), record(5, second=True).replace(b"E1\t", b"E2\t")]
        edge.offer([records[0], *others, *records[1:]])
        machine.later(3_600 + LATE_S)
        await step(edge)
        ((key, body),) = machine.objects.items()
        assert key == "web/E1.2027-01-15-12"
        lines = [line.split(b"\t") for line in body.removeprefix(HEADER).splitlines()]
        assert [(line[7], line[12]) for line in lines] == [
            (b"/%d" % number, shown) for number in range(3)
        ]
        await edge.close()

    asyncio.run(play())


def test_a_file_is_delivered_when_its_hour_is_over(machine: Machine) -> None:
    async def play() -> None:
        edge = machine.process(config())
        edge.spool.write(WEB, "E1", [line(1)])
        machine.later(3_599)
        await step(edge)
        assert not machine.objects
        assert machine.waiting() == (0, 0)
        machine.later(1 + LATE_S)
        await step(edge)
        assert machine.objects == {"web/E1.2027-01-15-12": HEADER + line(1)}
        assert (machine.delivered(), machine.counters[0].log_lines_lost) == (1, 0)
        await step(edge)
        assert machine.buckets[BUCKET].tries == 1
        await edge.close()

    asyncio.run(play())


def test_a_store_that_fails_is_tried_later_each_time(
    machine: Machine, caplog: pytest.LogCaptureFixture
) -> None:
    async def play() -> None:
        edge = machine.process(config())
        bucket = machine.buckets[BUCKET]
        bucket.failures = ["500"] * 12
        edge.spool.write(WEB, "E1", [line(1)])
        machine.later(3_600 + LATE_S)
        waits = []
        while not bucket.objects:
            waited, tries = 0, bucket.tries
            while bucket.tries == tries:
                await step(edge)
                machine.later(1)
                waited += 1
            waits.append(waited)
            if not bucket.objects:
                assert machine.waiting()[0] == 1
        assert waits[:9] == [1, 1, 2, 4, 8, 16, 32, 64, 128]
        assert max(waits) <= RETRY_S_MAX + 1
        await step(edge)
        assert (machine.delivered(), machine.waiting()) == (1, (0, 0))
        await edge.close()

    with caplog.at_level(logging.WARNING):
        asyncio.run(play())
    assert [record.getMessage() for record in caplog.records] == [
        f"logs are not delivered to {BUCKET}: 500 (1 files wait)",
        f"logs are delivered to {BUCKET} again",
    ]


def test_a_file_that_is_refused_holds_up_no_other(machine: Machine) -> None:
    async def play() -> None:
        edge = machine.process(config(interval_s=60))
        for minute in range(3):
            edge.spool.write(WEB, "E1", [line(60 * minute)])
            machine.later(60 + LATE_S)
            edge.spool.close_due()
        machine.buckets[BUCKET].failures = ["400 KeyTooLong"]
        await step(edge)
        assert not machine.buckets[BUCKET].objects
        machine.later(1)
        await step(edge)
        bodies = [*machine.buckets[BUCKET].objects.values()]
        assert bodies == [HEADER + line(60), HEADER + line(120), HEADER + line(0)]
        await edge.close()

    asyncio.run(play())


def test_a_bucket_that_hangs_holds_up_no_other(machine: Machine) -> None:
    async def play() -> None:
        edge = machine.process(config(BUCKET, "other"))
        machine.buckets[BUCKET].held = asyncio.Event()
        edge.spool.write(WEB, "E1", [line(1)])
        edge.spool.write(LogDestination("other", ""), "E2", [line(1)])
        machine.later(3_600 + LATE_S)
        for _ in range(3):
            await asyncio.wait_for(edge.step(), 5)
        while not machine.buckets["other"].objects:
            await asyncio.create_task(edge.step())  # alone, where nothing waits, it lets nobody run
        assert machine.buckets[BUCKET].tries == 1
        await edge.close()
        assert not machine.buckets[BUCKET].objects

    asyncio.run(play())


def test_what_was_on_its_way_at_a_stop_is_delivered_by_the_next(machine: Machine) -> None:
    async def play() -> None:
        first = machine.process(config())
        machine.buckets[BUCKET].held = asyncio.Event()
        first.spool.write(WEB, "E1", [line(1)])
        machine.later(3_600 + LATE_S)
        await first.step()
        first.spool.write(WEB, "E1", [line(2, hour=13)])
        await first.close()
        machine.buckets[BUCKET].held = None
        second = machine.process(config())
        await step(second)
        assert machine.objects == {
            "web/E1.2027-01-15-12": HEADER + line(1),
            "web/E1.2027-01-15-13": HEADER + line(2, hour=13),
        }
        await second.close()

    asyncio.run(play())


def test_one_process_delivers_what_all_have_spooled(machine: Machine) -> None:
    async def play() -> None:
        edges = [machine.process(config()) for _ in range(3)]
        for number, edge in enumerate(edges):
            edge.spool.write(WEB, "E1", [line(number)])
        machine.later(3_600 + LATE_S)
        await step(*edges)
        await step(*edges)
        assert len(machine.buckets[BUCKET].objects) == machine.buckets[BUCKET].tries == 3
        assert [machine.delivered(number) for number in range(3)] == [3, 0, 0]
        edges[0].hand_over()
        edges[0].spool.write(WEB, "E1", [line(5, hour=13)])
        machine.later(3_600)
        await step(*edges)
        await step(*edges)
        assert [machine.delivered(number) for number in range(3)] == [3, 1, 0]
        for edge in edges:
            await edge.close()

    asyncio.run(play())


def test_what_finds_no_room_is_counted_as_lost(
    machine: Machine, caplog: pytest.LogCaptureFixture
) -> None:
    async def play() -> None:
        edge = machine.process(config(spool_bytes_max=0))
        edge.spool.write(WEB, "E1", [line(1), line(2)])
        machine.later(3_600 + LATE_S)
        await step(edge)
        assert (machine.counters[0].log_lines_lost, machine.delivered()) == (2, 0)
        await edge.close()

    with caplog.at_level(logging.WARNING):
        asyncio.run(play())
    assert [record.getMessage() for record in caplog.records] == [
        "log-delivery is full (0 bytes): its oldest files are dropped"
    ]


def test_a_bucket_that_is_configured_no_more_is_told_once_and_waits(
    machine: Machine, caplog: pytest.LogCaptureFixture
) -> None:
    async def play() -> None:
        edge = machine.process(config())
        edge.spool.write(WEB, "E1", [line(1)])
        machine.later(3_600 + LATE_S)
        edge.use(config("another"))
        await step(edge)
        await step(edge)
        assert machine.waiting()[0] == 1
        edge.use(config())
        await step(edge)
        assert machine.objects
        await edge.close()

    with caplog.at_level(logging.WARNING):
        asyncio.run(play())
    assert [record.getMessage() for record in caplog.records] == [
        f"logs are not delivered to {BUCKET}: no log_delivery.buckets has it (1 files wait)"
    ]


def test_another_place_for_a_bucket_counts_at_once(machine: Machine) -> None:
    async def play() -> None:
        edge = machine.process(config())
        machine.buckets[BUCKET].held = asyncio.Event()
        edge.spool.write(WEB, "E1", [line(1)])
        machine.later(3_600 + LATE_S)
        await edge.step()
        bucket = machine.buckets[BUCKET] = Bucket()
        moved = LogDelivery(buckets=(LogBucket(bucket=BUCKET, folder="/elsewhere"),))
        edge.use(Config(distributions=config().distributions, log_delivery=moved))
        await step(edge)
        assert bucket.objects
        await edge.close()

    asyncio.run(play())


def test_a_spool_that_cannot_be_used_is_told_once(
    machine: Machine, caplog: pytest.LogCaptureFixture
) -> None:
    machine.folder.write_text("in the way")

    async def play() -> None:
        edge = machine.process(config())
        edge.spool.write(WEB, "E1", [line(1)])
        await step(edge)
        await step(edge)
        assert machine.counters[0].log_lines_lost == 1
        await edge.close()

    with caplog.at_level(logging.WARNING):
        asyncio.run(play())
    assert len(caplog.records) == 1


def test_what_is_sure_to_be_missing_is_told_at_the_start(
    machine: Machine, caplog: pytest.LogCaptureFixture
) -> None:
    async def play() -> None:
        machine.buckets[BUCKET] = Bucket(["no key pair"] * 2, missing="no key pair")
        machine.buckets["unused"] = Bucket(missing="no such folder")
        edge = machine.process(config(BUCKET, "unused"))
        await step(edge)
        assert [record.getMessage() for record in caplog.records] == [
            f"logs are not delivered to {BUCKET}: no key pair"
        ]
        edge.spool.write(WEB, "E1", [line(1)])
        machine.later(3_600 + LATE_S)
        await step(edge)
        assert machine.buckets[BUCKET].tries == 1
        await edge.close()

    with caplog.at_level(logging.WARNING):
        asyncio.run(play())
    assert len(caplog.records) == 1


def test_a_defect_of_a_store_is_told_once_and_is_no_end(
    machine: Machine, caplog: pytest.LogCaptureFixture
) -> None:
    async def play() -> None:
        edge = machine.process(config())
        bucket = machine.buckets[BUCKET]
        bucket.defects = 2
        edge.spool.write(WEB, "E1", [line(1)])
        machine.later(3_600 + LATE_S)
        for _ in range(3):
            await step(edge)
            machine.later(2)
        assert bucket.objects
        await edge.close()

    with caplog.at_level(logging.WARNING):
        asyncio.run(play())
    assert [record.getMessage() for record in caplog.records] == [
        f"logs are not delivered to {BUCKET}: KeyError('a defect') (1 files wait)",
        f"logs are delivered to {BUCKET} again",
    ]
