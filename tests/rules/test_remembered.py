"""What is remembered of messages: nothing by long ones, and all of it within a bound."""

from __future__ import annotations

import gc
import importlib
import pkgutil
from collections.abc import Callable
from functools import _lru_cache_wrapper

import pytest

import edgecache
from edgecache.http.fields import title_case
from edgecache.http.message import REMEMBERED_BYTES_MAX, Fields, Request, names_in
from edgecache.rules.freshness import response_directives
from edgecache.rules.quotas import passed
from edgecache.server.telling import Asked

KIB, MIB = 1024, 1024 * 1024
BLOCK = 2 * REMEMBERED_BYTES_MAX  # fields as a key, and as much as a conclusion
CONFIGURED = 1_000  # what only a configuration chooses
# The bytes that one place of each takes at worst: where strangers choose, longer keys are refused.
PLACES = {
    "http.cache_control._parse": 2 * KIB,
    "http.dates._four_digit_year": 200,
    "http.dates._format": 200,
    "http.encodings._parse": KIB,
    "http.fields._title_case": 300,
    "http.head._plain_block": BLOCK,
    "http.head._plain_line": 2 * KIB,
    "http.message._names": BLOCK,
    "http.structured._targeted": 2 * KIB,
    "http.target.authority": 700,
    "observe.access_log._joined": 4 * KIB,
    "rules.cors._compiled": CONFIGURED,
    "rules.cors._stars": CONFIGURED,
    "rules.forwarding._forwarded_fields": BLOCK,
    "rules.freshness._assessed": 2 * KIB,
    "rules.freshness._binding": 2 * KIB,
    "rules.freshness._directive_names": CONFIGURED,
    "rules.freshness._said_names": CONFIGURED,
    "rules.keys._name_patterns": CONFIGURED,
    "rules.keys._start": CONFIGURED,
    "rules.keys.lower_names": CONFIGURED,
    "rules.live_invalidations._expression": CONFIGURED,
    "rules.quotas._passed": BLOCK,
    "rules.sigv4._signing_key": CONFIGURED,
    "server.telling._said": BLOCK,
    "upstream.dressing._endpoint": CONFIGURED,
    "upstream.dressing._form": BLOCK,
    "upstream.peer_heads.said_by": BLOCK,
    "upstream.peer_heads.standing_lines": BLOCK,
}
WORST_BYTES_MAX = 160 * MIB
LONG: Fields = ((b"host", b"a"), (b"cookie", b"x" * REMEMBERED_BYTES_MAX))


def caches() -> dict[str, _lru_cache_wrapper[object]]:
    for module in pkgutil.walk_packages(edgecache.__path__, "edgecache."):
        if not module.name.endswith("__main__"):  # control reads nothing of viewers
            importlib.import_module(module.name)
    found = [one for one in gc.get_objects() if isinstance(one, _lru_cache_wrapper)]
    return {
        f"{one.__module__}.{one.__qualname__}".removeprefix("edgecache."): one
        for one in found
        if one.__module__.startswith("edgecache.")
        and not one.__module__.startswith("edgecache.control.")
        and "<locals>" not in one.__qualname__
    }


def test_each_has_a_bound_and_all_together_have_one() -> None:
    found = caches()
    assert set(found) == set(PLACES)
    worst = 0
    for name, cache in found.items():
        maxsize = cache.cache_parameters()["maxsize"]
        assert maxsize is not None, name
        worst += maxsize * PLACES[name]
    assert worst <= WORST_BYTES_MAX, f"{worst / MIB:.0f} MiB"


def _asked(fields: Fields) -> Request:
    return Request(b"GET", b"/", None, fields, b"a")


LOOKS: dict[str, Callable[[Fields], object]] = {
    "names": names_in,
    "name": lambda fields: title_case(fields[1][1]),
    "passages": lambda fields: passed(_asked(fields), b"cdn"),
    "directives": lambda fields: response_directives(((b"cache-control", fields[1][1]),), ()),
    "log": lambda fields: Asked.by(_asked(fields), "site", 1),
}


@pytest.mark.parametrize("look", LOOKS)
def test_nothing_is_remembered_by_a_long_message(look: str) -> None:
    known = {name: cache.cache_info().currsize for name, cache in caches().items()}
    LOOKS[look](LONG)
    for name, cache in caches().items():
        assert PLACES[name] == CONFIGURED or cache.cache_info().currsize <= known[name], name
