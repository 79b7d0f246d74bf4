"""JSON of cache and origin request policies, read and written, and the ids of all policies.

API reference: CachePolicyConfig, OriginRequestPolicyConfig.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar, get_args

import msgspec

from edgecache.config.aws.defaults import fill_ttls
from edgecache.config.aws.document import DocumentNode, listing, raise_problems
from edgecache.config.managed import (
    CACHE_POLICIES,
    ORIGIN_REQUEST_POLICIES,
    RESPONSE_HEADERS_POLICIES,
)
from edgecache.config.model import (
    CachePolicy,
    Distribution,
    HeaderBehavior,
    HeaderSelection,
    ItemBehavior,
    OriginRequestPolicy,
    ResponseHeadersPolicy,
    Selection,
)
from edgecache.config.problems import Problems, listed, quoted

AnyPolicy = CachePolicy | OriginRequestPolicy | ResponseHeadersPolicy
P = TypeVar("P", CachePolicy, OriginRequestPolicy, ResponseHeadersPolicy)
_IDS = uuid.UUID("7b0c7f8e-5f7d-4c0b-9a64-0d8b9d1f6d0e")  # ours, for ids made of contents


def policy_id(policy: AnyPolicy) -> str:
    """Its id; where it has none, one made of its kind and contents, always the same."""
    if policy.id:
        return policy.id
    content = msgspec.json.encode(policy).decode()
    return str(uuid.uuid5(_IDS, type(policy).__name__ + content))


def _ids(policies: Iterable[P]) -> dict[str, P]:
    return {policy_id(policy): policy for policy in policies}


@dataclass(frozen=True, slots=True)
class Policies:
    """The custom policies a document may name, by id; the managed ones are always known."""

    caches: Mapping[str, CachePolicy] = field(default_factory=dict)
    requests: Mapping[str, OriginRequestPolicy] = field(default_factory=dict)
    responses: Mapping[str, ResponseHeadersPolicy] = field(default_factory=dict)

    def known(self) -> Policies:
        """These policies and the managed ones, which nobody can define anew."""
        return Policies(
            dict(self.caches) | _ids(CACHE_POLICIES),
            dict(self.requests) | _ids(ORIGIN_REQUEST_POLICIES),
            dict(self.responses) | _ids(RESPONSE_HEADERS_POLICIES),
        )


def policies_of(distribution: Distribution) -> Policies:
    """Every policy its behaviors use, by the id its document names it with."""
    behaviors = [
        behavior
        for behavior in (*distribution.behaviors, distribution.default_behavior)
        if behavior.forwarded_values is None
    ]
    requests = [behavior.origin_request_policy for behavior in behaviors]
    every = (*distribution.behaviors, distribution.default_behavior)
    responses = [behavior.response_headers_policy for behavior in every]
    return Policies(
        _ids(behavior.cache_policy for behavior in behaviors),
        _ids(policy for policy in requests if policy is not None),
        _ids(policy for policy in responses if policy is not None),
    )


def unwrap(document: dict[str, Any], kind: str, problems: Problems) -> tuple[DocumentNode, str]:
    """The `<kind>Config` of a document and its id: bare, or as any of the calls print it."""
    where, policy_id = "", ""
    value: Any = document
    for name in (kind, f"{kind}Config"):
        if isinstance(value, dict) and isinstance(value.get(name), dict):
            value = value[name]
            where = f"{where}.{name}" if where else name
            policy_id = str(value.get("Id") or policy_id)
    return DocumentNode(value, where, problems), policy_id


def read_cache_policy(document: dict[str, Any]) -> CachePolicy:
    """Read what `get-cache-policy` or `get-cache-policy-config` prints. DocumentError."""
    problems = Problems()
    node, policy_id = unwrap(document, "CachePolicy", problems)
    node = DocumentNode(fill_ttls(node.value), node.where, problems)
    keyed = node.child("ParametersInCacheKeyAndForwardedToOrigin")
    policy = CachePolicy(
        id=policy_id,
        name=node.text("Name"),
        comment=node.text("Comment") if node.has("Comment") else "",
        ttl_s_min=node.number("MinTTL"),
        ttl_s_default=max(node.number("DefaultTTL"), node.number("MinTTL")),
        ttl_s_max=max(*(node.number(name) for name in ("MinTTL", "DefaultTTL", "MaxTTL"))),
        headers=_read_headers(keyed),
        cookies=_read_items(keyed, "Cookie"),
        query_strings=_read_items(keyed, "QueryString"),
        accept_encoding_gzip=keyed.flag("EnableAcceptEncodingGzip"),
        accept_encoding_brotli=keyed.has("EnableAcceptEncodingBrotli")
        and keyed.flag("EnableAcceptEncodingBrotli"),
    )
    raise_problems(problems)
    return policy


def cache_policy_config(policy: CachePolicy) -> dict[str, Any]:
    """The CachePolicyConfig of `policy`."""
    return {
        "Comment": policy.comment,
        "Name": policy.name,
        "DefaultTTL": policy.ttl_s_default,
        "MaxTTL": policy.ttl_s_max,
        "MinTTL": policy.ttl_s_min,
        "ParametersInCacheKeyAndForwardedToOrigin": {
            "EnableAcceptEncodingGzip": policy.accept_encoding_gzip,
            "EnableAcceptEncodingBrotli": policy.accept_encoding_brotli,
            **_selections(policy),
        },
    }


def read_origin_request_policy(document: dict[str, Any]) -> OriginRequestPolicy:
    """Read what `get-origin-request-policy` or its `-config` prints. DocumentError."""
    problems = Problems()
    node, policy_id = unwrap(document, "OriginRequestPolicy", problems)
    policy = OriginRequestPolicy(
        id=policy_id,
        name=node.text("Name"),
        comment=node.text("Comment") if node.has("Comment") else "",
        headers=_read_headers(node),
        cookies=_read_items(node, "Cookie"),
        query_strings=_read_items(node, "QueryString"),
    )
    raise_problems(problems)
    return policy


def origin_request_policy_config(policy: OriginRequestPolicy) -> dict[str, Any]:
    """The OriginRequestPolicyConfig of `policy`."""
    return {"Comment": policy.comment, "Name": policy.name, **_selections(policy)}


def _selections(policy: CachePolicy | OriginRequestPolicy) -> dict[str, Any]:
    members: dict[str, Any] = {}
    for word, selection in (
        ("Header", policy.headers),
        ("Cookie", policy.cookies),
        ("QueryString", policy.query_strings),
    ):
        config: dict[str, Any] = {f"{word}Behavior": selection.behavior}
        if selection.items:
            config[f"{word}s"] = listing(selection.items)
        members[f"{word}sConfig"] = config
    return members


def _read_headers(node: DocumentNode) -> HeaderSelection:
    behavior, items = _read_selection(node, "Header", get_args(HeaderBehavior))
    return HeaderSelection(behavior=behavior, items=items)


def _read_items(node: DocumentNode, word: str) -> Selection:
    behavior, items = _read_selection(node, word, get_args(ItemBehavior))
    return Selection(behavior=behavior, items=items)


def _read_selection(
    node: DocumentNode, word: str, legal: tuple[str, ...]
) -> tuple[Any, tuple[str, ...]]:
    config = node.child(f"{word}sConfig")
    behavior = config.text(f"{word}Behavior")
    if behavior not in legal:
        config.wrong(f"{word}Behavior", f"{quoted(behavior)} is not one of {listed(legal)}")
        behavior = "none"
    return behavior, config.names(f"{word}s") if config.has(f"{word}s") else ()
