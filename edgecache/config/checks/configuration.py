"""Checks of a whole configuration: names, addresses, disks, bounds.

Law: every process can run on whatever passes here. `check_bounds` judges the numbers that no file
was decoded for, those of CloudFront's JSON; a file's own are judged as it is decoded.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any

import msgspec

from edgecache.config.checks.access import check_access
from edgecache.config.checks.access_lists import check_access_lists
from edgecache.config.checks.continuous_deployment import check_continuous_deployment
from edgecache.config.checks.distribution import ID, check_distribution
from edgecache.config.checks.dns import check_dns
from edgecache.config.checks.dns_zones import check_zones
from edgecache.config.checks.functions import check_functions, check_key_value_stores
from edgecache.config.checks.health_checks import check_health_checks
from edgecache.config.checks.keys import check_keys
from edgecache.config.checks.lambda_functions import check_lambda_functions
from edgecache.config.checks.log_delivery import check_access_log, check_log_delivery
from edgecache.config.checks.policies import check_traced_keys
from edgecache.config.checks.quotas import check_quotas
from edgecache.config.checks.rate_limits import check_location_limits
from edgecache.config.checks.realtime_logs import check_realtime_logs
from edgecache.config.checks.regional_caches import check_regional_caches, check_reserve
from edgecache.config.checks.site import check_control, check_pair
from edgecache.config.checks.trace_settings import check_tracing
from edgecache.config.checks.trusted_proxies import check_trusted_proxies
from edgecache.config.listen import (
    Address,
    TcpAddress,
    UnixAddress,
    overlaps,
    parse_listen,
    reaches_out,
    speaks_tls,
    tcp_address,
)
from edgecache.config.model import (
    Bucket,
    Config,
    Control,
    Distribution,
    Location,
    Model,
    RegionalCache,
)
from edgecache.config.origin_map import check_origin_map
from edgecache.config.problems import ProblemCode, Problems, joined, quoted
from edgecache.config.settings import BY_FIELD

LOCATIONS_MAX = 64

_LOCATION_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9-]{0,31}")  # stands in X-Amz-Cf-Pop and files
_BRAND = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]{1,64}")  # a token: it stands in Via
_BUCKET_NAME = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")  # S3: "Bucket naming rules"
_ALIAS = re.compile(r"(\*\.)?[a-z0-9_]([a-z0-9_.-]{0,251}[a-z0-9])?|\*|\[[0-9a-f:.]+\]")
_HOST = re.compile(r"[a-z0-9_]([a-z0-9_.-]{0,251}[a-z0-9])?|\[[0-9a-f:.]+\]")
_CONTROL_CHARACTER = re.compile(r"[\x00-\x1f\x7f]")


def _is_unknown(_distribution: Distribution) -> bool:
    return False


def check(
    config: Config, problems: Problems, is_good: Callable[[Distribution], bool] = _is_unknown
) -> None:
    """Everything that no single value can be blamed for by its type or bounds.

    `is_good`: whether a distribution has passed before what needs no other one.
    """
    if not _BRAND.fullmatch(config.brand):
        problems.add("brand", f"{quoted(config.brand)} is not one word (a token of RFC 9110)")
    check_quotas(config, problems)
    if not config.state_dir or _CONTROL_CHARACTER.search(config.state_dir):
        problems.add("state_dir", f"{quoted(config.state_dir)} is not a path")
    if config.bucket:
        _check_bucket(config.bucket, config.state_dir, problems)
    _check_disks(config, problems)
    _check_locations(config, problems)
    check_regional_caches(config, problems)
    _check_addresses(config, problems)
    _check_names(config, problems)
    check_keys(config, problems)
    check_access(config, problems)
    check_access_lists(config, problems)
    check_continuous_deployment(config, problems)
    check_control(config, problems)
    check_traced_keys(config, problems)
    check_tracing(config.tracing, problems)
    check_access_log(config, problems)
    check_log_delivery(config, problems)
    check_realtime_logs(config, problems)
    check_reserve(config, problems)
    check_origin_map(config.origin_map, "origin_map", problems)
    check_dns(config, problems)
    check_zones(config, problems)
    check_health_checks(config, problems)
    check_functions(config, problems)
    check_lambda_functions(config, problems)
    check_key_value_stores(config, problems)
    for index, distribution in enumerate(config.distributions):
        if not is_good(distribution):
            check_distribution(distribution, f"distributions[{index}]", problems)


def check_bounds(piece: Model, where: str, problems: Problems) -> None:
    """Every setting in `piece` and in what it holds."""
    for name in piece.__struct_fields__:
        value = getattr(piece, name)
        place = joined(where, name)
        setting = BY_FIELD.get((type(piece), name))
        if setting is not None and value is not None:
            if not setting.low <= value <= setting.high:
                problems.add(place, f"{value} is outside {setting.bounds}")
        else:
            _check_held(value, place, problems)


def listeners(config: Config) -> Iterator[tuple[str, str]]:
    """Every address of a configuration as written, with its place in the file."""
    if config.control:
        yield "control.listen", config.control.listen
    for where, cache in config.regional_parts.items():
        yield f"{where}.listen", cache.listen
    if config.bucket:
        yield "bucket.listen", config.bucket.listen
    for index, location in enumerate(config.locations):
        yield f"locations[{index}].listen", location.listen
        if location.listen_tls:
            yield f"locations[{index}].listen_tls", location.listen_tls
    yield from _health_listeners(config)


def _health_listeners(config: Config) -> Iterator[tuple[str, str]]:
    parts: list[tuple[str, Control | RegionalCache | Location | None]] = [
        ("control", config.control),
        *config.regional_parts.items(),
    ]
    parts += [(f"locations[{index}]", place) for index, place in enumerate(config.locations)]
    for where, part in parts:
        if part is not None and part.health_listen:
            yield f"{where}.health_listen", part.health_listen


def advertisements(config: Config) -> Iterator[tuple[str, str]]:
    """Every `advertise` that is given, and other controls', with its place in the file."""
    named = [("control", config.control), *config.regional_parts.items()]
    for where, part in named:
        if part is not None and part.advertise:
            yield f"{where}.advertise", part.advertise
    for index, address in enumerate(config.control.addresses if config.control else ()):
        yield f"control.addresses[{index}]", address
    for index, location in enumerate(config.locations):
        if location.advertise:
            yield f"locations[{index}].advertise", location.advertise


