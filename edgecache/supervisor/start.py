"""Start of a command's processes: all of a file, or one role. Law: refuse before anything runs.

Each function blocks until it is told to stop, and gives the exit code.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Literal

from edgecache.cluster.control_access import (
    ControlAccess,
    control_socket,
    control_url,
    supervisor_socket,
)
from edgecache.config.listen import tcp_address
from edgecache.config.model import Config, Limits
from edgecache.config.secrets import SecretsError
from edgecache.node.last_configuration import last_configuration_path
from edgecache.runtime.inherited import has_parent
from edgecache.runtime.privileges import drop_privileges, missing_privileges
from edgecache.runtime.stderr_log import say
from edgecache.supervisor import preflight
from edgecache.supervisor.child import Child
from edgecache.supervisor.managed_process import NotReplacedError, RestartTiming
from edgecache.supervisor.preflight import Binding
from edgecache.supervisor.readiness import Readiness
from edgecache.supervisor.reload import Reloader, serve_control_socket
from edgecache.supervisor.supervisor import Pids, Supervisor, SupervisorHooks
from edgecache.supervisor.topology import fleet, workers

KILL_AFTER_DRAIN_S = 5  # for a child to end once its own drain is over

StartedPart = Literal["control", "regional", "bucket"]
_ASKED_BY: Mapping[str, tuple[preflight.NamedPart, ...]] = {"regional": ("control",)}


class StartRefusedError(Exception):
    """A start that was refused: nothing runs; one line for each reason."""

    def __init__(self, lines: Iterable[str]) -> None:
        self.lines = list(lines)
        super().__init__("\n".join(self.lines))


def up(
    config: Config, path: Path, tell: Callable[[Sequence[Child], Mapping[str, int]], None]
) -> int:
    """Everything in `config`, read from `path`; `tell` is called once all of it answers."""
    _refuse([*preflight.missing_files(config), *missing_privileges(config)])
    _refuse(preflight.missing_secrets(config))
    children = fleet(config, path)
    if not children:
        raise StartRefusedError(
            [f"{path}: nothing to run: no control, regional, bucket or locations"]
        )
    _refuse(
        preflight.occupied_addresses([*preflight.bindings(config), _supervisor_binding(config)])
    )
    return asyncio.run(_up(children, config, path.resolve(), tell))


async def _up(
    children: Sequence[Child],
    config: Config,
    path: Path,
    tell: Callable[[Sequence[Child], Mapping[str, int]], None],
) -> int:
    local = ControlAccess(control_url(config), socket=control_socket(config).path)
    readiness = Readiness(children, local if local.url else None)

    async def when_started(pids: Pids) -> None:
        await readiness.when_started(pids)
        tell(children, pids())

    async def on_reload() -> None:
        say(str(await reloader.reload()))

    async def on_upgrade() -> None:
        say(str(await reloader.upgrade()))

    def bound() -> None:
        socket_file = supervisor_socket(config.state_dir)
        drop_privileges(
            config, [socket_file, *(address for child in children for address in child.addresses)]
        )

    def knows_configuration() -> bool:
        names = [child.name for child in children]
        return any(last_configuration_path(config.state_dir, name).exists() for name in names)

    hooks = SupervisorHooks(
        readiness.after_start,
        when_started,
        on_reload,
        on_upgrade,
        bound,
        readiness.died,
        knows_configuration,
    )
    supervisor = Supervisor(children, hooks, _timing(config.limits))
    reloader = Reloader(supervisor, path, config)
    commands = {"reload": reloader.reload, "upgrade": reloader.upgrade}
    async with serve_control_socket(config.state_dir, commands, path):
        return await supervisor.run()


def _supervisor_binding(config: Config) -> Binding:
    return Binding(supervisor_socket(config.state_dir), "another `up` on this state_dir")


def edge(config: Config, path: Path, location: str, worker: int) -> int:
    """One location: as its only worker, as worker `worker`, or (0) as all of several."""
    place = next((one for one in config.locations if one.name == location), None)
    if place is None:
        known = ", ".join(one.name for one in config.locations) or "none"
        raise StartRefusedError([f"--location: {location} is not in {path} (known: {known})"])
    if worker == 0:
        _refuse(preflight.unknown_addresses(config, ("control", "regional")))
        _refuse([*preflight.unusable_state_dir(config.state_dir), *missing_privileges(config)])
        listening = [
            Binding(tcp_address(place.listen), f"location {location}"),
            *preflight.tls_bindings(place),
        ]
        if place.workers > 1:
            children = workers(place, path)
            return _supervise_workers(children, listening, config)
        _refuse(preflight.occupied_addresses(listening))
    from edgecache.node.roles import run_edge

    return _run_role(lambda: run_edge(str(path), location, max(worker, 1)))


def part(config: Config, path: Path, name: StartedPart) -> int:
    """Run control, the regional cache or the bucket; under a supervisor its checks were enough."""
    if getattr(config, name) is None:
        raise StartRefusedError([f"{path}: there is no [{name}] to run"])
    if not has_parent():
        mine = [binding for binding in preflight.bindings(config) if binding.owner == name]
        _refuse(preflight.missing_files(config) if name == "bucket" else [])
        _refuse(preflight.unknown_addresses(config, _ASKED_BY.get(name, ())))
        _refuse([*preflight.unusable_state_dir(config.state_dir), *missing_privileges(config)])
        _refuse(preflight.occupied_addresses(mine))
    from edgecache.node import roles

    run = {
        "control": roles.run_control,
        "regional": roles.run_regional,
        "bucket": roles.run_origin,
    }
    return _run_role(lambda: run[name](str(path)))


def _run_role(run: Callable[[], int]) -> int:
    """Exit code of a role; secrets that cannot be read are a refusal to start."""
    try:
        return run()
    except SecretsError as error:
        raise StartRefusedError([str(error)]) from None


def _refuse(lines: Sequence[str]) -> None:
    if lines:
        raise StartRefusedError(lines)


def _supervise_workers(
    children: Sequence[Child], addresses: Iterable[Binding], config: Config
) -> int:
    """Workers that share one address, and have no control beside them."""
    _refuse(preflight.occupied_addresses(addresses))
    return asyncio.run(_run_workers(children, config))


async def _run_workers(children: Sequence[Child], config: Config) -> int:
    readiness = Readiness(children)

    async def when_started(pids: Pids) -> None:
        await readiness.when_started(pids)
        say(f"{len(children)} workers answer at {children[0].address}")

    async def on_reload() -> None:
        say("not reloaded: ask control, with `edgecache reload`")

    async def on_upgrade() -> None:
        try:
            await supervisor.replace(children)
        except (OSError, NotReplacedError) as error:
            say(f"upgraded in part: {error}")
        else:
            say(f"upgraded: {len(children)} processes")

    hooks = SupervisorHooks(
        when_started=when_started,
        reload=on_reload,
        upgrade=on_upgrade,
        bound=lambda: drop_privileges(config),
    )
    supervisor = Supervisor(children, hooks, _timing(config.limits))
    return await supervisor.run()


def _timing(limits: Limits) -> RestartTiming:
    return RestartTiming(drain_s_max=limits.drain_s_max + KILL_AFTER_DRAIN_S)
