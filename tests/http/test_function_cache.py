"""What is remembered of messages: nothing by long ones, and all of it within a bound."""

from __future__ import annotations

import gc
import importlib
import pkgutil
import tracemalloc
from collections.abc import Callable
from functools import _lru_cache_wrapper

import pytest

import edgecache
from edgecache.http.cache_control import parse_directives
from edgecache.http.content_coding import accepted
from edgecache.http.function_cache import CONFIGURED_BYTES, REGISTERED, cached
from edgecache.http.head import parse_request_head
from edgecache.http.message import (
    REMEMBERED_BYTES_MAX,
    REMEMBERED_FIELDS_MAX,
    Fields,
    HeadLimits,
    Request,
    title_case,
)
from edgecache.http.structured_fields import parse_targeted
from edgecache.node.geoip import PLACE_BYTES, PLACES_MAX
from edgecache.rules.caching.freshness import response_directives
from edgecache.rules.viewer.access import with_passage
from edgecache.runtime.caches import CACHES
from edgecache.server.request_log import RequestSummary
from edgecache.store.memory_account import MemoryAccount, MemoryHolding

MIB = 1024 * 1024
WORST_BYTES_MAX = 74 * MIB
STRANGERS_BYTES_MAX = 62 * MIB
LONG: Fields = ((b"host", b"a"), (b"cookie", b"x" * REMEMBERED_BYTES_MAX))


def caches() -> dict[str, _lru_cache_wrapper[object]]:
    for module in pkgutil.walk_packages(edgecache.__path__, "edgecache."):
        if not module.name.endswith("__main__"):  # control reads nothing of viewers
            importlib.import_module(module.name)
    gc.unfreeze()  # what has been set aside is listed by nothing
    found = [one for one in gc.get_objects() if isinstance(one, _lru_cache_wrapper)]
    gc.freeze()
    return {
        f"{one.__module__}.{one.__qualname__}".removeprefix("edgecache."): one
        for one in found
        if one.__module__.startswith("edgecache.")
        and not one.__module__.startswith("edgecache.control.")
        and "<locals>" not in one.__qualname__
    }


def test_each_has_a_bound_and_all_together_have_one() -> None:
    found = caches()
    known = {id(cache): place_bytes for cache, place_bytes in REGISTERED}
    worst = configured = 0
    for name, cache in found.items():
        maxsize = cache.cache_parameters()["maxsize"]
        assert maxsize is not None, name
        place_bytes = known[id(cache)]
        worst += maxsize * place_bytes
        configured += maxsize * place_bytes * (place_bytes == CONFIGURED_BYTES)
    assert worst <= WORST_BYTES_MAX, f"{worst / MIB:.1f} MiB"
    assert worst - configured <= STRANGERS_BYTES_MAX, f"{(worst - configured) / MIB:.1f} MiB"


def test_the_table_of_caches_says_what_they_say() -> None:
    known = {id(cache): entry_bytes for cache, entry_bytes in REGISTERED}
    declared = {
        name: (cache.cache_parameters()["maxsize"], known[id(cache)])
        for name, cache in caches().items()
    }
    table = {row.name: (row.entries, row.entry_bytes) for row in CACHES}
    assert table.pop("node.geoip.lookup") == (PLACES_MAX, PLACE_BYTES)
    assert table == declared
    configured = [row for row in CACHES if row.entry_bytes == CONFIGURED_BYTES]
    worst = sum(row.bytes_max for row in CACHES) - PLACES_MAX * PLACE_BYTES
    assert worst <= WORST_BYTES_MAX, f"{worst / MIB:.1f} MiB"
    strangers = worst - sum(row.bytes_max for row in configured)
    assert strangers <= STRANGERS_BYTES_MAX, f"{strangers / MIB:.1f} MiB"


def test_a_cache_that_takes_the_place_of_another_is_counted_alone() -> None:
    before = len(REGISTERED)
    for _ in range(2):

        @cached(2, 10)
        def double(number: int) -> int:
            return 2 * number

    assert len(REGISTERED) == before + 1
    REGISTERED.pop()


