"""From a command to running processes. Law: refuse before anything runs, or run.

Each function blocks until it is told to stop, and gives the exit code.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from edgecache.cluster.control_access import (
    ControlAccess,
    control_socket,
    control_url,
    supervisor_socket,
)
from edgecache.config.listen import TcpAddress, tcp_address
from edgecache.config.model import Config, Limits
from edgecache.config.secrets import SecretsError
from edgecache.runtime.inherited import has_parent
from edgecache.runtime.privileges import drop, unable
from edgecache.runtime.stderr_log import say
from edgecache.supervisor import preflight
from edgecache.supervisor.child import Child
from edgecache.supervisor.managed_process import NotReplacedError, RestartTiming
from edgecache.supervisor.preflight import Binding
from edgecache.supervisor.readiness import Readiness
from edgecache.supervisor.reload import Reloader, answering
from edgecache.supervisor.supervisor import Pids, Supervisor, SupervisorHooks
from edgecache.supervisor.topology import fleet, serve_workers, workers

KILL_AFTER_DRAIN_S = 5  # for a child to end once its own drain is over

StartedPart = Literal["control", "regional", "bucket"]


class StartRefusedError(Exception):
    """Nothing was started, and why: one line for each reason."""

    def __init__(self, lines: Iterable[str]) -> None:
        self.lines = list(lines)
        super().__init__("\n".join(self.lines))


@dataclass(frozen=True, slots=True)
class ServeArguments:
    """What `serve` was asked for."""

    origin_url: str
    listen: TcpAddress
    workers: int
    semantics: str
    state_dir: Path


def up(
    config: Config, path: Path, tell: Callable[[Sequence[Child], Mapping[str, int]], None]
) -> int:
    """Everything in `config`, read from `path`; `tell` is called once all of it answers."""
    _refuse([*preflight.missing(config), *unable(config)])
    _refuse(preflight.missing_secrets(config))
    children = fleet(config, path)
    if not children:
        raise StartRefusedError(
            [f"{path}: nothing to run: no control, regional, bucket or locations"]
        )
    _refuse(preflight.occupied([*preflight.bindings(config), _asked_at(config)]))
    return asyncio.run(_up(config, path, tell))


async def _up(
    config: Config, path: Path, tell: Callable[[Sequence[Child], Mapping[str, int]], None]
) -> int:
    children = fleet(config, path)
    local = ControlAccess(control_url(config), socket=control_socket(config).path)
    readiness = Readiness(children, local if local.url else None)

    async def when_started(pids: Pids) -> None:
        await readiness.when_started(pids)
        tell(children, pids())

    async def on_reload() -> None:
        say(str(await renewal.reload()))

    async def on_upgrade() -> None:
        say(str(await renewal.upgrade()))

    def bound() -> None:
        asked_at = supervisor_socket(config.state_dir)
        drop(config, [asked_at, *(address for child in children for address in child.addresses)])

    hooks = SupervisorHooks(
        readiness.after_start, when_started, on_reload, on_upgrade, bound, readiness.died
    )
    supervisor = Supervisor(children, hooks, _timing(config.limits))
    renewal = Reloader(supervisor, path, config)
    words = {"reload": renewal.reload, "upgrade": renewal.upgrade}
    async with answering(config.state_dir, words):
        return await supervisor.run()


def _asked_at(config: Config) -> Binding:
    return Binding(supervisor_socket(config.state_dir), "another `up` on this state_dir")


def edge(config: Config, path: Path, location: str, worker: int) -> int:
    """One location: as its only worker, as worker `worker`, or (0) as all of several."""
    found = next((place for place in config.locations if place.name == location), None)
    if found is None:
        known = ", ".join(place.name for place in config.locations) or "none"
        raise StartRefusedError([f"--location: {location} is not in {path} (known: {known})"])
    if worker == 0:
        _refuse([*preflight.unusable(config.state_dir), *unable(config)])
        listening = [
            Binding(tcp_address(found.listen), f"location {location}"),
            *preflight.secure_bindings(found),
        ]
        if found.workers > 1:
            children = workers(found, path)
            return _supervised(children, listening, config)
        _refuse(preflight.occupied(listening))
    from edgecache.node.roles import run_edge

    return _secrets_told(lambda: run_edge(str(path), location, max(worker, 1)))


def part(config: Config, path: Path, name: StartedPart) -> int:
    """One of the parts there is one of; a supervisor has looked before it started us."""
    if getattr(config, name) is None:
        raise StartRefusedError([f"{path}: there is no [{name}] to run"])
    if not has_parent():
        mine = [binding for binding in preflight.bindings(config) if binding.who == name]
        _refuse(preflight.missing(config) if name == "bucket" else [])
        _refuse([*preflight.unusable(config.state_dir), *unable(config)])
        _refuse(preflight.occupied(mine))
    from edgecache.node import roles

    run = {
        "control": roles.run_control,
        "regional": roles.run_regional,
        "bucket": roles.run_origin,
    }
    return _secrets_told(lambda: run[name](str(path)))


def serve(wanted: ServeArguments, worker: int) -> int:
    """One tier without configuration: as worker `worker`, or (0) as all of them."""
    if worker == 0:
        _refuse(preflight.unusable(str(wanted.state_dir)))
        binding = Binding(wanted.listen, "serve")
        if wanted.workers > 1:
            children = serve_workers(wanted.workers, wanted.listen, _arguments(wanted))
            return _supervised(children, [binding], Config())
        _refuse(preflight.occupied([binding]))
        say(f"{wanted.origin_url} is served at {wanted.listen.url}")
    from edgecache.node.roles import run_serve

    return run_serve(
        wanted.origin_url,
        str(wanted.listen),
        max(worker, 1),
        wanted.semantics,
        str(wanted.state_dir),
    )


def _arguments(wanted: ServeArguments) -> tuple[str, ...]:
    return (
        wanted.origin_url,
        f"--listen={wanted.listen}",
        f"--semantics={wanted.semantics}",
        f"--state-dir={wanted.state_dir}",
    )


def _secrets_told(run: Callable[[], int]) -> int:
    """What `run` gives; secrets that cannot be read are a refusal to start."""
    try:
        return run()
    except SecretsError as error:
        raise StartRefusedError([str(error)]) from None


def _refuse(lines: Sequence[str]) -> None:
    if lines:
        raise StartRefusedError(lines)


def _supervised(children: Sequence[Child], addresses: Iterable[Binding], config: Config) -> int:
    """Workers that share one address, and have no control beside them."""
    _refuse(preflight.occupied(addresses))
    return asyncio.run(_plain(children, config))


async def _plain(children: Sequence[Child], config: Config) -> int:
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
        bound=lambda: drop(config),
    )
    supervisor = Supervisor(children, hooks, _timing(config.limits))
    return await supervisor.run()


def _timing(limits: Limits) -> RestartTiming:
    return RestartTiming(drain_s_max=limits.drain_s_max + KILL_AFTER_DRAIN_S)
