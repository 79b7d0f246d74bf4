"""Changes as they are listed, and what a configuration changed: never a secret of it."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any

import pytest
from msgspec import inspect, json
from msgspec.structs import replace

from edgecache.config.model import Behavior, Config, Distribution, Origin
from edgecache.control.state.changes import (
    DIFFERENCES_MAX,
    MASKED,
    MASKED_MAPS,
    VALUE_CHARS_MAX,
    Changes,
    Difference,
    NoDifferenceError,
    differences,
)
from edgecache.control.state.database import Authorship, StateDatabase
from edgecache.control.state.log import CONFIGS_KEPT, ControlLog, publish_config
from tests.control.conftest import Opener

BY_ANN = Authorship("ann", "x")
SHOWN = {
    "tags", "trusted_signers", "cache_control_rules",
    "secret_headers",  # where a value stands, `env:NAME`, not what it is
    "otlp_headers",  # the same
    "origin_map",  # addresses, without users
    "server_addresses", "latencies", "cidr_collections",  # DNS: places and networks
}  # fmt: skip


@pytest.fixture
def state(opened: Opener) -> Iterator[StateDatabase]:
    state = opened()
    yield state
    state.close()


def config(comment: str = "", **headers: str) -> Config:
    origin = Origin(id="o", domain_name="o.test", custom_headers=headers)
    behavior = Behavior(origin="o")
    site = Distribution(id="E1", comment=comment, origins=(origin,), default_behavior=behavior)
    return Config(distributions=(site,))


def test_the_newest_are_listed_first_a_page_at_a_time(state: StateDatabase) -> None:
    ticks = itertools.count(100)
    log = ControlLog(state, lambda: float(next(ticks)))
    for author in ("ann", "bob", "ann"):
        log.append("invalidation", {}, None, Authorship(author, "clear"))
    changes = Changes(state)
    first = changes.page(0, "", 2)
    assert [(one.seq, one.author, one.at) for one in first] == [(3, "ann", 102), (2, "bob", 101)]
    assert [one.seq for one in changes.page(2, "", 2)] == [1]
    assert [one.seq for one in changes.page(0, "ann", 9)] == [3, 1]
    assert changes.get(2) == first[1]
    assert changes.get(4) is None


def test_a_configuration_is_compared_with_the_one_before(state: StateDatabase) -> None:
    log = ControlLog(state, lambda: 0.0)
    changes = Changes(state)
    publish_config(log, config("one"), BY_ANN)
    log.append("invalidation", {})
    seq = publish_config(log, config("two"), BY_ANN)
    change = changes.get(seq)
    assert change is not None
    path = "distributions[E1].comment"
    assert changes.differences(change) == ([Difference(path, '"one"', '"two"')], True)


@pytest.mark.parametrize(
    ("number", "reason"),
    [
        (2, "number 2 changed nothing that nodes are told of"),
        (1, "configuration 1 is not kept any more"),
        (3, "no configuration before 3 is kept"),
    ],
)
def test_what_cannot_be_compared_is_told(state: StateDatabase, number: int, reason: str) -> None:
    log = ControlLog(state, lambda: 0.0)
    publish_config(log, config("0"))
    log.append("invalidation", {})
    for n in range(1, CONFIGS_KEPT + 1):
        publish_config(log, config(str(n)))
    changes = Changes(state)
    change = changes.get(number)
    assert change is not None
    with pytest.raises(NoDifferenceError, match=reason):
        changes.differences(change)


def test_many_differences_are_cut(state: StateDatabase) -> None:
    log = ControlLog(state, lambda: 0.0)
    publish_config(log, config())
    site = config().distributions[0]
    more = tuple(replace(site, id=f"E{n}") for n in range(DIFFERENCES_MAX))
    seq = publish_config(log, Config(distributions=more))
    changes = Changes(state)
    change = changes.get(seq)
    assert change is not None
    found, whole = changes.differences(change)
    assert (len(found), whole) == (DIFFERENCES_MAX, False)


def as_published(config: Config) -> Any:
    return json.decode(json.encode(config))


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        ({"a": 1}, {"a": 1}, []),
        ({}, {"a": {"b": [1, 2]}}, [("a.b", None, "[1,2]")]),
        ({"a": {"b": 1}}, {}, [("a.b", "1", None)]),
        ({"d": [{"id": "E1", "n": 1}]}, {"d": [{"id": "E2", "n": 1}]},
         [("d[E1].id", '"E1"', None), ("d[E1].n", "1", None),
          ("d[E2].id", None, '"E2"'), ("d[E2].n", None, "1")]),
        ({"b": [{"path_pattern": "/a/*", "t": 1}, {"path_pattern": "*.png"}]},
         {"b": [{"path_pattern": "*.png"}, {"path_pattern": "/a/*", "t": 2}]},
         [("b[/a/*].t", "1", "2"), ("b (order)", '["[/a/*]","[*.png]"]', '["[*.png]","[/a/*]"]')]),
        ({"b": [{"t": 1}, {"t": 2}]}, {"b": [{"t": 1}, {"t": 3}]}, [("b[1].t", "2", "3")]),
        ({"a": None}, {"a": []}, [("a", None, "[]")]),
        ({"a": [1]}, {"a": {"b": 1}}, [("a", "[1]", '{"b":1}')]),
        ({"a": ""}, {"a": "x" * 500}, [("a", '""', '"' + "x" * (VALUE_CHARS_MAX - 2) + "…")]),
    ],
)  # fmt: skip
def test_differences_are_told_by_place(before: Any, after: Any, expected: list[Any]) -> None:
    found = [(one.path, one.before, one.after) for one in differences(before, after)]
    assert found == expected


def test_no_secret_is_shown() -> None:
    """That one changed is."""
    place = "distributions[E1].origins[o].custom_headers"
    before, after = as_published(config(A="hush-1")), as_published(config(A="hush-2", B="hush-3"))
    found = [*differences(before, after)]
    assert [(one.path, one.before, one.after) for one in found] == [
        (f"{place}.A", "(not shown)", "(not shown)"),
        (f"{place}.B", None, "(not shown)"),
    ]
    for pair in (
        (None, after),
        (after, None),
        ({"a": [before]}, {"a": [after, before]}),
        ({"a": [1, [before]]}, {"a": [2, [after]]}),
    ):
        assert "hush" not in str([*differences(*pair)])


@pytest.mark.parametrize(
    "name",
    ["password", "password_hash", "hashes", "client_secret", "secrets", "api_token",
     "secret_access_key", "request_headers", "kept"],
)  # fmt: skip
def test_members_of_such_names_are_not_shown(name: str) -> None:
    (one,) = differences({"x": {name: ["hush"]}}, {"x": {name: ["hush", "hush"]}})
    assert (one.before, one.after) == ("(not shown)", "(not shown)")


def test_every_map_of_texts_of_the_configuration_is_shown_or_is_not() -> None:
    """A new one may hold what an origin trusts: whoever adds it says whether it is shown."""
    seen: set[object] = set()

    def maps(type: Any, path: str) -> Iterator[str]:
        if isinstance(type, inspect.StructType) and type.cls not in seen:
            seen.add(type.cls)
            for field in type.fields:
                yield from maps(field.type, f"{path}.{field.name}")
        elif isinstance(type, inspect.VarTupleType | inspect.ListType):
            yield from maps(type.item_type, path)
        elif isinstance(type, inspect.UnionType):
            for each in type.types:
                yield from maps(each, path)
        elif isinstance(type, inspect.DictType):
            yield path

    found = [*maps(inspect.type_info(Config), "")]
    assert len(found) > 5
    for path in found:
        assert {*path.split(".")} & (MASKED | MASKED_MAPS | SHOWN), path


def test_what_a_store_holds_is_not_shown_and_names_of_fields_are() -> None:
    before = {"key_value_stores": [{"name": "S", "items": {"k": "one"}}], "items": ["a"]}
    after = {"key_value_stores": [{"name": "S", "items": {"k": "two"}}], "items": ["b"]}
    told = {one.path: (one.before, one.after) for one in differences(before, after)}
    assert told["items"] == ('["a"]', '["b"]')
    (store,) = (values for path, values in told.items() if path.startswith("key_value_stores"))
    assert "two" not in str(store)
    assert "one" not in str(store)
