"""Start of a command's processes: all of a file, or one role. Law: refuse before anything runs.

Each function blocks until it is told to stop, and gives the exit code.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Literal

from edgecache.cluster.control_access import (
    supervisor_socket,
)
from edgecache.config.listen import Address
from edgecache.config.model import Config, RegionalCache
from edgecache.config.secrets import SecretsError
from edgecache.runtime.inherited import has_parent
from edgecache.runtime.privileges import missing_privileges
from edgecache.runtime.stderr_log import say, use_log_settings
from edgecache.runtime.systemd import ActivationError, service_manager
from edgecache.supervisor import preflight
from edgecache.supervisor.child import Child
from edgecache.supervisor.dev_installation import DevInstallation, production_settings
from edgecache.supervisor.preflight import Binding
from edgecache.supervisor.service import SupervisedService, Tell
from edgecache.supervisor.topology import (
    Part,
    fleet,
    inner,
    name_servers,
    with_log_target,
    workers,
)

StartedPart = Literal["control", "bucket"]


class StartRefusedError(Exception):
    """A start that was refused: nothing runs; one line for each reason."""

    def __init__(self, lines: Iterable[str]) -> None:
        self.lines = list(lines)
        super().__init__("\n".join(self.lines))


def up(config: Config, path: Path, tell: Tell, dev: DevInstallation | None = None) -> int:
    """Everything in `config`, read from `path`; `tell` is called once all of it answers.

    With `dev` in dev mode, which is refused beside what is for viewers of the world.
    """
    use_log_settings(config.process)
    missing = preflight.missing_files if dev is None else partial(_missing_for_tests, dev.public)
    whole = Part("", lambda config: fleet(config, path), missing)
    _refuse([*missing(config), *missing_privileges(config)])
    _refuse(preflight.missing_secrets(config, spare=dev is not None))
    at_control = config.control is not None
    _refuse(preflight.missing_zone_secret(config, at_control=at_control))
    if not whole.processes(config):
        raise StartRefusedError(
            [f"{path}: nothing to run: no control, regional, bucket or locations"]
        )
    return _supervise(whole, config, path, tell, dev)


def edge(config: Config, path: Path, location: str, worker: int) -> int:
    """One location: as worker `worker`, or (0) as the supervisor of them all."""
    use_log_settings(config.process)
    if all(one.name != location for one in config.locations):
        known = ", ".join(one.name for one in config.locations) or "none"
        raise StartRefusedError([f"--location: {location} is not in {path} (known: {known})"])
    if worker == 0:
        return _supervise_alone(_edge_part(path, location), config, path)
    from edgecache.node.roles import run_edge

    return _run_role(lambda: run_edge(config, location, worker))


def regional(config: Config, path: Path, name: str) -> int:
    """A regional cache, the file's only one where it is not named: as above."""
    use_log_settings(config.process)
    tier = config.regional_tier
    if not tier:
        raise StartRefusedError([f"{path}: there is no [regional] to run"])
    known = [one.name for one in tier if one.name]
    if name not in (known or [""]):
        wrong = f"--name: {name} is not in {path}" if name else "--name: missing"
        listed = ", ".join(known) or "none: there is one, without a name"
        raise StartRefusedError([f"{wrong} (known: {listed})"])
    cache = next(one for one in tier if one.name == name)
    if not has_parent():
        return _supervise_alone(_regional_part(path, cache), config, path)
    from edgecache.node.roles import run_regional

    return _run_role(lambda: run_regional(config, name))


def part(config: Config, path: Path, name: StartedPart) -> int:
    """Control or the bucket: the process of a supervisor, or the latter."""
    use_log_settings(config.process)
    if getattr(config, name) is None:
        raise StartRefusedError([f"{path}: there is no [{name}] to run"])
    if not has_parent():
        if name == "control":
            _refuse(preflight.missing_zone_secret(config, at_control=True))
        return _supervise_alone(_inner_part(path, name), config, path)
    from edgecache.node import service_roles

    if name == "control":
        return _run_role(lambda: service_roles.run_control(config, path))
    return _run_role(lambda: service_roles.run_origin(config))


