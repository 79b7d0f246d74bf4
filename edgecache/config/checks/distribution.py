"""Checks of one distribution: its origins, origin groups, behaviors and their policies.

Developer Guide, "Distribution settings", "Optimize high availability with CloudFront origin
failover" and "Quotas"; API reference, DistributionConfig, OriginGroup.
"""

from __future__ import annotations

import re

from edgecache.config.checks.access import check_proofs
from edgecache.config.checks.policies import (
    TOKEN,
    check_cache_policy,
    check_forwarded_values,
    check_origin_request_policy,
)
from edgecache.config.checks.rate_limits import check_rate_limits
from edgecache.config.checks.response_headers import check_response_headers_policy
from edgecache.config.checks.site import check_site
from edgecache.config.checks.viewer_rules import check_viewer_rules
from edgecache.config.model import Behavior, Distribution, Origin, OriginGroup
from edgecache.config.origin_map import FORM, is_place
from edgecache.config.problems import ProblemCode, Problems, listed, quoted

CUSTOM_HEADER_VALUE_CHARS_MAX = 1_783
PATTERN_CHARS_MAX = 255
ROOT_OBJECT_CHARS_MAX = 255
CUSTOM_HEADERS_CHARS_MAX = 10_240  # all names and values of one origin
SSL_PROTOCOLS = ("SSLv3", "TLSv1", "TLSv1.1", "TLSv1.2", "TLSv1.3")
SPOKEN = frozenset({"TLSv1.2", "TLSv1.3"})  # with origins
TARGETS_MAX = 8  # each is looked for in every response; RFC 9213 §2.2 has two in its example
GROUP_MEMBERS = 2
WITH_HTTP2 = ("http2", "http2and3")  # values of http_version
STATUS_CODES = (400, 403, 404, 416, 429, 500, 502, 503, 504)  # which CloudFront may fail over on

ID = re.compile(r"[A-Za-z0-9_.-]{1,128}")
ORIGIN_ID = re.compile(r"[\x20-\x7e]{1,128}")  # S3-my-bucket/folder is the console's own making
_READ = ("GET", "HEAD")
_READ_OPTIONS = (*_READ, "OPTIONS")
_EVERY = (*_READ_OPTIONS, "PUT", "POST", "PATCH", "DELETE")
_PATTERN = re.compile(r"[A-Za-z0-9_\-.*?$/~\"'@:+&]+")
_HOST = re.compile(r"[A-Za-z0-9_]([A-Za-z0-9_.-]{0,251}[A-Za-z0-9])?|\[[0-9A-Fa-f:.]+\]")
_SERVER_NAME = re.compile(r"(?!.*\.\.)[A-Za-z0-9_]([A-Za-z0-9_.-]{0,251}[A-Za-z0-9])?")
_UNIX = re.compile(r"unix:/[\x21-\x7e]{1,106}")
_VALUE = re.compile(r"[\x20-\x7e\x80-\xff\t]*")
_RESERVED = re.compile(
    r"cache-control|connection|content-length|cookie|host|if-.+|max-forwards|pragma"
    r"|proxy-(authenticate|authorization|connection)|range|request-range|te|trailer"
    r"|transfer-encoding|upgrade|via|x-(amz|edge|edgecache)-.+|edgecache-.+|x-real-ip",
    re.IGNORECASE,
)


def check_distribution(distribution: Distribution, where: str, problems: Problems) -> None:
    """Everything about `distribution` that needs no other one."""
    root = distribution.default_root_object
    if root.startswith("/"):
        problems.add(f"{where}.default_root_object", f"{quoted(root)} starts with /")
    if len(root) > ROOT_OBJECT_CHARS_MAX or re.search(r"[^\x21-\x7e]", root):
        problems.add(
            f"{where}.default_root_object",
            f"not printable ASCII without blanks of at most {ROOT_OBJECT_CHARS_MAX} characters",
        )
    _check_targets(distribution.cache_control_targets, f"{where}.cache_control_targets", problems)
    _check_origins(distribution, f"{where}.origins", problems)
    check_origin_groups(distribution, f"{where}.origin_groups", problems)
    _check_behaviors(distribution, where, problems)
    check_rate_limits(distribution, where, problems)
    check_site(distribution, where, problems)


