"""Warnings about a configuration that is legal and hardly meant that way.

Law: a warning names its place, and what would happen. A configuration with warnings runs. The list
is made of what CloudFront's users trip over.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator, Mapping

from edgecache.config.access_lists import SET_PREFIX, AccessList, sets_of
from edgecache.config.checks.access_lists import access_lists_of
from edgecache.config.checks.log_delivery import log_delivery_warnings
from edgecache.config.checks.policies import traced_keys
from edgecache.config.checks.rate_limits import rate_limit_warnings
from edgecache.config.checks.realtime_logs import realtime_log_warnings
from edgecache.config.checks.regional_caches import reserve_warnings
from edgecache.config.checks.site import provable
from edgecache.config.checks.trace_settings import tracing_warnings
from edgecache.config.checks.trusted_proxies import proxy_warnings
from edgecache.config.listen import TcpAddress, bucket_hosts, tcp_address
from edgecache.config.model import Behavior, Config, Distribution, OriginRequestPolicy, Selection
from edgecache.config.networks import Network, parse_network, ranges_of
from edgecache.config.problems import Problem, listed, quoted


def lint(config: Config) -> list[Problem]:
    """Every warning about a configuration that has passed the checks, in the file's order."""
    warnings: list[Problem] = [*_control_warnings(config), *_address_warnings(config)]
    warnings += log_delivery_warnings(config)
    warnings += realtime_log_warnings(config)
    warnings += tracing_warnings(config.tracing)
    warnings += reserve_warnings(config)
    for index, location in enumerate(config.locations):
        warnings += proxy_warnings(location, f"locations[{index}]")
    tls = any(location.listen_tls for location in config.locations)
    for index, distribution in enumerate(config.distributions):
        where = f"distributions[{index}]"
        warnings += _name_warnings(distribution, config, where, tls=tls)
        warnings += _distribution_warnings(distribution, where)
        warnings += _access_warnings(distribution, config, where)
        warnings += _bucket_warnings(distribution, config, where)
        for place, behavior in _behaviors(distribution, where):
            if distribution.semantics == "cloudfront":  # else Vary and private say who may share
                warnings += _caching_warnings(behavior, place)
                warnings += _forwarding_warnings(behavior, place)
            warnings += _compression_warnings(behavior, place, distribution.semantics)
            warnings += _cors_warnings(behavior, place)
            warnings += rate_limit_warnings(behavior, place)
            warnings += _password_warnings(behavior, place)
            warnings += _grpc_warnings(behavior, place, config)
            warnings += _purge_warnings(behavior, place, control=config.control is not None)
    return warnings


def _behaviors(distribution: Distribution, where: str) -> Iterator[tuple[str, Behavior]]:
    for index, behavior in enumerate(distribution.behaviors):
        yield f"{where}.behaviors[{index}]", behavior
    yield f"{where}.default_behavior", distribution.default_behavior


def _control_warnings(config: Config) -> Iterator[Problem]:
    """A control that strangers may reach, and whose tokens and answers they may read."""
    if config.control is None or config.control.certificate_file or config.cluster.mutual_tls:
        return
    address = tcp_address(config.control.listen)
    if _is_public(address):
        yield Problem(
            "control.listen",
            f"{address} may be reached from everywhere, without TLS: tokens and what is answered go"
            " in clear; name control.certificate_file and key_file, or a private address",
        )


def _address_warnings(config: Config) -> Iterator[Problem]:
    """Access lists of which a part decides nothing, and sets that nobody names."""
    sets = {one.name: one.addresses for one in config.ip_sets if not one.file}
    used: set[str] = set()
    for where, access_list in access_lists_of(config):
        used.update(sets_of(access_list))
        yield from _rule_warnings(access_list, sets, where)
    for index, one in enumerate(config.ip_sets):
        if one.name not in used:
            yield Problem(f"ip_sets[{index}]", f"{quoted(one.name)} is not used")


