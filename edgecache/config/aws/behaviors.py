"""JSON of cache behaviors, read and written. API reference: CacheBehavior, ForwardedValues."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, get_args

from edgecache.config.aws.document import DocumentNode, listing
from edgecache.config.aws.forwarded_values import legacy_policies
from edgecache.config.aws.origins import choice
from edgecache.config.aws.policies import P, Policies, policy_id
from edgecache.config.functions import FunctionAssociation, FunctionEvent
from edgecache.config.lambda_functions import LambdaEvent, LambdaFunctionAssociation
from edgecache.config.model import (
    Behavior,
    CachePolicy,
    ForwardedValues,
    OriginRequestPolicy,
)
from edgecache.config.problems import ProblemCode, quoted

DEFAULT_PATTERN = "*"
FUNCTION_ARNS = "arn:aws:cloudfront::000000000000:function/"  # there is one account here
REALTIME_LOG_ARNS = "arn:aws:cloudfront::000000000000:realtime-log-config/"
REALTIME_LOG_ARN = re.compile(
    r"arn:aws:cloudfront::[0-9]{12}:realtime-log-config/([A-Za-z0-9_-]{1,64})"
)
FUNCTION_ARN = re.compile(r"arn:aws:cloudfront::[0-9]{12}:function/([A-Za-z0-9_-]{1,64})")


def read_behavior(node: DocumentNode, policies: Policies) -> Behavior:
    """Read a behavior; the default one has no PathPattern. `policies` has the managed ones too."""
    legacy = _read_forwarded_values(node) if node.has("ForwardedValues") else None
    cache, sent = _read_policies(node, policies, legacy)
    response = _named(node, "ResponseHeadersPolicyId", policies.responses)
    methods = node.child("AllowedMethods")
    return Behavior(
        path_pattern=node.text("PathPattern") if "PathPattern" in node.value else DEFAULT_PATTERN,
        origin=node.text("TargetOriginId"),
        viewer_protocol_policy=choice(
            node, "ViewerProtocolPolicy", ("allow-all", "https-only", "redirect-to-https")
        ),
        allowed_methods=node.names("AllowedMethods"),
        cached_methods=methods.names("CachedMethods"),
        cache_policy=cache,
        origin_request_policy=sent,
        response_headers_policy=response,
        forwarded_values=legacy,
        compress=node.flag("Compress"),
        grpc=node.child("GrpcConfig").flag("Enabled"),
        trusted_key_groups=_read_trusted(node, "TrustedKeyGroups"),
        trusted_signers=_read_trusted(node, "TrustedSigners"),
        function_associations=_read_functions(node),
        realtime_log=_read_realtime_log(node),
        lambda_function_associations=_read_lambda_functions(node),
    )


def _read_realtime_log(node: DocumentNode) -> str:
    """The name of a behavior's real-time log; empty: none."""
    if not node.value.get("RealtimeLogConfigArn"):
        return ""
    arn = node.text("RealtimeLogConfigArn")
    found = REALTIME_LOG_ARN.fullmatch(arn)
    if found is None:
        trouble = f"{quoted(arn)} is no real-time log's"
        node.wrong("RealtimeLogConfigArn", trouble, ProblemCode.UNKNOWN)
    return found[1] if found else ""


def _read_functions(node: DocumentNode) -> tuple[FunctionAssociation, ...]:
    """The functions of a behavior, by their names."""
    read = []
    for item in node.nodes("FunctionAssociations") if node.has("FunctionAssociations") else ():
        found = FUNCTION_ARN.fullmatch(item.text("FunctionARN"))
        if found is None:
            item.wrong("FunctionARN", f"{quoted(item.text('FunctionARN'))} is no function's")
        event = choice(item, "EventType", get_args(FunctionEvent))
        name = found[1] if found else ""
        read.append(FunctionAssociation(event_type=event, function=name))
    return tuple(read)


def _read_lambda_functions(node: DocumentNode) -> tuple[LambdaFunctionAssociation, ...]:
    """The Lambda functions of a behavior, by their ARNs."""
    name = "LambdaFunctionAssociations"
    return tuple(
        LambdaFunctionAssociation(
            event_type=choice(item, "EventType", get_args(LambdaEvent)),
            function_arn=item.text("LambdaFunctionARN"),
            include_body=item.has("IncludeBody") and item.flag("IncludeBody"),
        )
        for item in (node.nodes(name) if node.has(name) else ())
    )


