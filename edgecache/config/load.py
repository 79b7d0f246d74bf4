"""Loader of a configuration file (TOML). Law: a file is used whole and right, or not at all.

Every problem is found in one reading, each with its path in the file; paths of files and folders
in it are relative to the file itself, those in `conf.d` too.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from msgspec.structs import replace

from edgecache.config.caches import with_socket
from edgecache.config.checks.configuration import check
from edgecache.config.decode import Decoder
from edgecache.config.functions import read_code_files
from edgecache.config.key_value_stores import read_data_files, with_store_ids
from edgecache.config.lambda_functions import read_code_folders
from edgecache.config.model import (
    Behavior,
    Bucket,
    Config,
    Control,
    Distribution,
    Location,
    LogDelivery,
    Origin,
    RegionalCache,
    Tracing,
)
from edgecache.config.origin_map import MAP_ENV, read_map
from edgecache.config.problems import ConfigError, Problems
from edgecache.config.public_keys import read_pem_files
from edgecache.config.references import NamedPolicies
from edgecache.config.sources import Sources, read_sources
from edgecache.config.zone_records import with_zone_files

_Cache = TypeVar("_Cache", Location, RegionalCache)


def load(path: Path | str) -> Config:
    """The configuration in the TOML file at `path`, and in what goes with it (`sources`).

    ConfigError holds every problem.
    """
    return load_with_sources(path)[0]


def load_with_sources(path: Path | str) -> tuple[Config, Sources]:
    """As `load`; and from which file each value is."""
    file = Path(path)
    sources = read_sources(file, os.environ)
    problems = Problems()
    folder = file.absolute().parent
    config = _with_absolute_paths(_decode(sources.table, folder, problems), folder)
    config = read_pem_files(config, folder, problems)
    config = replace(
        config, origin_map=read_map(os.environ.get(MAP_ENV, ""), problems) | config.origin_map
    )
    config = replace(config, dns=with_zone_files(config.dns, folder, problems))
    functions = read_code_files(config.functions, folder, problems)
    stores = read_data_files(config.key_value_stores, folder, problems)
    functions = with_store_ids(functions, stores)
    lambdas = read_code_folders(config.lambda_functions, folder, problems)
    config = replace(config, functions=functions, key_value_stores=stores, lambda_functions=lambdas)
    if config.unavailable:
        problems.add("unavailable", "is control's to say: a file has `enabled = false`")
    if config.revoked_nodes:
        problems.add("revoked_nodes", "is control's to say: `edgecache nodes revoke NODE`")
    check(config, problems)
    _check_reach(config, problems)
    if problems.found:
        raise ConfigError(file, map(sources.located, problems.found))
    return config, sources


def _check_reach(config: Config, problems: Problems) -> None:
    """No file opens our own addresses to viewers."""
    for index, distribution in enumerate(config.distributions):
        for number, origin in enumerate(distribution.origins):
            if origin.reach == "own":
                where = f"distributions[{index}].origins[{number}].reach"
                problems.add(where, '"own" is not for origins ("private" or "public")')


def _decode(table: dict[str, Any], folder: Path, problems: Problems) -> Config:
    """The model of a file whose own policies and documents are put where it names them."""
    names = NamedPolicies(folder, problems)
    rest = names.define(table)
    return Decoder(problems, names.shorthand()).read(Config, rest, "")


def _absolute(folder: Path, path: str) -> str:
    return str((folder / path).resolve()) if path and "\0" not in path else path


def _control_at(control: Control, folder: Path) -> Control:
    acme = replace(control.acme, ca_file=_absolute(folder, control.acme.ca_file))
    return replace(
        control,
        database=_reference_at(partial(_absolute, folder), control.database),
        acme_challenges=_absolute(folder, control.acme_challenges),
        certificate_file=_absolute(folder, control.certificate_file),
        key_file=_absolute(folder, control.key_file),
        acme=acme,
    )


def _log_delivery_at(delivery: LogDelivery, folder: Path) -> LogDelivery:
    buckets = (
        replace(one, folder=_absolute(folder, one.folder), ca_file=_absolute(folder, one.ca_file))
        for one in delivery.buckets
    )
    return replace(delivery, buckets=tuple(buckets))


def _behavior_at(behavior: Behavior, at: Callable[[str], str]) -> Behavior:
    auth = behavior.basic_auth
    return replace(behavior, basic_auth=replace(auth, file=at(auth.file))) if auth else behavior


def _reference_at(at: Callable[[str], str], reference: str) -> str:
    path = reference.removeprefix("file:")
    return reference if path == reference else f"file:{at(path)}"


def _tracing_at(tracing: Tracing, at: Callable[[str], str]) -> Tracing:
    headers = {name: _reference_at(at, to) for name, to in tracing.otlp_headers.items()}
    return replace(tracing, otlp_headers=headers, otlp_ca_file=at(tracing.otlp_ca_file))


def _distribution_at(distribution: Distribution, at: Callable[[str], str]) -> Distribution:
    """Its files, at their absolute paths."""
    refer = partial(_reference_at, at)

    def origin_at(origin: Origin) -> Origin:
        return replace(
            origin,
            ca_file=at(origin.ca_file),
            client_certificate_file=at(origin.client_certificate_file),
            client_key_file=at(origin.client_key_file),
            secret_headers={name: refer(to) for name, to in origin.secret_headers.items()},
        )

    certificate = distribution.viewer_certificate
    return replace(
        distribution,
        origins=tuple(map(origin_at, distribution.origins)),
        behaviors=tuple(_behavior_at(one, at) for one in distribution.behaviors),
        default_behavior=_behavior_at(distribution.default_behavior, at),
        viewer_certificate=replace(
            certificate,
            certificate_file=at(certificate.certificate_file),
            key_file=at(certificate.key_file),
        ),
    )


def _with_absolute_paths(config: Config, folder: Path) -> Config:
    """Paths relative to the file made absolute."""

    at = partial(_absolute, folder)

    def bucket_at(bucket: Bucket) -> Bucket:
        return replace(bucket, folder=at(bucket.folder), policy_file=at(bucket.policy_file))

    def cache_at(part: _Cache) -> _Cache:
        disk = part.disk
        return replace(part, disk=replace(disk, folder=at(disk.folder))) if disk else part

    bucket, reserve, dns = config.bucket, config.reserve, config.dns
    if dns is not None:
        dns = replace(dns, certificate_file=at(dns.certificate_file), key_file=at(dns.key_file))
    return replace(
        config,
        control=_control_at(config.control, folder) if config.control else None,
        regional=cache_at(config.regional) if config.regional else None,
        regional_caches=tuple(cache_at(with_socket(one)) for one in config.regional_caches),
        reserve=replace(reserve, ca_file=at(reserve.ca_file)) if reserve else None,
        locations=tuple(map(cache_at, config.locations)),
        state_dir=at(config.state_dir),
        geo_database=at(config.geo_database),
        asn_database=at(config.asn_database),
        ip_sets=tuple(replace(one, file=at(one.file)) for one in config.ip_sets),
        tracing=_tracing_at(config.tracing, at),
        log_delivery=_log_delivery_at(config.log_delivery, folder),
        realtime_log_streams=tuple(
            replace(one, ca_file=at(one.ca_file)) for one in config.realtime_log_streams
        ),
        dns=dns,
        bucket=bucket_at(bucket) if bucket else None,
        distributions=tuple(_distribution_at(one, at) for one in config.distributions),
        python_hooks=tuple(replace(one, file=at(one.file)) for one in config.python_hooks),
    )