def own_addresses(config: Config) -> list[Address]:
    """Addresses no origin may have: where a checked configuration listens, but for the bucket."""
    texts = [text for where, text in listeners(config) if where != "bucket.listen"]
    texts += [text for _, text in advertisements(config)]
    return [parse_listen(text, config.state_dir) for text in texts]


def _check_bucket(bucket: Bucket, state_dir: str, problems: Problems) -> None:
    if not bucket.folder or "\0" in bucket.folder:
        problems.add("bucket.folder", f"{quoted(bucket.folder)} is not a path")
    if not _BUCKET_NAME.fullmatch(bucket.name):
        problems.add("bucket.name", f"{quoted(bucket.name)} is not the name of a bucket")
    for index, host in enumerate(bucket.hosts):
        if not _HOST.fullmatch(host.lower()):
            problems.add(f"bucket.hosts[{index}]", f"{quoted(host)} is not a host name (no port)")
    with suppress(ValueError):  # told with the other addresses
        address = parse_listen(bucket.listen, state_dir)
        if isinstance(address, TcpAddress) and address.is_any and not bucket.hosts:
            problems.add(
                "bucket.hosts",
                f"missing: bucket.listen is {address}: say what names it is asked by",
            )


def _check_disks(config: Config, problems: Problems) -> None:
    disks = [(where, cache.disk) for where, cache in config.regional_parts.items()]
    disks += [(f"locations[{index}]", place.disk) for index, place in enumerate(config.locations)]
    for where, disk in disks:
        if disk is not None and _CONTROL_CHARACTER.search(disk.folder):
            problems.add(f"{where}.disk.folder", f"{quoted(disk.folder)} is not a path")


def _check_locations(config: Config, problems: Problems) -> None:
    if config.locations and not (config.distributions or config.unavailable or config.control):
        problems.add("distributions", "empty, and there is no [control] to add any by its API")
    for index, location in enumerate(config.locations):
        check_trusted_proxies(location, f"locations[{index}]", problems)
        check_location_limits(location, f"locations[{index}]", problems)
        _check_protocols(location, f"locations[{index}]", problems)
    if len(config.locations) > LOCATIONS_MAX:
        problems.add("locations", f"{len(config.locations)} are more than {LOCATIONS_MAX}")
    seen: set[str] = set()
    for index, location in enumerate(config.locations):
        where = f"locations[{index}]"
        if not _LOCATION_NAME.fullmatch(location.name):
            problems.add(
                f"{where}.name", f"{quoted(location.name)} is not a name (letters, digits, -)"
            )
        elif location.name in seen:
            problems.add(f"{where}.name", f"{quoted(location.name)} names another location too")
        seen.add(location.name)


def _check_protocols(location: Location, where: str, problems: Problems) -> None:
    """HTTP/1.1 always; HTTP/2 with TLS, or as the first bytes say; HTTP/3 at the port of TLS."""
    place, spoken = f"{where}.protocols", location.spoken
    if "http1.1" not in spoken:
        problems.add(place, 'every listener speaks HTTP/1.1: add "http1.1"')
    if len(set(spoken)) < len(spoken):
        problems.add(place, "names a protocol twice")
    if "h2" in spoken and not location.listen_tls:
        problems.add(place, 'h2 is agreed on by TLS: set listen_tls, or say "h2c" for `listen`')
    if "h3" not in spoken:
        if location.early_data:
            problems.add(f"{where}.early_data", 'is of HTTP/3: add "h3" to protocols')
        return
    if not location.listen_tls:
        problems.add(place, "h3 is spoken at the UDP port of listen_tls: set that")
    if location.proxy_protocol != "off":
        problems.add(place, "h3 has no PROXY header: take h3 away, or proxy_protocol")
    if location.flow_log is not None:
        problems.add(place, "the flow log does not see h3: take h3 away, or flow_log")


