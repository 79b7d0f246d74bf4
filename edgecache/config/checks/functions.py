"""Checks of functions and of the behaviors that run them.

Developer Guide, "Restrictions on CloudFront Functions" and "Quotas on CloudFront Functions"; API
reference, FunctionAssociation. What an engine must be asked (does the code parse, is there a
handler) is asked by `functions/source_check.py`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from importlib.util import find_spec

from edgecache.config.functions import CODE_BYTES_MAX, INSTALL, FunctionAssociation, FunctionConfig
from edgecache.config.model import Behavior, Config
from edgecache.config.problems import Problem, ProblemCode, Problems, listed, quoted

FUNCTIONS_MAX = 100  # CloudFront's quota for an account
STORES_MAX = 1  # of one function: CloudFront's quota
_NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")  # API reference, CreateFunction: Name
ENGINE = "quickjs"  # the module of the engine


def check_functions(config: Config, problems: Problems) -> None:
    """Every function can be made, and every association leads to one that is live."""
    functions = config.functions
    if len(functions) > FUNCTIONS_MAX:
        trouble = f"{len(functions)} functions are more than {FUNCTIONS_MAX}"
        problems.add("functions", trouble, ProblemCode.TOO_MANY)
    seen: set[tuple[str, str]] = set()
    for index, function in enumerate(functions):
        _check_function(function, f"functions[{index}]", problems)
        if (function.name, function.stage) in seen:
            trouble = f"{quoted(function.name)} is another function's too"
            problems.add(f"functions[{index}].name", trouble, ProblemCode.TAKEN)
        seen.add((function.name, function.stage))
    live = {name for name, stage in seen if stage == "LIVE"}
    for where, behavior in _behaviors(config):
        _check_associations(behavior.function_associations, live, where, problems)


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
    associations: tuple[FunctionAssociation, ...], live: set[str], where: str, problems: Problems
) -> None:
    """One function an event, and an engine to run it."""
    place = f"{where}.function_associations"
    if associations and find_spec(ENGINE) is None:
        problems.add(place, f"there is no engine to run functions: {INSTALL}")
    events: set[str] = set()
    for index, one in enumerate(associations):
        if one.event_type in events:
            trouble = f"{quoted(one.event_type)} has another function already"
            problems.add(f"{place}[{index}].event_type", trouble, ProblemCode.CONFLICT)
        events.add(one.event_type)
        if one.function not in live:
            known = f" (known: {listed(sorted(live))})" if live else ""
            trouble = f"{quoted(one.function)} is not a live function{known}"
            problems.add(f"{place}[{index}].function", trouble, ProblemCode.UNKNOWN)


_GENERATED = re.compile(r"\bcloudfront-(?:viewer|is|forwarded)-[a-z0-9-]+", re.IGNORECASE)


def function_warnings(config: Config) -> Iterator[Problem]:
    """Functions that read headers which CloudFront adds only where a policy names them.

    Developer Guide, "Add CloudFront request headers": a function sees those that the cache policy
    or the origin request policy of its behavior names.
    """
    code = {one.name: one.code for one in config.functions if one.stage == "LIVE"}
    for where, behavior in _behaviors(config):
        named = {name.lower() for name in _policy_headers(behavior)}
        for index, one in enumerate(behavior.function_associations):
            read = {name.lower() for name in _GENERATED.findall(code.get(one.function, ""))}
            if missing := sorted(read - named):
                place = f"{where}.function_associations[{index}]"
                why = (
                    f"{quoted(one.function)} reads {', '.join(missing)}, which neither the cache "
                    "policy nor the origin request policy of the behavior names: it is not there"
                )
                yield Problem(place, why)


def _policy_headers(behavior: Behavior) -> Iterator[str]:
    yield from behavior.cache_policy.headers.items
    if behavior.origin_request_policy is not None:
        yield from behavior.origin_request_policy.headers.items