def name_server(config: Config, path: Path, worker: int) -> int:
    """The name server: as worker `worker`, or (0) as the supervisor of them all."""
    use_log_settings(config.process)
    if config.dns is None:
        raise StartRefusedError([f"{path}: there is no [dns] to run"])
    if worker == 0:
        _refuse(preflight.missing_zone_secret(config, at_control=False))
        missing = partial(_missing_alone, asked=("control",))
        whole = Part("nameserver", lambda config: name_servers(config, path), missing)
        return _supervise_alone(whole, config, path)
    from edgecache.node.name_server import run_name_server

    return _run_role(lambda: run_name_server(str(path), worker))


def _edge_part(path: Path, location: str) -> Part:
    def processes(config: Config) -> list[Child]:
        places = (one for one in config.locations if one.name == location)
        return with_log_target((one for place in places for one in workers(place, path)), config)

    return Part(
        f"edge-{location}", processes, partial(_missing_alone, asked=("control", "regional"))
    )


def _inner_part(path: Path, name: StartedPart) -> Part:
    role = "origin" if name == "bucket" else name

    def processes(config: Config) -> list[Child]:
        return [one for one in with_log_target(inner(config, path), config) if one.role == role]

    return Part(name, processes, partial(_missing_alone, asked=(), part=name))


def _regional_part(path: Path, cache: RegionalCache) -> Part:
    """With origin shields regional caches ask each other."""
    several: tuple[preflight.AskedPart, ...] = ("control", "regional")
    asked = several if cache.name else several[:1]

    def processes(config: Config) -> list[Child]:
        return [
            one for one in with_log_target(inner(config, path), config) if one.name == cache.place
        ]

    return Part(cache.place, processes, partial(_missing_alone, asked=asked))


def _missing_alone(
    config: Config, asked: Sequence[preflight.AskedPart], part: str = ""
) -> list[str]:
    """Files of origins, certificates and databases may be on other machines alone.

    `asked`: the parts that this one asks, whose addresses it must know.
    """
    files = preflight.missing_files if part == "bucket" else _unusable
    if part == "control" and config.control is not None and config.control.canary_s:
        asked = ("control",)  # by every edge, for the canary's object
    return [*files(config), *preflight.unknown_addresses(config, asked)]


def _unusable(config: Config) -> list[str]:
    return preflight.unusable_state_dir(config.state_dir)


def _supervise_alone(part: Part, config: Config, path: Path) -> int:
    """A part whose others, if there are any, run elsewhere."""
    _refuse([*part.missing(config), *missing_privileges(config)])

    def tell(children: Sequence[Child], _pids: Mapping[str, int]) -> None:
        several = f": {len(children)} workers answer" if len(children) > 1 else " answers"
        say(f"{part.name}{several} at {children[0].addresses[0]}")

    return _supervise(part, config, path, tell)


def _supervise(
    part: Part, config: Config, path: Path, tell: Tell, dev: DevInstallation | None = None
) -> int:
    children = part.processes(config)
    try:
        manager = service_manager(os.environ)
        activated = manager.assigned(_activated_names(children))
    except ActivationError as error:
        raise StartRefusedError([str(error)]) from None
    another = f"another `{part.name or 'up'}` on this state_dir"
    socket_file = supervisor_socket(config.state_dir, part.name)
    if dev is not None:
        activated |= dev.sockets
    needed = [*preflight.bindings_of(config, children), Binding(socket_file, another)]
    _refuse(preflight.occupied_addresses(one for one in needed if one.address not in activated))
    service = SupervisedService(part, config, path.resolve(), tell, manager, activated)
    service.dev = None if dev is None else dev.mode
    return asyncio.run(service.run())


def _missing_for_tests(public: bool, config: Config) -> list[str]:
    """In dev mode: what is not there, or, before that, what should not be."""
    refused = [f"dev mode: {line}" for line in production_settings(config, public=public)]
    return refused or preflight.missing_files(config)


def _activated_names(children: Sequence[Child]) -> dict[str, Address]:
    """The addresses of these processes by what a unit may call their sockets."""
    names: dict[str, Address] = {}
    for child in children:
        for ending, address in (("", child.address), ("-tls", child.secure)):
            if address is not None:
                names[f"{child.node}{ending}"] = address
    return names


def _run_role(run: Callable[[], int]) -> int:
    """Exit code of a role; secrets that cannot be read are a refusal to start."""
    try:
        return run()
    except SecretsError as error:
        raise StartRefusedError([str(error)]) from None


def _refuse(lines: Sequence[str]) -> None:
    if lines:
        raise StartRefusedError(lines)
