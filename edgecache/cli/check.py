"""Report of `edgecache check`: a configuration file, with what the API made in its state_dir."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from edgecache.config.lint import lint
from edgecache.config.model import Config
from edgecache.config.refused_distributions import (
    WAY_OUT,
    ignored_member_problems,
    ignored_members,
    refusal_problems,
)

_NOTHING_SERVED = "distributions: none yet: locations answer 403 until the API makes one"


@dataclass(frozen=True, slots=True)
class CheckReport:
    """`problems` keep something from being served; `warnings` do not."""

    problems: tuple[str, ...]
    warnings: tuple[str, ...]


def check_report(config: Config) -> CheckReport:
    """Problems and warnings of a configuration that has passed the checks."""
    from edgecache.control.cloudfront.origin_reach import unreachable_origins
    from edgecache.control.state.catalog import load_api_resources
    from edgecache.control.state.compose import ApiResources, NotComposedError, compose
    from edgecache.control.state.database import StateError
    from edgecache.control.state.resources import ResourceKind

    warnings = [*map(str, lint(config))]
    problems: list[str] = []
    made = ApiResources()
    try:
        made = load_api_resources(Path(config.state_dir))
        composition = compose(config, made, lambda *_: True)
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
    if problems and config.unsupported == "refuse":
        warnings.append(f"what is not supported answers 503: {WAY_OUT}")
    return CheckReport(tuple(problems), tuple(warnings))


def _made(id: str) -> str:
    return f"distribution {id} (made over the API)"


def with_heading(path: Path, problems: Iterable[str]) -> str:
    """Problems, one a line, below their count and the file's name."""
    lines = [*problems]
    count = f"{len(lines)} problem{'s' if len(lines) > 1 else ''}"
    return "\n  ".join([f"{path}: {count}", *lines])