def _check_targets(targets: tuple[str, ...], where: str, problems: Problems) -> None:
    if len(targets) > TARGETS_MAX:
        problems.add(where, f"{len(targets)} fields are more than {TARGETS_MAX}")
    for index, name in enumerate(targets):
        if not TOKEN.fullmatch(name) or not name.lower().endswith("-cache-control"):
            problems.add(
                f"{where}[{index}]",
                f"{quoted(name)} is not the name of a field for targeted "
                "cache control (they end in -Cache-Control)",
            )


def _check_origins(distribution: Distribution, where: str, problems: Problems) -> None:
    origins = distribution.origins
    if not origins:
        problems.add(where, "empty: a distribution needs an origin")
    seen: set[str] = set()
    for index, origin in enumerate(origins):
        place = f"{where}[{index}]"
        if origin.id in seen:
            problems.add(f"{place}.id", f"{quoted(origin.id)} is already the id of another origin")
        seen.add(origin.id)
        check_origin(origin, place, problems)


CERTIFICATE_NAMES_MAX, NAME_CHARS_MAX = 20, 64  # CloudFront's, of allowedCertificateNames


def check_origin(origin: Origin, where: str, problems: Problems) -> None:
    """Everything about an origin that needs nothing else."""
    if not ORIGIN_ID.fullmatch(origin.id):
        problems.add(f"{where}.id", f"{quoted(origin.id)} is not an id (1 to 128 characters)")
    name = origin.domain_name
    if not _HOST.fullmatch(name) and not _UNIX.fullmatch(name):
        problems.add(f"{where}.domain_name", f"{quoted(name)} {_host_trouble(name)}")
    if name.startswith("unix:") and origin.protocol_policy != "http-only":
        problems.add(f"{where}.protocol_policy", 'a Unix socket is asked with "http-only"')
    if origin.path and (not origin.path.startswith("/") or origin.path.endswith("/")):
        problems.add(f"{where}.path", f"{quoted(origin.path)} must start with / and not end so")
    if re.search(r"[^\x21-\x7e]|[?#]", origin.path):
        problems.add(f"{where}.path", f"{quoted(origin.path)} has characters no path has")
    _check_custom_headers(origin, f"{where}.custom_headers", problems)
    check_proofs(origin, where, problems)
    _check_tls(origin, where, problems)
    if origin.connect_to and not is_place(origin.connect_to):
        problems.add(f"{where}.connect_to", f"{quoted(origin.connect_to)} is not {FORM}")
    if origin.access_identity and origin.access_control_id:
        problems.add(
            f"{where}.access_identity", "not used with access_control_id", ProblemCode.CONFLICT
        )


def _check_tls(origin: Origin, where: str, problems: Problems) -> None:
    protocols = origin.ssl_protocols
    for index, protocol in enumerate(protocols):
        if protocol not in SSL_PROTOCOLS:
            trouble = f"{quoted(protocol)} is not one of {listed(SSL_PROTOCOLS)}"
            problems.add(f"{where}.ssl_protocols[{index}]", trouble)
    if origin.protocol_policy != "http-only" and not SPOKEN & set(protocols):
        trouble = f"{listed(protocols) or 'empty'}: nothing older than TLSv1.2 is spoken"
        problems.add(f"{where}.ssl_protocols", trouble)
    name = origin.server_name
    if name and not _SERVER_NAME.fullmatch(name):
        problems.add(f"{where}.server_name", f"{quoted(name)} is not a host name")
    if name and origin.protocol_policy == "http-only":
        problems.add(f"{where}.server_name", 'not used with protocol_policy "http-only"')
    _check_names(origin, where, problems)