def _rule_warnings(
    access_list: AccessList, sets: Mapping[str, tuple[str, ...]], where: str
) -> Iterator[Problem]:
    """Rules whose addresses rules before them have; what files hold is not known here."""
    if all(rule.action == access_list.default for rule in access_list.rules):
        whom = "everybody" if access_list.default == "allow" else "nobody"
        yield Problem(where, f"lets {whom} in: no rule is other than the default")
    earlier: list[Network] = []
    for rule in sorted(access_list.rules, key=lambda one: one.number):
        place = f"{where}.rules[{access_list.rules.index(rule)}]"
        before = ranges_of(earlier)
        unreached = []
        for index, source in enumerate(rule.sources):
            texts = sets.get(source.removeprefix(SET_PREFIX), ())
            texts = texts if source.startswith(SET_PREFIX) else (source,)
            networks = [*map(parse_network, texts)]
            earlier += networks
            if networks and all(map(before.covers, networks)):
                unreached.append((index, source))
        if len(unreached) == len(rule.sources):
            yield Problem(place, "never decides: rules with lower numbers have all its addresses")
            continue
        for index, source in unreached:
            why = f"{quoted(source)} is never reached: rules with lower numbers have all of it"
            yield Problem(f"{place}.sources[{index}]", why)


def _is_public(address: TcpAddress) -> bool:
    """Whether it may be reached from outside, as far as it says so itself."""
    try:
        given = ipaddress.ip_address(address.host)
    except ValueError:
        return "." in address.host  # a name alone is one of a private network
    return address.is_any or given.is_global


def _name_warnings(
    distribution: Distribution, config: Config, where: str, *, tls: bool
) -> Iterator[Problem]:
    """Names that no certificate is for."""
    certificate = distribution.viewer_certificate
    named = (
        certificate.certificate_file
        or certificate.acm_certificate_arn
        or certificate.iam_certificate_id
    )
    if config.certificates == "acme" and not certificate.certificate_file:
        if unproven := [one for one in distribution.aliases if not (provable(one) or _local(one))]:
            yield Problem(
                f"{where}.aliases",
                f"no certificate is issued for {listed(unproven)}: HTTP-01 proves no wildcards and "
                "no addresses; name a viewer_certificate",
            )
    elif tls and not named and not all(map(_local, distribution.aliases)):
        yield Problem(
            f"{where}.aliases",
            "no viewer_certificate covers them; CloudFront refuses that (InvalidViewerCertificate)",
        )


def _distribution_warnings(distribution: Distribution, where: str) -> Iterator[Problem]:
    yield from _unreachable_behaviors(distribution, where)
    yield from _unused_origins(distribution, where)
    keyed = distribution.semantics == "rfc9111" or _keys_host(distribution)
    for place, name in traced_keys(distribution):
        yield Problem(
            f"{where}.{place}",
            f"every request has another {name}: nothing is given twice; tracing.context sends it"
            " to the origin without a place in the key",
        )
    if len(distribution.aliases) > 1 and not keyed:
        yield from _alias_warnings(distribution, where)


def _access_warnings(distribution: Distribution, config: Config, where: str) -> Iterator[Problem]:
    """Origins that would be asked without the proof they name, or with one anybody can read."""
    known = {control.id for control in config.origin_access_controls}
    for index, origin in enumerate(distribution.origins):
        place = f"{where}.origins[{index}]"
        plain = origin.protocol_policy == "http-only" and not _local(origin.domain_name)
        name = origin.access_control_id
        if name and name not in known:
            yield Problem(
                f"{place}.access_control_id",
                f"{quoted(name)} is not among origin_access_controls: requests are not signed",
            )
        if plain and name:
            yield Problem(
                f"{place}.protocol_policy",
                "an origin access control that always signs asks by HTTPS",
            )
        if plain and origin.secret_headers:
            yield Problem(f"{place}.secret_headers", "are sent where others can read them: by HTTP")


def _bucket_warnings(distribution: Distribution, config: Config, where: str) -> Iterator[Problem]:
    """Behaviors by which the bucket is asked under a viewer's name that it does not admit."""
    if config.bucket is None:
        return
    hosts = [name.lower() for name in bucket_hosts(config.bucket)]
    port = tcp_address(config.bucket.listen).port
    asked = {
        origin.id
        for origin in distribution.origins
        if origin.http_port == port and origin.domain_name.lower() in hosts
    }
    asked |= {group.id for group in distribution.origin_groups if asked & {*group.members}}
    other = next((one for one in distribution.aliases if one.lower() not in hosts), None)
    for place, behavior in _behaviors(distribution, where):
        policy = behavior.origin_request_policy
        keyed = "host" in map(str.lower, behavior.cache_policy.headers.items)
        sent = keyed or (policy is not None and _sends(policy, "host"))
        if sent and other is not None and behavior.origin in asked:
            yield Problem(
                f"{place}.origin",
                f"the bucket is sent the viewer's Host, and {quoted(other)} is not in bucket.hosts:"
                " it answers 403",
            )


