"""A replay asks stores by keys, lifetimes and places as the configuration has them."""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import Any

import pytest
from msgspec.structs import replace

from edgecache.config.model import (
    Behavior,
    CachePolicy,
    Config,
    Distribution,
    HeaderSelection,
    Location,
    Origin,
    Selection,
)
from edgecache.control.replay.logged_requests import LoggedRequest
from edgecache.control.replay.simulation import Replay, ReplayResult, ReplaySettings
from edgecache.http.message import Response
from edgecache.store.entry import Entry
from edgecache.store.memory import MemoryStore
from edgecache.store.memory_account import divide_memory

MIB = 1024 * 1024
ALL = Selection(behavior="all")


def config(policy: CachePolicy = CachePolicy(), workers: int = 1) -> Config:  # noqa: B008
    site = Distribution(
        id="E1",
        aliases=("www.example.org",),
        origins=(Origin(id="o", domain_name="origin.example.org"),),
        default_behavior=Behavior(origin="o", cache_policy=policy),
        behaviors=(Behavior(path_pattern="/all/*", origin="o",
                            cache_policy=CachePolicy(query_strings=ALL)),),
    )  # fmt: skip
    location = Location(name="LHR50", listen="127.0.0.1:1", memory_bytes=64 * MIB, workers=workers)
    return Config(distributions=(site,), locations=(location,))


def logged(path: str, at: float = 0.0, **more: Any) -> LoggedRequest:
    stem, mark, query = path.partition("?")
    fields: dict[str, Any] = {
        "status": 200, "sent_bytes": 1_000, "host": b"www.example.org", "result": "Miss",
        "location": "LHR50", "query": query.encode() if mark else None,
    } | more  # fmt: skip
    return LoggedRequest(at, fields.pop("method", b"GET"), stem.encode(), **fields)


def replayed(
    requests: list[LoggedRequest], used: Config | None = None, **more: Any
) -> ReplayResult:
    run = Replay(used or config(), ReplaySettings(**more))
    for _ in run.run(requests):
        pass
    return run.result


@pytest.mark.parametrize(
    ("requests", "hits"),
    [
        ([logged("/a"), logged("/a")], 1),
        ([logged("/a"), logged("/b")], 0),
        ([logged("/a?x"), logged("/a?y")], 1),  # the query is in no key
        ([logged("/all/a?x"), logged("/all/a?y"), logged("/all/a?x")], 1),
        ([logged("/a", 0), logged("/a", 86_399)], 1),
        ([logged("/a", 0), logged("/a", 86_401), logged("/a", 86_402)], 1),  # expired, renewed
        ([logged("/a", method=b"POST"), logged("/a")], 0),
        ([logged("/a", method=b"HEAD"), logged("/a", method=b"HEAD")], 0),  # it stores no body
        ([logged("/a"), logged("/a", method=b"HEAD")], 1),
        ([logged("/a"), logged("/a", location="NRT57")], 0),
        ([logged("/a"), logged("/a", host=b"", site=b"d1.cloudfront.net")], 1),  # the only one
    ],
)
def test_what_is_a_hit(requests: list[LoggedRequest], hits: int) -> None:
    result = replayed(requests)
    assert result.total.requests == len(requests)
    assert result.total.hits_here == hits


def test_locations_may_be_taken_as_one() -> None:
    requests = [logged("/a"), logged("/a", location="NRT57")]
    assert replayed(requests, one_location=True).total.hits_here == 1


def test_counts_there_and_here_by_behavior() -> None:
    requests = [
        logged("/a"), logged("/a", result="Hit", sent_bytes=3_000), logged("/all/a"),
        logged("/a", result="Error", status=404), logged("/b", host=b"", result="Redirect"),
    ]  # fmt: skip
    result = replayed(requests)
    assert result.passed_over == {"Error": 1, "Redirect": 1}
    assert result.total.ratios() == {
        "requests_there": pytest.approx(1 / 3), "bytes_there": pytest.approx(3 / 5),
        "requests_here": pytest.approx(1 / 3), "bytes_here": pytest.approx(3 / 5),
    }  # fmt: skip
    assert {key: one.requests for key, one in result.behaviors.items()} == {
        ("E1", "*"): 2, ("E1", "/all/*"): 1,
    }  # fmt: skip


def test_hosts_that_nobody_has_are_told() -> None:
    two = config()
    other = replace(two.distributions[0], id="E2", aliases=("other.example.org",))
    two = replace(two, distributions=(*two.distributions, other))
    result = replayed([logged("/a", host=b"nobody.example.org")], two)
    assert result.nowhere == {"nobody.example.org": 1}
    assert result.total.requests == 0
    assert replayed([logged("/a", host=b"")], two, host=b"other.example.org").total.requests == 1


def test_time_that_goes_back_is_told() -> None:
    assert replayed([logged("/a", 10), logged("/b", 5), logged("/c", 6)]).backwards == 2


def test_keys_by_headers_that_a_log_has() -> None:
    policy = CachePolicy(headers=HeaderSelection(behavior="whitelist", items=("User-Agent",)))
    requests = [logged("/a", agent=b"x"), logged("/a", agent=b"y"), logged("/a", agent=b"x")]
    assert replayed(requests, config(policy)).total.hits_here == 1


def zipf(count: int) -> Iterator[str]:
    draw = random.Random(7)
    weights = [1 / (rank + 1) for rank in range(3_000)]
    yield from (f"/{one}" for one in draw.choices(range(3_000), weights, k=count))


@pytest.mark.parametrize(("memory_mib", "ttl"), [(8, 86_400), (4, 86_400), (8, 60), (4, 60)])
def test_a_replay_is_what_the_products_store_does(memory_mib: int, ttl: int) -> None:
    """The same requests put into the store itself, with entries and expiry as they are there."""
    policy = CachePolicy(ttl_s_min=0, ttl_s_default=ttl, ttl_s_max=ttl)
    paths = [*zipf(20_000)]
    sizes = {path: 500 + 37 * int(path[1:]) % 9_000 for path in set(paths)}
    store = MemoryStore(divide_memory(memory_mib * MIB).store_bytes)
    fresh: dict[str, float] = {}
    hits, requests = 0, []
    for number, path in enumerate(paths):
        now, size = number / 20, sizes[path]
        key = b"key of %b" % path.encode()
        entry = store.get(key, ())
        if entry is not None and now < fresh[path]:
            hits += 1
        else:
            fresh[path] = now + ttl
            if entry is None:
                head = Response(200, b"OK", ((b"content-length", b"%d" % size),), now, now)
                store.put(Entry(key=key, unpacked=head, body=bytes(size)))
        requests.append(logged(path, now, content_bytes=size))
    result = replayed(requests, config(policy), memory_bytes=memory_mib * MIB)
    assert result.total.hits_here / len(paths) == pytest.approx(hits / len(paths), abs=0.02)
