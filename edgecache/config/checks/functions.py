"""Checks of functions, of the behaviors that run them and the key value stores that they read.

Developer Guide, "Restrictions on CloudFront Functions" and "Quotas on CloudFront Functions"; API
reference, FunctionAssociation, KeyValueStoreAssociation.
What an engine must be asked (does the code parse, is there a handler) is asked by
`functions/source_check.py`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from importlib.util import find_spec

from edgecache.config.functions import CODE_BYTES_MAX, INSTALL, FunctionAssociation, FunctionConfig
from edgecache.config.key_value_stores import ID as STORE_ID
from edgecache.config.key_value_stores import NAME as STORE_NAME
from edgecache.config.key_value_stores import KeyValueStoreConfig, items_problem
from edgecache.config.model import Behavior, Config
from edgecache.config.problems import ProblemCode, Problems, listed, quoted

STORES_MAX = 1  # of one function: CloudFront's quota
_NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")  # API reference, CreateFunction: Name
ENGINE = "quickjs"  # the module of the engine


def check_functions(config: Config, problems: Problems) -> None:
    """Every function can be made, and every association leads to one that is live."""
    functions = config.functions
    seen: set[tuple[str, str]] = set()
    for index, function in enumerate(functions):
        _check_function(function, f"functions[{index}]", problems)
        if (function.name, function.stage) in seen:
            trouble = f"{quoted(function.name)} is another function's too"
            problems.add(f"functions[{index}].name", trouble, ProblemCode.TAKEN)
        seen.add((function.name, function.stage))
    live = {name for name, stage in seen if stage == "LIVE"}
    hooks = _check_hooks(config, problems)
    for where, behavior in _behaviors(config):
        _check_associations(behavior.function_associations, (live, hooks), where, problems)


def _check_hooks(config: Config, problems: Problems) -> set[str]:
    """The names of Python hooks; each has one, and one place."""
    names: set[str] = set()
    for index, hook in enumerate(config.python_hooks):
        where = f"python_hooks[{index}]"
        if not _NAME.fullmatch(hook.name):
            trouble = f"{quoted(hook.name)} is not a name (letters, digits, - and _, at most 64)"
            problems.add(f"{where}.name", trouble)
        if hook.name in names:
            trouble = f"{quoted(hook.name)} is another hook's too"
            problems.add(f"{where}.name", trouble, ProblemCode.TAKEN)
        names.add(hook.name)
        if bool(hook.module) == bool(hook.file):
            problems.add(where, "say module or file, and not both")
        if not hook.function.isidentifier():
            problems.add(f"{where}.function", f"{quoted(hook.function)} is no name in Python")
    return names


def _check_function(function: FunctionConfig, where: str, problems: Problems) -> None:
    if not _NAME.fullmatch(function.name):
        trouble = f"{quoted(function.name)} is not a name (letters, digits, - and _, at most 64)"
        problems.add(f"{where}.name", trouble)
    if not function.code.strip():
        problems.add(f"{where}.code", "empty: say code or code_file")
    elif len(function.code.encode("utf-8", "surrogatepass")) > CODE_BYTES_MAX:
        trouble = f"larger than {CODE_BYTES_MAX} bytes, CloudFront's quota"
        problems.add(f"{where}.code", trouble, ProblemCode.TOO_MANY)
    stores = function.key_value_stores
    if len(stores) > STORES_MAX:
        trouble = f"{len(stores)} stores are more than {STORES_MAX}"
        problems.add(f"{where}.key_value_stores", trouble, ProblemCode.TOO_MANY)
    if stores and function.runtime == "cloudfront-js-1.0":
        trouble = "cloudfront-js-1.0 reads no key value store: use cloudfront-js-2.0"
        problems.add(f"{where}.key_value_stores", trouble)


def _behaviors(config: Config) -> Iterator[tuple[str, Behavior]]:
    for index, site in enumerate(config.distributions):
        where = f"distributions[{index}]"
        yield f"{where}.default_behavior", site.default_behavior
        for number, behavior in enumerate(site.behaviors):
            yield f"{where}.behaviors[{number}]", behavior


def _check_associations(
    associations: tuple[FunctionAssociation, ...],
    known: tuple[set[str], set[str]],  # live functions, Python hooks
    where: str,
    problems: Problems,
) -> None:
    """One function an event, and an engine to run it."""
    place, (live, hooks) = f"{where}.function_associations", known
    if any(one.function for one in associations) and find_spec(ENGINE) is None:
        problems.add(place, f"there is no engine to run functions: {INSTALL}")
    events: set[str] = set()
    for index, one in enumerate(associations):
        if one.event_type in events:
            trouble = f"{quoted(one.event_type)} has another function already"
            problems.add(f"{place}[{index}].event_type", trouble, ProblemCode.CONFLICT)
        events.add(one.event_type)
        if one.python_hook:
            _check_hook(one, hooks, f"{place}[{index}]", problems)
        elif one.function not in live:
            others = f" (known: {listed(sorted(live))})" if live else ""
            trouble = f"{quoted(one.function)} is not a live function{others}"
            problems.add(f"{place}[{index}].function", trouble, ProblemCode.UNKNOWN)


def _check_hook(one: FunctionAssociation, hooks: set[str], where: str, problems: Problems) -> None:
    if one.function:
        problems.add(where, "function is not used with python_hook", ProblemCode.CONFLICT)
    if one.python_hook not in hooks:
        known = f" (known: {listed(sorted(hooks))})" if hooks else ""
        trouble = f"{quoted(one.python_hook)} is no hook of this file{known}"
        problems.add(f"{where}.python_hook", trouble, ProblemCode.UNKNOWN)


def check_key_value_stores(config: Config, problems: Problems) -> None:
    """Every store can be made, and every function's is there."""
    stores = config.key_value_stores
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
    if not STORE_NAME.fullmatch(store.name):
        trouble = f"{quoted(store.name)} is not a name (letters, digits, - and _, at most 64)"
        problems.add(f"{where}.name", trouble)
    if store.id and not STORE_ID.fullmatch(store.id):
        problems.add(f"{where}.id", f"{quoted(store.id)} is not a UUID")
    if trouble := items_problem(store.items):
        problems.add(f"{where}.items", trouble)


def _check_readers(config: Config, problems: Problems) -> None:
    known = {store.id: store.name for store in config.key_value_stores}
    for index, function in enumerate(config.functions):
        for number, id in enumerate(function.key_value_stores):
            where = f"functions[{index}].key_value_stores[{number}]"
            if id not in known:
                names = f" (known: {listed(sorted(known.values()))})" if known else ""
                trouble = f"{quoted(id)} is not a key value store{names}"
                problems.add(where, trouble, ProblemCode.UNKNOWN)
