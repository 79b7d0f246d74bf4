"""Report of `edgecache check`: a configuration file, with what the API made in its state_dir."""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import typer

from edgecache.cli.options import load_config_with_sources, print_json, refuse
from edgecache.config.aws.unsupported import UNSUPPORTED
from edgecache.config.lint import lint
from edgecache.config.load import load_with_sources
from edgecache.config.model import Config, Distribution
from edgecache.config.problems import ConfigError, Problem, listed
from edgecache.config.refused_distributions import (
    WAY_OUT,
    ignored_member_problems,
    ignored_members,
    refusal_problems,
)
from edgecache.config.settings import SETTINGS
from edgecache.config.sources import Sources

_NOTHING_SERVED = "distributions: none yet: locations answer 403 until the API makes one"


@dataclass(frozen=True, slots=True)
class CheckReport:
    """`problems` keep something from being served; `warnings` do not."""

    problems: tuple[str, ...]
    warnings: tuple[str, ...]


def check_file(path: Path, *, files: bool, as_json: bool) -> None:
    """Tell the report of the file at `path`; exit code 2 when there are problems."""
    if as_json:
        document = _as_json(path, files=files)
        print_json(document)
        raise typer.Exit(2 if document["problems"] else 0)
    found, sources = load_config_with_sources(path)
    said = _located(check_report(found, files=files), sources)
    for warning in said.warnings:
        typer.echo(f"warning: {warning}")
    if said.problems:
        refuse([with_heading(path, said.problems)])
    counts = f"distributions: {len(found.distributions)}, locations: {len(found.locations)}"
    typer.echo(f"{path}: no problems ({counts})")


def _as_json(path: Path, *, files: bool) -> dict[str, Any]:
    told = {"file": str(path), "problems": [], "warnings": []}
    try:
        found, sources = load_with_sources(path)
    except ConfigError as error:
        return {**told, "problems": [problem.shown for problem in error.problems]}
    said = _located(check_report(found, files=files), sources)
    counts = {"distributions": len(found.distributions), "locations": len(found.locations)}
    return {**told, **counts, "problems": said.problems, "warnings": said.warnings}


def print_settings(*, as_json: bool) -> None:
    """Print every number of a configuration: its place, default, bounds, and why."""
    if as_json:
        names = ("place", "default", "low", "high", "unit", "why")
        print_json([{name: getattr(one, name) for name in names} for one in SETTINGS])
        return
    for setting in SETTINGS:
        default = "required" if setting.default is None else setting.shown(setting.default)
        typer.echo(f"{setting.place} = {default} ({setting.bounds})\n    {setting.why}")


def print_schema() -> None:
    """Print the JSON schema of a configuration file."""
    from edgecache.config.json_schema import configuration_schema

    print_json(configuration_schema())


def check_report(config: Config, *, files: bool = True) -> CheckReport:
    """Problems and warnings of a configuration that has passed the checks.

    With `files` the files and folders that it names are opened.
    """
    from edgecache.control.cloudfront.origin_reach import unreachable_origins
    from edgecache.control.state.catalog import load_api_resources
    from edgecache.control.state.compose import ApiResources, NotComposedError, compose
    from edgecache.control.state.database import StateError
    from edgecache.control.state.resources import ResourceKind
    from edgecache.functions.source_check import unseen_headers
    from edgecache.rules.redirect_loops import redirect_loops
    from edgecache.supervisor.preflight import broken_functions, broken_lambda_functions

    warnings = [*map(str, (*lint(config), *redirect_loops(config)))]
    warnings += _warnings_of_files(config) if files else ()
    warnings += unseen_headers(config)
    if not any((config.control, config.regional_tier, config.bucket, config.locations)):
        warnings.append("nothing to run: no control, regional, bucket or locations")
    problems = _unopened_files(config) if files else []
    problems += [*broken_functions(config), *broken_lambda_functions(config)]
    made, unavailable = ApiResources(), list[str]()
    try:
        made = load_api_resources(Path(config.state_dir))
        composition = compose(config, made, lambda *_: True, None, lambda _: True)
    except NotComposedError as error:
        problems += error.lines
    except StateError as error:
        warnings.append(str(error))
    else:
        if config.locations and not (config.distributions or made.of(ResourceKind.DISTRIBUTION)):
            warnings.append(_NOTHING_SERVED)
        problems += map(str, composition.refused)
        api = {one.id for one in made.of(ResourceKind.DISTRIBUTION)}
        composed = composition.config
        unavailable += (reason for site in composed.unavailable for reason in site.reasons)
        problems += unreachable_origins(made.of(ResourceKind.DISTRIBUTION), composed, config)
        for site in composed.unavailable:
            if site.id in api:
                problems += (f"{_made(site.id)}: {reason}" for reason in site.reasons)
        for one in composed.distributions:
            if one.id in api:
                warnings += (
                    f"{_made(one.id)}: {member}" for member in ignored_members(one, composed)
                )
    problems = [*map(str, refusal_problems(config, made.adopted)), *problems]
    warnings += map(str, ignored_member_problems(config, made.adopted))
    if any(UNSUPPORTED in reason for reason in unavailable):
        warnings.append(f"what is not supported answers 503: {WAY_OUT}")
    return CheckReport(tuple(problems), tuple(warnings))