def _local(host: str) -> bool:
    """A name of this machine, or any: nobody issues a certificate for it, nothing listens in."""
    return host.startswith(("127.", "unix:", "[::1]")) or host.split(".")[-1] in ("localhost", "*")


def _keys_host(distribution: Distribution) -> bool:
    policies = (behavior.cache_policy for _, behavior in _behaviors(distribution, ""))
    return any("host" in map(str.lower, policy.headers.items) for policy in policies)


def _alias_warnings(distribution: Distribution, where: str) -> Iterator[Problem]:
    """Host is sent and not keyed: the answer for one alias is served to all."""
    for place, behavior in _behaviors(distribution, where):
        policy = behavior.origin_request_policy
        if policy is not None and _sends(policy, "host") and behavior.cache_policy.ttl_s_max > 0:
            yield Problem(
                f"{place}.origin_request_policy",
                "sends Host, which is not in the key: one alias's answer is served to the others",
            )


def _unreachable_behaviors(distribution: Distribution, where: str) -> Iterator[Problem]:
    """Patterns whose every path an earlier pattern takes."""
    earlier: list[str] = []
    for index, behavior in enumerate(distribution.behaviors):
        pattern = "/" + behavior.path_pattern.removeprefix("/")
        by = next((known for known in earlier if covers(known, pattern)), None)
        if by is not None and by != pattern:
            yield Problem(
                f"{where}.behaviors[{index}].path_pattern",
                f"{quoted(behavior.path_pattern)} can never match: {quoted(by)} stands before it",
            )
        earlier.append(pattern)
    if any(covers(known, "/*") for known in earlier):
        yield Problem(f"{where}.default_behavior", "is never reached: a pattern before takes all")


def covers(wide: str, narrow: str) -> bool:
    """Whether every path that matches `narrow` matches `wide`; never true when it does not hold.

    The `*` and `?` of `narrow` are read as characters which only `*`, and for `?` also `?`, takes.
    """
    reached = {0}
    for char in [*narrow, ""]:
        reached = _past_stars(wide, reached)
        if not char:
            return len(wide) in reached
        reached = {place for at in reached for place in _steps(wide, at, char)}
    return False


def _past_stars(wide: str, reached: set[int]) -> set[int]:
    places = set(reached)
    for at in reached:
        place = at
        while place < len(wide) and wide[place] == "*":
            place += 1
            places.add(place)
    return places


def _steps(wide: str, at: int, char: str) -> Iterator[int]:
    if at == len(wide):
        return
    if wide[at] == "*":
        yield at
    elif char != "*" and wide[at] in ("?", char):
        yield at + 1


def _unused_origins(distribution: Distribution, where: str) -> Iterator[Problem]:
    used = {behavior.origin for _, behavior in _behaviors(distribution, where)}
    for index, group in enumerate(distribution.origin_groups):
        if group.id in used:
            used |= set(group.members)
        else:
            yield Problem(f"{where}.origin_groups[{index}]", f"{quoted(group.id)} is not used")
    for index, origin in enumerate(distribution.origins):
        if origin.id not in used:
            yield Problem(f"{where}.origins[{index}]", f"{quoted(origin.id)} is not used")


def _caching_warnings(behavior: Behavior, where: str) -> Iterator[Problem]:
    policy = behavior.cache_policy
    extra = behavior.origin_request_policy
    if policy.ttl_s_min > 0 and _sends_private(behavior):
        yield Problem(
            f"{where}.cache_policy.ttl_s_min",
            f"{policy.ttl_s_min} holds even for no-store and private, and the origin is sent"
            " cookies or Authorization",
        )
    if policy.ttl_s_max > 0 and policy.cookies.behavior == "all":
        yield Problem(
            f"{where}.cache_policy.cookies",
            '"all" makes an object for each viewer, and requests for it are not collapsed',
        )
    if extra is not None and policy.ttl_s_max > 0 and _unkeyed(policy.cookies, extra.cookies):
        yield Problem(
            f"{where}.origin_request_policy.cookies",
            "are sent and not in the key: one viewer's answer is served to others",
        )


