"""One supervisor as a service: its processes, commands, health, and what systemd is told.

Law: systemd hears `READY=1` once every process answers, and a sign of life only while each of them
gives one. Its sockets are taken over as they are.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from edgecache.cluster.control_access import (
    ControlAccess,
    control_socket,
    control_url,
    local_url,
    supervisor_socket,
)
from edgecache.config.listen import Address
from edgecache.config.model import Config, Limits
from edgecache.node.last_configuration import last_configuration_path
from edgecache.runtime.dev_mode import DevMode
from edgecache.runtime.environment import machine_name
from edgecache.runtime.privileges import drop_privileges
from edgecache.runtime.stderr_log import say, warn
from edgecache.runtime.systemd import WATCHDOG_SHARE, ServiceManager
from edgecache.supervisor.child import Child
from edgecache.supervisor.health import HealthListeners, NodeHealth, node_health
from edgecache.supervisor.listen_sockets import Sockets
from edgecache.supervisor.managed_process import RestartTiming
from edgecache.supervisor.readiness import Readiness
from edgecache.supervisor.reload import (
    DONE,
    REFUSED,
    Reloader,
    ReloadResult,
    serve_control_socket,
)
from edgecache.supervisor.supervisor import Pids, Supervisor, SupervisorHooks
from edgecache.supervisor.topology import Part

KILL_AFTER_DRAIN_S = 5  # for a child to end once its own drain is over

Tell = Callable[[Sequence[Child], Mapping[str, int]], None]


@dataclass(slots=True)
class SupervisedService:
    """Runs a part of `config`, read from `path` (absolute); `tell` once all of it answers."""

    part: Part
    config: Config
    path: Path
    tell: Tell
    manager: ServiceManager
    activated: Mapping[Address, Sequence[socket.socket]]
    dev: DevMode | None = field(default=None, init=False)
    supervisor: Supervisor = field(init=False)
    health: HealthListeners = field(init=False)
    reloader: Reloader = field(init=False)
    _children: Sequence[Child] = field(init=False)

    def __post_init__(self) -> None:
        self._children = self.part.processes(self.config)

    async def run(self) -> int:
        """Run until it is told to stop; the exit code."""
        sockets = Sockets(self.activated)
        timing = _timing(self.config.limits)
        self.supervisor = Supervisor(self._children, self._hooks(), timing, sockets=sockets)
        self.supervisor.dev = self.dev
        self.health = HealthListeners(self.supervisor)
        self.reloader = Reloader(self.supervisor, self.path, self.config, self.part, self.health)
        commands = {
            "reload": self._announced(self.reloader.reload),
            "upgrade": self._announced(self.reloader.upgrade),
            "drain": self._drain,
            "undrain": self._undrain,
        }
        file = supervisor_socket(self.config.state_dir, self.part.name).path
        async with serve_control_socket(file, commands, self.path), self._beside():
            return await self.supervisor.run()

    @contextlib.asynccontextmanager
    async def _beside(self) -> Any:
        """The listeners of health, and the watchdog."""
        watchdog = asyncio.create_task(self._watch())
        try:
            self.health.use(self._children)
            yield
        finally:
            watchdog.cancel()
            await self.health.close()

    def _hooks(self) -> SupervisorHooks:
        config, children = self.config, self._children
        local = ControlAccess(local_url(control_url(config)), socket=control_socket(config).path)
        whole = local.url and not self.part.name
        readiness = Readiness(children, local if whole else None, machine_name(config.state_dir))

        async def when_started(pids: Pids) -> None:
            await readiness.when_started(pids)
            self.tell(children, pids())
            self._is_ready()

        def bound() -> None:
            file = supervisor_socket(config.state_dir, self.part.name)
            addresses = (address for child in children for address in child.addresses)
            drop_privileges(config, [file, *addresses])

        def knows_configuration() -> bool:
            names = [child.name for child in children]
            return any(last_configuration_path(config.state_dir, name).exists() for name in names)

        return SupervisorHooks(
            after_start=readiness.after_start,
            when_started=when_started,
            reload=self._said(lambda: self._announced(self.reloader.reload)("")),
            upgrade=self._said(lambda: self._announced(self.reloader.upgrade)("")),
            bound=bound,
            stopping=lambda: self.manager.notify(STOPPING=1, STATUS="finishing what is under way"),
            died=readiness.died,
            knows_configuration=knows_configuration,
        )

    def _said(
        self, command: Callable[[], Awaitable[ReloadResult]]
    ) -> Callable[[], Coroutine[Any, Any, None]]:
        """A command that a signal asks for: its result goes to standard error."""

        async def run() -> None:
            result = await command()
            (say if result.code == DONE else warn)(str(result))

        return run

    def _announced(
        self, command: Callable[[str], Awaitable[ReloadResult]]
    ) -> Callable[[str], Awaitable[ReloadResult]]:
        """A command that the service manager is told of."""

        async def run(argument: str) -> ReloadResult:
            self.manager.reloading()
            try:
                return await command(argument)
            finally:
                if not self.supervisor.stopping:
                    self._is_ready()

        return run

    def _is_ready(self) -> None:
        drained = ", ".join(sorted(self.supervisor.heartbeats.drained))
        status = f"{len(self.supervisor.pids())} processes" + (drained and f"; drained: {drained}")
        self.manager.notify(READY=1, MAINPID=os.getpid(), STATUS=status)

    async def _watch(self) -> None:
        """Give the service manager signs of life, if it waits for them, while all give one."""
        if not self.manager.watchdog_s:
            return
        while True:
            self.give_sign_of_life()
            await asyncio.sleep(self.manager.watchdog_s / WATCHDOG_SHARE)

    def give_sign_of_life(self) -> None:
        """Tell the service manager that all is alive, if it is."""
        if all(one.live for one in self._nodes()):
            self.manager.notify(WATCHDOG=1)

    def _nodes(self) -> list[NodeHealth]:
        now = asyncio.get_running_loop().time()
        names = dict.fromkeys(child.node for child in self.supervisor.children)
        return [node_health(self.supervisor, name, now) for name in names]

    async def _drain(self, node: str) -> ReloadResult:
        """Let viewers of a node go elsewhere; asked again, it tells how many are left."""
        return self._set_drain(node, drain=True)

    async def _undrain(self, node: str) -> ReloadResult:
        return self._set_drain(node, drain=False)

    def _set_drain(self, node: str, *, drain: bool) -> ReloadResult:
        known = {one.node: one for one in self._nodes()}
        if node not in known:
            return ReloadResult(REFUSED, (f"no node {node} runs here (known: {', '.join(known)})",))
        changed = (node in self.supervisor.heartbeats.drained) != drain
        self.supervisor.heartbeats.drain(node, drain=drain)
        if changed:
            self._is_ready()
        left = known[node].connections
        words = f"drains: {left} connections" if drain else "takes viewers again"
        heard = self.supervisor.heartbeats.say_that_they_drain(node) == drain
        return ReloadResult(DONE, (f"{node}: {words}",), left, done=heard and not (drain and left))


def _timing(limits: Limits) -> RestartTiming:
    return RestartTiming(drain_s_max=limits.drain_s_max + KILL_AFTER_DRAIN_S)
