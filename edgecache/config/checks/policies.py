"""Checks of cache policies, origin request policies and forwarded values, wherever they stand.

API reference: CachePolicyConfig, OriginRequestPolicyConfig and ForwardedValues.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from edgecache.config.aws.forwarded_values import legacy_policies
from edgecache.config.model import (
    CachePolicy,
    Config,
    Distribution,
    ForwardedValues,
    HeaderSelection,
    OriginRequestPolicy,
    Selection,
)
from edgecache.config.problems import ProblemCode, Problems, listed, quoted
from edgecache.config.settings import TTL_S_MAX

ITEMS_MAX = 100  # names in one selection; the API has CloudFront's quotas for what it makes
TOKEN = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]{1,256}")  # RFC 9110 §5.6.2
_NOT_KEYED = frozenset(  # "Add CloudFront request headers": only an origin request policy may
    f"cloudfront-viewer-{name}"
    for name in ("address", "asn", "tls", "header-order", "header-count")
)
_LEGACY_NAMES = {  # selections of the cache policy that ForwardedValues stand for
    ".headers": "headers",
    ".cookies": "cookie_names",
    ".query_strings": "query_string_cache_keys",
}
_NOT_FORWARDED_SINGLY = ("authorization", "accept-encoding")  # only a cache policy may


TRACE_FIELDS = ("traceparent", "tracestate")  # W3C Trace Context
AMZN_FIELDS = ("x-amzn-trace-id",)


def check_traced_keys(config: Config, problems: Problems) -> None:
    """No key names a field that tracing takes out of requests before a key is made of them."""
    taken: list[tuple[tuple[str, ...], str]] = []
    if config.tracing.context != "ignore":
        taken.append((TRACE_FIELDS, f"tracing.context is {quoted(config.tracing.context)}"))
    if config.tracing.amzn_trace_id:
        taken.append((AMZN_FIELDS, "tracing.amzn_trace_id is true"))
    for index, distribution in enumerate(config.distributions):
        for fields, why in taken:
            for place, name in traced_keys(distribution, fields):
                problems.add(
                    f"distributions[{index}].{place}",
                    f"{quoted(name)} is in no key while {why}: it goes to the origin without being"
                    " named",
                )


def traced_keys(
    distribution: Distribution, fields: Sequence[str] = TRACE_FIELDS
) -> Iterator[tuple[str, str]]:
    """Where a cache policy of a distribution names a field of traces, and which."""
    named = [(f"behaviors[{index}]", one) for index, one in enumerate(distribution.behaviors)]
    for place, behavior in [*named, ("default_behavior", distribution.default_behavior)]:
        for index, name in enumerate(behavior.cache_policy.headers.items):
            if name.lower() in fields:
                yield f"{place}.cache_policy.headers.items[{index}]", name
        legacy = behavior.forwarded_values
        for index, name in enumerate(() if legacy is None else legacy.headers):
            if name.lower() in fields:
                yield f"{place}.forwarded_values.headers[{index}]", name


def check_cache_policy(policy: CachePolicy, where: str, problems: Problems) -> None:
    """Min ≤ default ≤ max, and selections that mean something."""
    low, default, high = policy.ttl_s_min, policy.ttl_s_default, policy.ttl_s_max
    if low > high:
        problems.add(f"{where}.ttl_s_min", f"{low} is greater than ttl_s_max {high}")
    elif default < low:
        problems.add(f"{where}.ttl_s_default", f"{default} is less than ttl_s_min {low}")
    elif default > high:
        problems.add(f"{where}.ttl_s_default", f"{default} is greater than ttl_s_max {high}")
    if policy.headers.behavior not in ("none", "whitelist"):
        problems.add(
            f"{where}.headers.behavior",
            f'{quoted(policy.headers.behavior)} is not one of "none", "whitelist"'
            " (the only ones for a cache key)",
        )
    for index, name in enumerate(policy.headers.items):
        if name.lower() in _NOT_KEYED:
            problems.add(
                f"{where}.headers.items[{index}]",
                f"{quoted(name)} can only be forwarded, by an origin request policy",
            )
    _check_selections(policy, where, problems)


def check_origin_request_policy(
    policy: OriginRequestPolicy, where: str, problems: Problems
) -> None:
    """Selections that mean something, and no header that only a cache policy may name."""
    if policy.headers.behavior != "allExcept":
        for index, name in enumerate(policy.headers.items):
            if name.lower() in _NOT_FORWARDED_SINGLY:
                problems.add(
                    f"{where}.headers.items[{index}]",
                    f"{quoted(name)} can only be forwarded by a cache policy",
                )
    _check_selections(policy, where, problems)


def check_forwarded_values(values: ForwardedValues, where: str, problems: Problems) -> None:
    """Members that suit each other, and names that a cache policy may have as well."""
    if values.cookies == "whitelist" and not values.cookie_names:
        problems.add(f"{where}.cookie_names", 'empty, but cookies is "whitelist"')
    if values.cookies != "whitelist" and values.cookie_names:
        problems.add(f"{where}.cookie_names", f"not used with cookies {quoted(values.cookies)}")
    if values.query_string_cache_keys and not values.query_string:
        problems.add(f"{where}.query_string_cache_keys", "not used with query_string false")
    if "*" in values.headers and len(values.headers) > 1:
        problems.add(f"{where}.headers", '"*" stands alone: it is every header')
    low, default, high = values.ttl_s_min, values.ttl_s_default, values.ttl_s_max
    if not 0 <= low <= default <= high <= TTL_S_MAX:  # InvalidTTLOrder
        problems.add(
            where,
            f"ttl_s_min {low}, ttl_s_default {default} and ttl_s_max {high} are not in order",
            ProblemCode.ORDER,
        )
    as_policy = Problems()
    check_cache_policy(legacy_policies(values)[0], "", as_policy)
    for problem in as_policy.found:
        member, _, index = problem.where.partition(".items")
        if member in _LEGACY_NAMES:
            place = f"{where}.{_LEGACY_NAMES[member]}{index}"
            problems.add(place, problem.message, problem.code)


def _check_selections(
    policy: CachePolicy | OriginRequestPolicy, where: str, problems: Problems
) -> None:
    _check_selection(policy.headers, f"{where}.headers", problems)
    _check_selection(policy.cookies, f"{where}.cookies", problems)
    _check_selection(policy.query_strings, f"{where}.query_strings", problems)
    for index, name in enumerate(policy.headers.items):
        if not TOKEN.fullmatch(name):
            problems.add(
                f"{where}.headers.items[{index}]", f"{quoted(name)} is not a header's name"
            )


def _check_selection(
    selection: Selection | HeaderSelection, where: str, problems: Problems
) -> None:
    items, behavior = selection.items, selection.behavior
    if items and behavior in ("none", "all", "allViewer"):
        problems.add(f"{where}.items", f"not used with behavior {quoted(behavior)}")
    if not items and behavior not in ("none", "all", "allViewer"):
        problems.add(f"{where}.items", f"empty, but behavior is {quoted(behavior)}")
    if len(items) > ITEMS_MAX:
        trouble = f"{len(items)} names are more than {ITEMS_MAX}"
        problems.add(f"{where}.items", trouble, ProblemCode.TOO_MANY)
    fold = str.lower if isinstance(selection, HeaderSelection) else str
    twice = sorted({item for item in items if list(map(fold, items)).count(fold(item)) > 1})
    if twice:
        problems.add(f"{where}.items", f"named twice: {listed(twice)}")
    for index, item in enumerate(items):
        if not item or any(ord(char) <= 0x20 or ord(char) == 0x7F for char in item):
            problems.add(f"{where}.items[{index}]", f"{quoted(item)} is not a name")
