"""Checks of key value stores and of the functions that read them.

Developer Guide, "Quotas on key value stores"; API reference, KeyValueStoreAssociation.
"""

from __future__ import annotations

from collections import Counter

from edgecache.config.key_value_stores import (
    ID,
    NAME,
    STORE_FUNCTIONS_MAX,
    STORES_MAX,
    KeyValueStoreConfig,
    items_problem,
)
from edgecache.config.model import Config
from edgecache.config.problems import ProblemCode, Problems, listed, quoted


def check_key_value_stores(config: Config, problems: Problems) -> None:
    """Every store can be made, and every function's is there."""
    stores = config.key_value_stores
    if len(stores) > STORES_MAX:
        trouble = f"{len(stores)} stores are more than {STORES_MAX}"
        problems.add("key_value_stores", trouble, ProblemCode.TOO_MANY)
    for index, store in enumerate(stores):
        where = f"key_value_stores[{index}]"
        _check_store(store, where, problems)
        before = stores[:index]
        if any(one.name == store.name for one in before):
            trouble = f"{quoted(store.name)} is another store's too"
            problems.add(f"{where}.name", trouble, ProblemCode.TAKEN)
        elif any(one.id == store.id for one in before):
            trouble = f"{quoted(store.id)} is another store's too"
            problems.add(f"{where}.id", trouble, ProblemCode.TAKEN)
    _check_readers(config, problems)


def _check_store(store: KeyValueStoreConfig, where: str, problems: Problems) -> None:
    if not NAME.fullmatch(store.name):
        trouble = f"{quoted(store.name)} is not a name (letters, digits, - and _, at most 64)"
        problems.add(f"{where}.name", trouble)
    if store.id and not ID.fullmatch(store.id):
        problems.add(f"{where}.id", f"{quoted(store.id)} is not a UUID")
    if trouble := items_problem(store.items):
        problems.add(f"{where}.items", trouble)


def _check_readers(config: Config, problems: Problems) -> None:
    known = {store.id: store.name for store in config.key_value_stores}
    readers: Counter[str] = Counter()
    for index, function in enumerate(config.functions):
        for number, id in enumerate(function.key_value_stores):
            where = f"functions[{index}].key_value_stores[{number}]"
            readers[id] += 1
            if id not in known:
                names = f" (known: {listed(sorted(known.values()))})" if known else ""
                trouble = f"{quoted(id)} is not a key value store{names}"
                problems.add(where, trouble, ProblemCode.UNKNOWN)
            elif readers[id] > STORE_FUNCTIONS_MAX:
                trouble = f"more than {STORE_FUNCTIONS_MAX} functions read {known[id]}"
                problems.add(where, trouble, ProblemCode.TOO_MANY)