def _located(report: CheckReport, sources: Sources) -> CheckReport:
    """The same, each line with its file where there are several."""
    return CheckReport(
        tuple(map(sources.located_line, report.problems)),
        tuple(map(sources.located_line, report.warnings)),
    )


def _unopened_files(config: Config) -> list[str]:
    from edgecache.node.secret_watch import missing_values
    from edgecache.supervisor.preflight import broken_hooks, unopened_files

    # What an origin is to be sent may stand in a file, too; variables are those of the start.
    return [
        *unopened_files(config),
        *broken_hooks(config),
        *(line for line in missing_values(config, os.environ) if ": file:" in line),
    ]


def _warnings_of_files(config: Config) -> list[str]:
    from edgecache.supervisor.preflight import missing_extras

    certificates = map(str, certificate_warnings(config, time.time()))
    return [*missing_extras(config), *certificates, *_missing_credentials(config)]


def _missing_credentials(config: Config) -> Iterator[str]:
    """Key pairs that this machine does not have; those of variables are known at a start alone."""
    from edgecache.config.secrets import SecretsError, read_secrets

    named = {
        f"log_delivery.buckets[{index}].credential": bucket.credential
        for index, bucket in enumerate(config.log_delivery.buckets)
    }
    if config.reserve is not None:
        named["reserve.credential"] = config.reserve.credential
    if not any(named.values()):
        return
    try:
        held = {*read_secrets(config.state_dir, os.environ).origin}
    except SecretsError:  # the first start makes the file
        held = set()
    for where, name in named.items():
        if name and name not in held:
            yield f'{where}: no key pair "{name}" in secrets.json; run: edgecache keys store {name}'


def _made(id: str) -> str:
    return f"distribution {id} (made over the API)"


def with_heading(path: Path, problems: Iterable[str]) -> str:
    """Problems, one a line, below their count and the file's name."""
    lines = [*problems]
    count = f"{len(lines)} problem{'s' if len(lines) > 1 else ''}"
    return "\n  ".join([f"{path}: {count}", *lines])


def certificate_warnings(config: Config, now: float) -> Iterator[Problem]:
    """Of certificates in files that are sound; `now` in epoch seconds."""
    for index, distribution in enumerate(config.distributions):
        yield from _of_distribution(distribution, f"distributions[{index}]", now)
    folder = "" if config.control is None else config.control.acme_challenges
    if folder and not Path(folder).is_dir():
        why = f"no such folder: {folder}: make it, and name it to your client of ACME"
        yield Problem("control.acme_challenges", why)


def _of_distribution(distribution: Distribution, where: str, now: float) -> Iterator[Problem]:
    from edgecache.node.certificate_watch import WARNING_DAYS, ending_line
    from edgecache.server.certificates import CertificateFileError, leaf_of, read_pair
    from edgecache.server.dev_certificate import alternative_names

    given = distribution.viewer_certificate
    if not (given.certificate_file and given.key_file):
        return
    try:
        leaf = leaf_of(read_pair((given.certificate_file, given.key_file))[0])
    except CertificateFileError:
        return  # that is a problem, and told as one
    place = f"{where}.viewer_certificate"
    names = {name.lower() for name in alternative_names(leaf)}
    if missing := uncovered(distribution.aliases, names):
        for_whom = ", ".join(sorted(names)) or "nobody"
        why = f"not for {listed(missing)}, whose viewers refuse it; it is for {for_whom}"
        yield Problem(place, f"{given.certificate_file}: {why}")
    ends = leaf.not_valid_after_utc
    if ends.timestamp() - now <= max(WARNING_DAYS) * 86_400:
        name = distribution.aliases[0] if distribution.aliases else distribution.id
        yield Problem(place, ending_line(name, given.certificate_file, ends, now))


def uncovered(aliases: Iterable[str], names: set[str]) -> list[str]:
    """The aliases that a certificate for `names` is not for (RFC 9525 §6.3)."""
    wanted = [alias for alias in map(str.lower, aliases) if alias != "*"]
    return [one for one in wanted if not {one, f"*.{one.partition('.')[2]}"} & names]