def _check_names(origin: Origin, where: str, problems: Problems) -> None:
    """What an origin is called, and its certificate, where not by its own name.

    A signature is of the name that a bucket is asked by.
    """
    host, names = origin.host_header, origin.certificate_names
    if host and not _SERVER_NAME.fullmatch(host):
        problems.add(f"{where}.host_header", f"{quoted(host)} is not a host name without a port")
    if host and (origin.access_control_id or origin.access_identity or origin.access != "none"):
        trouble = "not used where requests are signed for the origin's own name"
        problems.add(f"{where}.host_header", trouble, ProblemCode.CONFLICT)
    if names and origin.protocol_policy == "http-only":
        problems.add(f"{where}.certificate_names", 'not used with protocol_policy "http-only"')
    if len(names) > CERTIFICATE_NAMES_MAX:
        trouble = f"{len(names)} names are more than {CERTIFICATE_NAMES_MAX}"
        problems.add(f"{where}.certificate_names", trouble, ProblemCode.TOO_MANY)
    for index, name in enumerate(names):
        if not _SERVER_NAME.fullmatch(name.removeprefix("*.")) or len(name) > NAME_CHARS_MAX:
            trouble = f"{quoted(name)} is not a host name, or *. and one, of at most 64 characters"
            problems.add(f"{where}.certificate_names[{index}]", trouble)


def _host_trouble(name: str) -> str:
    if "://" in name:
        return "is not a host name (leave out the scheme; ports are http_port and https_port)"
    if name.count(":") == 1:
        return "is not a host name (ports are http_port and https_port)"
    return "is not a host name, an address or unix:/path"


def _check_custom_headers(origin: Origin, where: str, problems: Problems) -> None:
    headers = origin.custom_headers
    chars = sum(len(name) + len(value) for name, value in headers.items())
    if chars > CUSTOM_HEADERS_CHARS_MAX:
        trouble = f"{chars} characters are more than {CUSTOM_HEADERS_CHARS_MAX}"
        problems.add(where, trouble, ProblemCode.TOO_MANY)
    for name, value in headers.items():
        if not TOKEN.fullmatch(name):
            problems.add(where, f"{quoted(name)} is not a header's name")
        elif _RESERVED.fullmatch(name):
            problems.add(f"{where}.{name}", "not allowed as a custom header")
        elif len(value) > CUSTOM_HEADER_VALUE_CHARS_MAX or not _VALUE.fullmatch(value):
            problems.add(
                f"{where}.{name}",
                f"not a header's value of at most {CUSTOM_HEADER_VALUE_CHARS_MAX} characters",
            )


def check_origin_groups(distribution: Distribution, where: str, problems: Problems) -> None:
    """Each group has an id of its own, two of the origins, and statuses to fail over on."""
    groups = distribution.origin_groups
    origins = [origin.id for origin in distribution.origins]
    seen = set(origins)
    for index, group in enumerate(groups):
        place = f"{where}[{index}]"
        if not group.id or group.id in seen:
            trouble = "is already the id of an origin or a group" if group.id else "is not an id"
            problems.add(f"{place}.id", f"{quoted(group.id)} {trouble}")
        seen.add(group.id)
        _check_group_members(group, origins, place, problems)
        _check_group_statuses(group, place, problems)


def _check_group_members(
    group: OriginGroup, origins: list[str], where: str, problems: Problems
) -> None:
    members = group.members
    if len(members) != GROUP_MEMBERS or len(set(members)) != GROUP_MEMBERS:
        problems.add(f"{where}.members", f"a group has {GROUP_MEMBERS} different origins, in order")
    for index, member in enumerate(members):
        if member not in origins:
            known = listed(origins)
            trouble = f"{quoted(member)} is not an origin (known: {known})"
            problems.add(f"{where}.members[{index}]", trouble)


def _check_group_statuses(group: OriginGroup, where: str, problems: Problems) -> None:
    if not group.status_codes:
        problems.add(f"{where}.status_codes", "empty: nothing would ever fail over")
    for index, status in enumerate(group.status_codes):
        if status not in STATUS_CODES:
            allowed = ", ".join(map(str, STATUS_CODES))
            problems.add(f"{where}.status_codes[{index}]", f"{status} is not one of {allowed}")


def _check_behaviors(distribution: Distribution, where: str, problems: Problems) -> None:
    behaviors = distribution.behaviors
    seen: dict[str, int] = {}
    for index, behavior in enumerate(behaviors):
        place = f"{where}.behaviors[{index}]"
        pattern = behavior.path_pattern.removeprefix("/")
        if pattern in seen:
            problems.add(
                f"{place}.path_pattern",
                f"{quoted(behavior.path_pattern)} is already the pattern of"
                f" behaviors[{seen[pattern]}], so this one is never reached",
            )
        seen.setdefault(pattern, index)
        _check_pattern(distribution, behavior, place, problems)
        _check_behavior(distribution, behavior, place, problems)
    place = f"{where}.default_behavior"
    if distribution.default_behavior.path_pattern != "*":
        problems.add(f"{place}.path_pattern", 'the default behavior is always for "*"')
    _check_behavior(distribution, distribution.default_behavior, place, problems)


