"""A TOML file to a `Config`. Law: a file is used whole and right, or not at all.

Every problem is found in one reading, each with its path in the file; paths of files and folders
in it are relative to the file itself.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar

from msgspec.structs import replace

from edgecache.config.check import check
from edgecache.config.check_policy import check_cache_policy, check_origin_request_policy
from edgecache.config.decode import Decoder, Shorthand, near, shown
from edgecache.config.managed import CACHE_POLICIES, ORIGIN_REQUEST_POLICIES, by_name
from edgecache.config.model import (
    CachePolicy,
    Config,
    Distribution,
    Model,
    Origin,
    OriginRequestPolicy,
)
from edgecache.config.problems import ConfigError, Problem, Problems, quoted

FILE_BYTES_MAX = 16 * 1024 * 1024  # 500 distributions of 75 behaviors (CloudFront's quotas) fit

Policy = TypeVar("Policy", CachePolicy, OriginRequestPolicy)


def load(path: Path | str) -> Config:
    """The configuration in the TOML file at `path`. ConfigError holds every problem."""
    file = Path(path)
    table = _parsed(file)
    problems = Problems()
    config = _anchored(_decoded(table, problems), file.absolute().parent)
    check(config, problems)
    if problems.found:
        raise ConfigError(file, problems.found)
    return config


def _parsed(file: Path) -> dict[str, Any]:
    try:
        with file.open("rb") as opened:
            data = opened.read(FILE_BYTES_MAX + 1)
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise ConfigError(file, [Problem("", reason)]) from error
    if len(data) > FILE_BYTES_MAX:
        raise ConfigError(file, [Problem("", f"larger than {FILE_BYTES_MAX} bytes")])
    try:
        return tomllib.loads(data.decode("utf-8"))
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise ConfigError(file, [Problem("", f"not UTF-8 (at line {line})")]) from error
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise ConfigError(file, [Problem("", f"not TOML: {_lowered(str(error))}")]) from error


def _lowered(message: str) -> str:
    return message[:1].lower() + message[1:]


def _decoded(table: dict[str, Any], problems: Problems) -> Config:
    """The model of a file whose own policies are put where it names them."""
    rest = dict(table)
    inline = Decoder(problems, {CachePolicy: _cache_policy_table})
    own_caches = _own_policies(CachePolicy, rest.pop("cache_policies", []), inline)
    own_requests = _own_policies(
        OriginRequestPolicy, rest.pop("origin_request_policies", []), inline
    )
    caches = by_name(CACHE_POLICIES) | own_caches
    requests = by_name(ORIGIN_REQUEST_POLICIES) | own_requests

    def cache_policy(value: object, where: str, problems: Problems) -> object:
        found = _by_name(CachePolicy, caches, value, where, problems)
        return _cache_policy_table(found, where, problems)

    def origin_request_policy(value: object, where: str, problems: Problems) -> object:
        return _by_name(OriginRequestPolicy, requests, value, where, problems)

    shorthand: dict[type[Model], Shorthand] = {
        CachePolicy: cache_policy,
        OriginRequestPolicy: origin_request_policy,
    }
    return Decoder(problems, shorthand).read(Config, rest, "")


_WORDS: dict[type[Model], tuple[str, str]] = {
    CachePolicy: ("cache_policies", "a cache policy"),
    OriginRequestPolicy: ("origin_request_policies", "an origin request policy"),
}


def _own_policies(model: type[Policy], value: object, decoder: Decoder) -> dict[str, Policy]:
    """The policies a file defines for several behaviors, by name and id, each checked once."""
    place = _WORDS[model][0]
    problems = decoder.problems
    if not isinstance(value, list):
        problems.add(place, f"expected a list, got {shown(value)}")
        return {}
    found: dict[str, Policy] = {}
    for index, item in enumerate(value):
        where = f"{place}[{index}]"
        policy = decoder.read(model, item, where)
        if isinstance(policy, CachePolicy):
            check_cache_policy(policy, where, problems)
        else:
            check_origin_request_policy(policy, where, problems)
        if not policy.name and not policy.id:
            problems.add(f"{where}.name", "missing")
        for spelling in filter(None, {policy.name, policy.id}):
            if spelling in found:
                problems.add(f"{where}.name", f"{quoted(spelling)} is defined twice")
            found[spelling] = policy
    return found


def _by_name(
    model: type[Policy],
    known: Mapping[str, Policy],
    value: object,
    where: str,
    problems: Problems,
) -> object:
    """The policy a behavior names, or the value itself when it is no name."""
    if not isinstance(value, str):
        return value
    found = known.get(value)
    if found is None:
        problems.add(where, f"{quoted(value)} is not {_WORDS[model][1]}{near(value, known)}")
    problems.settle(where)
    return found or model()


def _cache_policy_table(value: object, where: str, problems: Problems) -> object:
    """TTLs left out give way to those written (API reference, CachePolicyConfig).

    DefaultTTL is at least MinTTL and MaxTTL at least DefaultTTL; ours is also at most MaxTTL,
    where CloudFront refuses the policy.
    """
    if not isinstance(value, dict):
        return value
    low, high = value.get("ttl_s_min", 0), value.get("ttl_s_max")
    default = value.get("ttl_s_default")
    if not all(isinstance(ttl, int | None) for ttl in (low, high, default)):
        return value
    if default is None:
        default = max(low, CachePolicy().ttl_s_default)
        default = default if high is None else min(default, max(low, high))
    if high is None:
        high = max(default, CachePolicy().ttl_s_max)
    return value | {"ttl_s_default": default, "ttl_s_max": high}


def _anchored(config: Config, folder: Path) -> Config:
    """Paths relative to the file made absolute."""

    def at(path: str) -> str:
        return str((folder / path).resolve()) if path and "\0" not in path else path

    def origin_at(origin: Origin) -> Origin:
        return replace(origin, ca_file=at(origin.ca_file))

    def distribution_at(distribution: Distribution) -> Distribution:
        given = distribution.viewer_certificate
        return replace(
            distribution,
            origins=tuple(map(origin_at, distribution.origins)),
            viewer_certificate=replace(
                given,
                certificate_file=at(given.certificate_file),
                key_file=at(given.key_file),
            ),
        )

    bucket = config.bucket
    return replace(
        config,
        state_dir=at(config.state_dir),
        geo_database=at(config.geo_database),
        asn_database=at(config.asn_database),
        bucket=replace(bucket, folder=at(bucket.folder)) if bucket else None,
        distributions=tuple(map(distribution_at, config.distributions)),
    )