def _read_policies(
    node: DocumentNode, policies: Policies, legacy: ForwardedValues | None
) -> tuple[CachePolicy, OriginRequestPolicy | None]:
    cache = _named(node, "CachePolicyId", policies.caches)
    sent = _named(node, "OriginRequestPolicyId", policies.requests)
    if legacy is None:
        if not node.value.get("CachePolicyId"):
            node.wrong("CachePolicyId", "missing (and there are no ForwardedValues)")
        return cache or CachePolicy(), sent
    for name in ("CachePolicyId", "OriginRequestPolicyId"):
        if node.value.get(name):
            node.wrong(name, "not used with ForwardedValues")
    return legacy_policies(legacy)


def _named(node: DocumentNode, name: str, known: Mapping[str, P]) -> P | None:
    if not node.value.get(name):
        return None
    wanted_id = node.text(name)
    policy = known.get(wanted_id)
    if policy is None and wanted_id:
        message = f"{quoted(wanted_id)} is not a policy that is known here"
        node.wrong(name, message, ProblemCode.UNKNOWN)
    return policy


def _read_trusted(node: DocumentNode, name: str) -> tuple[str, ...]:
    trusted = node.child(name)
    names = node.names(name)
    if not trusted.flag("Enabled"):
        return ()
    if not names:
        trusted.wrong("Items", "empty, but Enabled is true: nobody could sign")
    return names


def _read_forwarded_values(node: DocumentNode) -> ForwardedValues:
    values = node.child("ForwardedValues")
    cookies = values.child("Cookies")
    names = cookies.names("WhitelistedNames") if cookies.has("WhitelistedNames") else ()
    return ForwardedValues(
        query_string=values.flag("QueryString"),
        query_string_cache_keys=values.names("QueryStringCacheKeys"),
        cookies=choice(cookies, "Forward", ("none", "whitelist", "all")),
        cookie_names=names,
        headers=values.names("Headers"),
        ttl_s_min=node.number("MinTTL"),
        ttl_s_default=node.number("DefaultTTL"),
        ttl_s_max=node.number("MaxTTL"),
    )


def behavior_member(behavior: Behavior, *, default: bool) -> dict[str, Any]:
    """The behavior as CloudFront has it; policies by their ids."""
    methods = listing(behavior.allowed_methods)
    methods["CachedMethods"] = listing(behavior.cached_methods)
    member: dict[str, Any] = {} if default else {"PathPattern": behavior.path_pattern}
    member |= {
        "TargetOriginId": behavior.origin,
        "TrustedSigners": _trusted(behavior.trusted_signers),
        "TrustedKeyGroups": _trusted(behavior.trusted_key_groups),
        "ViewerProtocolPolicy": behavior.viewer_protocol_policy,
        "AllowedMethods": methods,
        "SmoothStreaming": False,
        "Compress": behavior.compress,
        "LambdaFunctionAssociations": listing(
            [
                {
                    "LambdaFunctionARN": one.function_arn,
                    "EventType": one.event_type,
                    "IncludeBody": one.include_body,
                }
                for one in behavior.lambda_function_associations
            ]
        ),
        "FunctionAssociations": listing(
            [
                {"FunctionARN": f"{FUNCTION_ARNS}{one.function}", "EventType": one.event_type}
                for one in behavior.function_associations
                if one.function  # a hook is no member of CloudFront's
            ]
        ),
        "FieldLevelEncryptionId": "",
        "GrpcConfig": {"Enabled": behavior.grpc},
    }
    if behavior.forwarded_values is not None:
        member |= _forwarded_values_members(behavior.forwarded_values)
    else:
        member["CachePolicyId"] = policy_id(behavior.cache_policy)
        if behavior.origin_request_policy is not None:
            member["OriginRequestPolicyId"] = policy_id(behavior.origin_request_policy)
    if behavior.realtime_log:
        member["RealtimeLogConfigArn"] = f"{REALTIME_LOG_ARNS}{behavior.realtime_log}"
    if behavior.response_headers_policy is not None:
        member["ResponseHeadersPolicyId"] = policy_id(behavior.response_headers_policy)
    return member


def _trusted(names: tuple[str, ...]) -> dict[str, Any]:
    return {"Enabled": bool(names)} | listing(names)


def _forwarded_values_members(values: ForwardedValues) -> dict[str, Any]:
    cookies: dict[str, Any] = {"Forward": values.cookies}
    if values.cookie_names:
        cookies["WhitelistedNames"] = listing(values.cookie_names)
    return {
        "ForwardedValues": {
            "QueryString": values.query_string,
            "Cookies": cookies,
            "Headers": listing(values.headers),
            "QueryStringCacheKeys": listing(values.query_string_cache_keys),
        },
        "MinTTL": values.ttl_s_min,
        "DefaultTTL": values.ttl_s_default,
        "MaxTTL": values.ttl_s_max,
    }