def _check_addresses(config: Config, problems: Problems) -> None:
    """Each is well formed, of a kind its listener can use, and not another's."""
    taken: list[tuple[str, Address]] = []
    for where, text in listeners(config):
        try:
            address = parse_listen(text, config.state_dir)
        except ValueError as error:
            problems.add(where, f"{quoted(text)} {error}")
            continue
        of_regional = where.startswith("regional") and where.endswith(".listen")
        if isinstance(address, UnixAddress) and not of_regional:
            problems.add(where, f"{quoted(text)}: only a regional cache listens on a socket file")
        for other, held in taken:
            if overlaps(address, held) and not _are_apart(config, where, other):
                problems.add(where, f"{quoted(text)} is already taken by {other}")
        taken.append((where, address))
        if of_regional and config.cluster.mutual_tls is None:
            _check_between_machines(where, address, problems)
    if not problems.found:
        _check_canary(config, problems)
    for where, text in advertisements(config):
        check_advertised(where, text, problems)
    if config.control is not None:
        check_pair(config.control, "control", problems)
    for index, name in enumerate(config.control.names if config.control else ()):
        if not _HOST.fullmatch(name.lower()):
            problems.add(f"control.names[{index}]", f"{quoted(name)} is not a host name (no port)")


def _are_apart(config: Config, one: str, other: str) -> bool:
    """Whether two listeners are on two machines: of two regions, or of regional caches that others
    reach by two names.
    """
    parts: dict[str, RegionalCache | Location] = {**config.regional_parts}
    parts |= {f"locations[{index}]": place for index, place in enumerate(config.locations)}
    pair = [parts.get(where.rpartition(".")[0]) for where in (one, other)]
    regions = {part.region for part in pair if part is not None} - {""}
    if len(regions) == len(pair):
        return True
    caches = [part for part in pair if isinstance(part, RegionalCache) and part.advertise]
    return len({part.advertise.rpartition(":")[0] for part in caches}) == len(pair)


def check_advertised(where: str, text: str, problems: Problems) -> None:
    """It is what others connect to: one address or name, and a port."""
    try:
        address = tcp_address(text)
    except ValueError as error:
        reason = str(error).replace(" or unix:NAME", "")
        problems.add(where, f"{quoted(text)} {reason}")
        return
    if address.is_any:
        problems.add(where, f"{quoted(text)} is every address: say one, or a name, of this machine")


def _check_canary(config: Config, problems: Problems) -> None:
    """Its object's origin is control itself, asked as any origin is."""
    if config.control and config.control.canary_s and speaks_tls(config.control, config):
        problems.add(
            "control.canary_s",
            "the canary asks control in plain HTTP, which cluster.mutual_tls refuses: leave it out",
        )


def _check_between_machines(where: str, address: Address, problems: Problems) -> None:
    if reaches_out(address):
        problems.add(
            "cluster.mutual_tls",
            f"missing: {where} is {address}, for other machines: true (see `edgecache nodes "
            "token`), or false where the network between them is your own",
        )


def _check_names(config: Config, problems: Problems) -> None:
    """Ids are unique; a host name leads to one distribution (CNAMEAlreadyExists)."""
    ids: set[str] = set()
    holders: dict[str, str] = {}
    for index, distribution in enumerate(config.distributions):
        where = f"distributions[{index}]"
        if not ID.fullmatch(distribution.id):
            problems.add(
                f"{where}.id", f"{quoted(distribution.id)} is not an id (letters, digits, - _ .)"
            )
        elif distribution.id in ids:
            problems.add(f"{where}.id", f"{quoted(distribution.id)} is another distribution's too")
        ids.add(distribution.id)
        for place, name in _host_names(distribution, where):
            _check_host_name(name, place, holders, problems)


def _host_names(distribution: Distribution, where: str) -> Iterator[tuple[str, str]]:
    if distribution.domain_name:
        yield f"{where}.domain_name", distribution.domain_name
    for index, alias in enumerate(distribution.aliases):
        yield f"{where}.aliases[{index}]", alias


def _check_host_name(name: str, where: str, holders: dict[str, str], problems: Problems) -> None:
    folded = name.lower()
    if not _ALIAS.fullmatch(folded):
        problems.add(where, f'{quoted(name)} is not a host name, "*.name" or "*" (without port)')
    elif folded in holders:
        problems.add(where, f"{quoted(name)} is already {holders[folded]}", ProblemCode.TAKEN)
    holders.setdefault(folded, where)


def _check_held(value: Any, where: str, problems: Problems) -> None:
    if isinstance(value, msgspec.Struct):
        check_bounds(value, where, problems)  # type: ignore[arg-type]  # all of ours are Models
    elif isinstance(value, tuple):
        for index, item in enumerate(value):
            _check_held(item, f"{where}[{index}]", problems)
