"""Key value stores of a file: what they hold, their names and quotas, and who reads them."""

from __future__ import annotations

import pytest

from edgecache.config.checks.functions import check_key_value_stores
from edgecache.config.functions import FunctionConfig
from edgecache.config.key_value_stores import KeyValueStoreConfig, store_id
from edgecache.config.model import Config
from edgecache.config.problems import Problems

ONE = KeyValueStoreConfig(name="one", id=store_id("one"))


def readers(*ids: str) -> tuple[FunctionConfig, ...]:
    return tuple(
        FunctionConfig(name=f"f{n}", code="x", key_value_stores=(id,)) for n, id in enumerate(ids)
    )


def found(config: Config) -> list[str]:
    problems = Problems()
    check_key_value_stores(config, problems)
    return [str(one) for one in problems.found]


def test_a_store_that_functions_read_is_well() -> None:
    assert found(Config(key_value_stores=(ONE,), functions=readers(ONE.id))) == []


@pytest.mark.parametrize(
    ("config", "problem"),
    [
        (Config(key_value_stores=(KeyValueStoreConfig(name="a b"),)),
         'key_value_stores[0].name: "a b" is not a name'),
        (Config(key_value_stores=(KeyValueStoreConfig(name="a", id="x"),)),
         'key_value_stores[0].id: "x" is not a UUID'),
        (Config(key_value_stores=(ONE, ONE)),
         'key_value_stores[1].name: "one" is another store\'s too'),
        (Config(key_value_stores=(ONE, KeyValueStoreConfig(name="b", id=ONE.id))),
         "key_value_stores[1].id: "),
        (Config(key_value_stores=(KeyValueStoreConfig(name="a", items={"k" * 513: ""}),)),
         "key_value_stores[0].items: the key "),
        (Config(key_value_stores=(KeyValueStoreConfig(name="a", items={"k": "é" * 513}),)),
         "key_value_stores[0].items: the value of "),
        (Config(key_value_stores=(KeyValueStoreConfig(name="a", items={"": "x"}),)),
         "key_value_stores[0].items: a key is empty"),
        (Config(functions=readers("x")),
         'functions[0].key_value_stores[0]: "x" is not a key value store'),
    ],
)  # fmt: skip
def test_what_is_wrong(config: Config, problem: str) -> None:
    assert [line[: len(problem)] for line in found(config)] == [problem]
