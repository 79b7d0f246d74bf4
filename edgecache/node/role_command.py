"""The command lines by which a supervisor starts roles, run without the command line's library.

Every worker's start and memory would pay for what only people need: options, help, tables. Law: it
knows the one form that `supervisor.topology` writes; anything else, and whatever is wrong with the
file, is left to the command line, which says what.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from edgecache.config.load import load
from edgecache.config.model import Config
from edgecache.config.problems import ConfigError
from edgecache.config.secrets import SecretsError
from edgecache.runtime.inherited import EXIT_CONFIGURATION, has_parent
from edgecache.runtime.stderr_log import use_log_settings

OPTIONS = {  # in their order, beside --config
    "control": (),
    "edge": ("--location", "--worker"),
    "origin": (),
    "regional": ("--name",),
}


@dataclass(frozen=True, slots=True)
class RoleCommand:
    """A role of the configuration file at `path`; `name` of its location or regional cache."""

    role: str
    path: Path
    name: str = ""
    worker: int = 0


def parse_role_command(arguments: Sequence[str]) -> RoleCommand | None:
    """The role that these arguments (without the program) ask for; None in any other form."""
    if len(arguments) < 3 or arguments[0] not in OPTIONS or arguments[1] != "--config":
        return None
    role, _, path, *rest = arguments
    given = dict(zip(rest[::2], rest[1::2], strict=False))
    if len(rest) % 2 or tuple(given) != OPTIONS[role][: len(rest) // 2]:
        return None
    worker = given.get("--worker", "0")
    if (role == "edge") is not (worker.isdecimal() and int(worker) > 0):
        return None
    return RoleCommand(
        role, Path(path), given.get("--location", given.get("--name", "")), int(worker)
    )


def run_role_command(arguments: Sequence[str]) -> int | None:
    """Run the role to its end, and give the exit code; None: it is for the command line."""
    command = parse_role_command(arguments) if has_parent() else None
    if command is None:
        return None
    try:
        config = load(command.path)
    except ConfigError:
        return None
    if not _is_in(command, config):
        return None
    use_log_settings(config.process)
    try:
        return _run(command, config)
    except SecretsError as error:
        print(f"edgecache: {error}", file=sys.stderr)
        return EXIT_CONFIGURATION


def _is_in(command: RoleCommand, config: Config) -> bool:
    """Whether the file, which may be another one by now, still has this role."""
    return {
        "control": config.control is not None,
        "edge": any(one.name == command.name for one in config.locations),
        "origin": config.bucket is not None,
        "regional": any(one.name == command.name for one in config.regional_tier),
    }[command.role]


def _run(command: RoleCommand, config: Config) -> int:
    if command.role in ("control", "origin"):
        from edgecache.node import service_roles

        if command.role == "control":
            return service_roles.run_control(config, command.path)
        return service_roles.run_origin(config)
    from edgecache.node import roles

    if command.role == "edge":
        return roles.run_edge(config, command.name, command.worker)
    return roles.run_regional(config, command.name)