def _check_pattern(
    distribution: Distribution, behavior: Behavior, where: str, problems: Problems
) -> None:
    pattern = behavior.path_pattern
    if not 1 <= len(pattern) <= PATTERN_CHARS_MAX:
        problems.add(
            f"{where}.path_pattern",
            f"{len(pattern)} characters are outside 1 to {PATTERN_CHARS_MAX}",
        )
    elif distribution.semantics == "cloudfront" and not _PATTERN.fullmatch(pattern):
        strange = dict.fromkeys(char for char in pattern if not _PATTERN.fullmatch(char))
        problems.add(
            f"{where}.path_pattern",
            f"{quoted(pattern)} has characters CloudFront refuses: {listed(strange)}",
        )


def _check_behavior(
    distribution: Distribution, behavior: Behavior, where: str, problems: Problems
) -> None:
    known = [origin.id for origin in distribution.origins]
    known += [group.id for group in distribution.origin_groups]
    if known and "" not in known and behavior.origin not in known:
        problems.add(
            f"{where}.origin",
            f"{quoted(behavior.origin)} is not an origin (known: {listed(known)})",
        )
    _check_methods(behavior, where, problems)
    _check_grpc(distribution, behavior, where, problems)
    check_viewer_rules(distribution, behavior, where, problems)
    if behavior.forwarded_values is not None:
        check_forwarded_values(behavior.forwarded_values, f"{where}.forwarded_values", problems)
    else:
        check_cache_policy(behavior.cache_policy, f"{where}.cache_policy", problems)
    if behavior.origin_request_policy is not None:
        check_origin_request_policy(
            behavior.origin_request_policy, f"{where}.origin_request_policy", problems
        )
    if behavior.response_headers_policy is not None:
        check_response_headers_policy(
            behavior.response_headers_policy, f"{where}.response_headers_policy", problems
        )
    if behavior.forwarded_values is None and _has_wildcards(behavior):
        problems.add(where, "wildcards stand in the cookie_names of forwarded_values only")


def _check_grpc(
    distribution: Distribution, behavior: Behavior, where: str, problems: Problems
) -> None:
    """Developer Guide, "Using gRPC with CloudFront distributions"; API reference, GrpcConfig."""
    if not behavior.grpc:
        return
    if "POST" not in behavior.allowed_methods:
        problems.add(f"{where}.grpc", "calls are POST, which is not in allowed_methods: list all")
    if distribution.http_version not in WITH_HTTP2:
        version, known = quoted(distribution.http_version), listed(WITH_HTTP2)
        trouble = f"calls come by HTTP/2, and http_version {version} is not one of {known}"
        problems.add(f"{where}.grpc", trouble)


def _has_wildcards(behavior: Behavior) -> bool:
    policies = (behavior.cache_policy, behavior.origin_request_policy)
    return any(p.cookies.wildcards or p.query_strings.wildcards for p in policies if p)


def _check_methods(behavior: Behavior, where: str, problems: Problems) -> None:
    """AllowedMethods has three legal values, CachedMethods two, in any order."""
    allowed, cached = behavior.allowed_methods, behavior.cached_methods
    legal = [sorted(methods) for methods in (_READ, _READ_OPTIONS, _EVERY)]
    if sorted(allowed) not in legal:
        choices = " or ".join(f"[{listed(methods)}]" for methods in (_READ, _READ_OPTIONS, _EVERY))
        capitals = "" if all(map(str.isupper, allowed)) else ", in capitals"
        problems.add(f"{where}.allowed_methods", f"[{listed(allowed)}] is not {choices}{capitals}")
    if sorted(cached) not in legal[:2]:
        choices = " or ".join(f"[{listed(methods)}]" for methods in (_READ, _READ_OPTIONS))
        problems.add(f"{where}.cached_methods", f"[{listed(cached)}] is not {choices}")
    elif sorted(allowed) in legal and not set(cached) <= set(allowed):
        problems.add(f"{where}.cached_methods", '"OPTIONS" is not in allowed_methods')