SPELLED = "abcdefghijklmnopqrstuvwxyz0123456789"


def _fields(number: int) -> Fields:
    """As many and as long as are remembered; no two have a name in common."""
    each = REMEMBERED_BYTES_MAX // REMEMBERED_FIELDS_MAX - 9
    return tuple((b"x%04d-%02d" % (number, n), b"v" * each) for n in range(REMEMBERED_FIELDS_MAX))


def _head(number: int) -> bytes:
    lines = b"".join(b"%b: %b\r\n" % (name, value[2:-3]) for name, value in _fields(number)[2:])
    return b"GET /%d HTTP/1.1\r\nHost: a\r\n%b\r\n" % (number, lines)


def _members(number: int, bytes_max: int, end: str = "") -> bytes:
    """Short members, as many as are remembered."""
    members = [f"{one}{other}{end}" for one in SPELLED for other in SPELLED]
    text = f"d{number:03}{end}," + ",".join(members)
    return text[:bytes_max].rpartition(",")[0].encode()


_NO_SITE = ("", "")
DEAREST: dict[str, Callable[[int], object]] = {
    "server.request_log._logged_values": lambda n: RequestSummary.by(
        _asked(_fields(n)), _NO_SITE, 1
    ),
    "http.head._plain_block": lambda n: parse_request_head(_head(n), HeadLimits()),
    "rules.viewer.access._passed": lambda n: with_passage(_asked(_fields(n)), b"cdn"),
    "http.cache_control._parse": lambda n: parse_directives([_members(n, 256)]),
    "http.structured_fields._targeted": lambda n: parse_targeted([_members(n, 256, "=1")]),
    "http.content_coding._parse": lambda n: accepted(_members(n, 128)),
    "http.message._title_case": lambda n: title_case(b"x%04d-" % n + b"y" * 58),
}


@pytest.mark.parametrize("name", DEAREST)
def test_a_place_takes_no_more_than_it_says(name: str) -> None:
    cache, draw = caches()[name], DEAREST[name]
    (place_bytes,) = [size for one, size in REGISTERED if one is cache]
    cache.cache_clear()
    draw(999)
    tracemalloc.start()
    try:
        before, known = tracemalloc.get_traced_memory()[0], cache.cache_info().currsize
        for number in range(50):
            draw(number)
        size = tracemalloc.get_traced_memory()[0] - before
    finally:
        tracemalloc.stop()
    assert cache.cache_info().currsize == known + 50, "it is not remembered"
    assert size / 50 <= place_bytes


def test_what_is_remembered_is_taken_from_the_store() -> None:
    account = MemoryAccount(64 * MIB)
    told: list[int] = []
    account.make_way = told.append
    account.measure(MemoryHolding.REMEMBERED, 20 * MIB)
    account.measure(MemoryHolding.REMEMBERED, 20 * MIB)
    account.add(MemoryHolding.FILLS, MIB)
    assert told == [20 * MIB, 21 * MIB]
    assert (account.total, account.waits) == (MIB, False)  # it has a bound: nobody need wait
    account.add(MemoryHolding.FILLS, -MIB)
    account.check()


def _asked(fields: Fields) -> Request:
    return Request(b"GET", b"/", None, fields, b"a")


CHOSEN_BY_FEW = {"rules.caching.freshness._directive_names", "rules.caching.freshness._said_names"}
LOOKS: dict[str, Callable[[Fields], object]] = {
    "name": lambda fields: title_case(fields[1][1]),
    "passages": lambda fields: with_passage(_asked(fields), b"cdn"),
    "directives": lambda fields: response_directives(((b"cache-control", fields[1][1]),), ()),
    "log": lambda fields: RequestSummary.by(_asked(fields), _NO_SITE, 1),
}


@pytest.mark.parametrize("look", LOOKS)
def test_nothing_is_remembered_by_a_long_message(look: str) -> None:
    known = {name: cache.cache_info().currsize for name, cache in caches().items()}
    LOOKS[look](LONG)
    for name, cache in caches().items():
        assert name in CHOSEN_BY_FEW or cache.cache_info().currsize <= known[name], name