def _compression_warnings(behavior: Behavior, where: str, semantics: str) -> Iterator[Problem]:
    """CloudFront Developer Guide, "Serve compressed files": the behavior and the policy say so."""
    policy = behavior.cache_policy
    if not behavior.compress:
        return
    if semantics == "rfc9111":
        yield Problem(f"{where}.compress", 'does nothing under "rfc9111": the origin compresses')
    elif policy.ttl_s_max == 0:
        yield Problem(f"{where}.compress", "does nothing: the cache policy keeps nothing")
    elif not (policy.accept_encoding_gzip or policy.accept_encoding_brotli):
        yield Problem(
            f"{where}.compress",
            "does nothing: the cache policy has neither accept_encoding_gzip nor"
            " accept_encoding_brotli = true",
        )


def _unkeyed(keyed: Selection, sent: Selection) -> bool:
    if sent.behavior == "none" or keyed.behavior == "all":
        return False
    known = keyed.behavior == "whitelist" and sent.behavior == "whitelist"
    return not (known and set(sent.items) <= set(keyed.items))


def _sends(policy: OriginRequestPolicy, name: str) -> bool:
    listed = name in map(str.lower, policy.headers.items)
    match policy.headers.behavior:
        case "allViewer" | "allViewerAndWhitelistCloudFront":
            return True
        case "allExcept":
            return not listed
        case "whitelist":
            return listed
        case _:
            return False


def _sends_private(behavior: Behavior) -> bool:
    keyed, sent = behavior.cache_policy, behavior.origin_request_policy
    if keyed.cookies.behavior != "none" or "authorization" in map(str.lower, keyed.headers.items):
        return True
    return sent is not None and (sent.cookies.behavior != "none" or _sends(sent, "authorization"))


def _forwarding_warnings(behavior: Behavior, where: str) -> Iterator[Problem]:
    policy = behavior.origin_request_policy
    if behavior.forwarded_values is not None:
        if behavior.forwarded_values.headers == ("*",):
            yield Problem(f"{where}.forwarded_values.headers", '"*" switches caching off')
        return
    if policy is None:
        return
    if _sends(policy, "authorization") and behavior.cache_policy.ttl_s_max > 0:
        keyed = map(str.lower, behavior.cache_policy.headers.items)
        if "authorization" not in keyed:
            yield Problem(
                f"{where}.origin_request_policy.headers",
                "send Authorization, which is not in the key: what one viewer may see is served"
                " to all",
            )


def _password_warnings(behavior: Behavior, where: str) -> Iterator[Problem]:
    auth = behavior.basic_auth
    if auth is None:
        return
    if behavior.viewer_protocol_policy == "allow-all":
        yield Problem(
            f"{where}.basic_auth",
            "passwords are asked for over http, too, where others can read them: name"
            ' viewer_protocol_policy = "redirect-to-https"',
        )


def _grpc_warnings(behavior: Behavior, where: str, config: Config) -> Iterator[Problem]:
    spoken = [one for location in config.locations for one in location.spoken]
    if behavior.grpc and spoken and not {"h2", "h2c"}.intersection(spoken):
        yield Problem(
            f"{where}.grpc",
            "no location speaks HTTP/2, by which calls come: name listen_tls of one, or protocols",
        )


def _purge_warnings(behavior: Behavior, where: str, *, control: bool) -> Iterator[Problem]:
    if behavior.purge is None:
        return
    if not control:
        yield Problem(f"{where}.purge", "there is no [control] to ask: each PURGE is answered 503")
    if behavior.purge.access_list.default == "allow":
        yield Problem(
            f"{where}.purge.access_list.default",
            '"allow" lets strangers put questions to control, ten a second of each process',
        )
    if behavior.viewer_protocol_policy == "allow-all":
        yield Problem(
            f"{where}.purge",
            "tokens are taken over http, too, where others can read them: name"
            ' viewer_protocol_policy = "https-only", or ask from this machine alone',
        )


def _cors_warnings(behavior: Behavior, where: str) -> Iterator[Problem]:
    policy = behavior.response_headers_policy
    if policy is None or policy.cors is None:
        return
    if policy.cors.allow_credentials and "*" in policy.cors.allow_origins:
        yield Problem(
            f"{where}.response_headers_policy.cors.allow_credentials",
            'with allow_origins "*" every site may read what a viewer\'s cookies open',
        )
    if not policy.cors.allow_methods:
        return
    if "OPTIONS" not in behavior.allowed_methods:
        yield Problem(
            f"{where}.allowed_methods",
            "OPTIONS is not allowed: a preflight is refused before the CORS policy is looked at",
        )
    elif "OPTIONS" not in behavior.cached_methods:
        yield Problem(
            f"{where}.cached_methods", "OPTIONS is not cached: each preflight goes to the origin"
        )
