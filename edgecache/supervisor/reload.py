"""Reload and upgrade of a running installation, and the socket file that commands ask them over.

Law: one at a time. A reload publishes a changed file to the nodes that run; what they cannot take
over while running (addresses, numbers of workers, limits) makes an upgrade of it. An upgrade starts
every process anew, from the code and the file as they are now.

Law of the socket file, in `state_dir`: its owner alone may ask. A line each way: a word and the
file that is meant, and the answer as JSON. Whoever may write there may also end the processes:
mode 0600 is all the admission it needs.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import msgspec
from msgspec.structs import replace

from edgecache.cluster.client import connection
from edgecache.cluster.control_access import (
    ControlAccess,
    control_access,
    supervisor_socket,
    supervisor_sockets,
)
from edgecache.config.listen import UnixAddress
from edgecache.config.load import load
from edgecache.config.model import Config, DnsSettings
from edgecache.config.problems import ConfigError
from edgecache.supervisor import preflight, readiness
from edgecache.supervisor.child import Child
from edgecache.supervisor.health import HealthListeners
from edgecache.supervisor.managed_process import NotReplacedError
from edgecache.supervisor.supervisor import NotReadyError, Supervisor
from edgecache.supervisor.topology import Part

DONE, FAILED, REFUSED = 0, 1, 2  # as exit codes: see `cli/main.py`
ANSWER_S_MAX = 600.0  # an upgrade waits for every process in turn
LAST_ANSWERS_S_MAX = 0.2  # for those who asked, once everything has stopped
_LINE_BYTES_MAX = 4_352  # a word and a path (PATH_MAX)


@dataclass(frozen=True, slots=True)
class ReloadResult:
    """Result of a command: an exit code, and lines for the operator.

    `connections`: of a node that drains, those still open; `done`: no viewer can be left.
    """

    code: int
    lines: tuple[str, ...]
    connections: int = 0
    done: bool = True

    def __str__(self) -> str:
        return "\n  ".join(self.lines)


_STOPPING = ReloadResult(FAILED, ("not finished: everything is being stopped",))

ReloadCommand = Callable[[str], Awaitable[ReloadResult]]
"""A command of the socket file, of a word; what follows a colon there is its argument."""


class NoSupervisorError(Exception):
    """No supervisor answers at that place."""


@dataclass(slots=True)
class Reloader:
    """Reloads and upgrades what `supervisor` runs: `part` of `config`, as read from `path`."""

    supervisor: Supervisor
    path: Path
    config: Config
    part: Part
    health: HealthListeners
    _turn: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def reload(self, _argument: str = "") -> ReloadResult:
        """Publish the file, or upgrade where it asks for other processes."""
        return await self.supervisor.run_command(self._reload_in_turn) or _STOPPING

    async def upgrade(self, _argument: str = "") -> ReloadResult:
        """Replace every process by a new one."""
        return await self.supervisor.run_command(self._upgrade_in_turn) or _STOPPING

    async def _reload_in_turn(self) -> ReloadResult:
        async with self._turn:
            try:
                config = load(self.path)
            except ConfigError as error:
                if self.part.name in ("", "control"):
                    await reload_control(self.config, self.path)  # its metrics say so
                return _refused("not reloaded:", error)
            if startup_settings(config) != startup_settings(self.config):
                return await self._upgrade(config)
            result = await self._publish(config)
            if result.code == DONE:
                self.config = config
            return result

    async def _publish(self, config: Config) -> ReloadResult:
        """Let those who serve hear of the distributions, which are what a file may change."""
        if self.part.name in ("", "control"):
            return await reload_control(self.config, self.path)
        if config.control is None:
            return await self._upgrade(config)
        return ReloadResult(DONE, ("nothing to reload here: distributions come from control",))

    async def _upgrade_in_turn(self) -> ReloadResult:
        async with self._turn:
            try:
                return await self._upgrade(load(self.path))
            except ConfigError as error:
                return _refused("not upgraded:", error)

    async def _upgrade(self, config: Config) -> ReloadResult:
        children = self.part.processes(config)
        missing = [
            *self.part.missing(config),
            *preflight.occupied_addresses(self._new_bindings(config, children)),
        ]
        if missing or not children:
            return ReloadResult(REFUSED, ("not upgraded:", *(missing or ["nothing to run"])))
        try:
            await self.supervisor.replace(children)
        except OSError as error:
            return ReloadResult(REFUSED, ("not upgraded:", str(error)))
        except (NotReplacedError, NotReadyError) as error:
            return ReloadResult(
                FAILED, ("upgraded in part:", str(error), "the rest goes on as it was")
            )
        self.config = config
        try:
            self.health.use(children)
        except OSError as error:
            return ReloadResult(FAILED, ("upgraded, but for health_listen:", str(error)))
        return ReloadResult(DONE, (f"{self.part.said}upgraded: {len(children)} processes",))

    def _new_bindings(
        self, config: Config, children: Sequence[Child]
    ) -> Iterator[preflight.Binding]:
        for binding in preflight.bindings_of(config, children):
            held = self.supervisor.sockets.holds(binding.address)
            if not held and not self.health.holds(binding.address):
                yield binding


def startup_settings(config: Config) -> Config:
    """The part of a configuration that a running process keeps as it was at its start."""
    return replace(
        config,
        dns=None if config.dns is None else startup_dns(config.dns),
        distributions=(),
        ip_sets=(),
        public_keys=(),
        key_groups=(),
        trusted_signers={},
        origin_map={},
    )


def startup_dns(settings: DnsSettings) -> DnsSettings:
    """That part of a name server's: where it listens, by how many workers, and its bounds."""
    return DnsSettings(
        listen=settings.listen,
        workers=settings.workers,
        connections_max=settings.connections_max,
        connection_idle_s_max=settings.connection_idle_s_max,
    )


async def reload_control(config: Config, path: Path) -> ReloadResult:
    """Let control read its file anew; told which where it is not `path` (an absolute one)."""
    control = control_access(config)
    if not control.url:
        return ReloadResult(REFUSED, ("not reloaded: there is no [control]; upgrade instead",))
    return await reload_at(control, path)


async def reload_at(control: ControlAccess, path: Path | None = None) -> ReloadResult:
    """The same at a control that may be elsewhere, whose file is its own."""
    try:
        result = await readiness.reload(control)
    except OSError as error:
        return ReloadResult(FAILED, (f"control at {control.url}: {error}",))
    if isinstance(result, readiness.ReloadRefused):
        return ReloadResult(REFUSED, ("not reloaded:", *result.problems))
    other = f" of {result.file}" if result.file not in ("", str(path or "")) else ""
    return ReloadResult(DONE, (f"{result}{other}",))


@contextlib.asynccontextmanager
async def serve_control_socket(
    path: str, commands: Mapping[str, ReloadCommand], file: Path
) -> AsyncIterator[None]:
    """Answer at the socket file `path` while the context lasts. OSError when that cannot be.

    `file` is the absolute path of the configuration that the commands read.
    """
    callers: set[asyncio.Task[None]] = set()

    def admit(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.create_task(serve(reader, writer))
        callers.add(task)
        task.add_done_callback(callers.discard)

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        # It left; or a line without end.
        with contextlib.closing(writer), contextlib.suppress(OSError, ValueError):
            line = os.fsdecode(await reader.readline()).strip()
            asked, _, meant = line.partition(" ")
            word, _, argument = asked.partition(":")
            if word not in commands:
                result = ReloadResult(REFUSED, (f"not a request: {word}",))
            elif meant != str(file):
                lines = (f"what runs here was started with {file}", f"not with {meant}")
                result = ReloadResult(REFUSED, lines)
            else:
                result = await commands[word](argument)
            writer.write(msgspec.json.encode(result) + b"\n")
            await writer.drain()

    server = await asyncio.start_unix_server(admit, path, limit=_LINE_BYTES_MAX)
    os.chmod(path, 0o600)
    try:
        yield
    finally:
        server.close()
        await _let_go(callers)
        with contextlib.suppress(FileNotFoundError):
            os.unlink(path)


async def _let_go(callers: set[asyncio.Task[None]]) -> None:
    """A moment for answers on their way; who has asked nothing yet gets none."""
    if callers:
        _, silent = await asyncio.wait(callers, timeout=LAST_ANSWERS_S_MAX)
        for task in silent:
            task.cancel()
        await asyncio.gather(*silent, return_exceptions=True)


async def ask_supervisors(state_dir: str, word: str, file: Path) -> ReloadResult:
    """Send all that run here a command, one after another; their answers. NoSupervisorError.

    One of a node (`drain:LHR50`) is for whom the node is; the others refuse it.
    """
    addresses = supervisor_sockets(state_dir) or [supervisor_socket(state_dir)]
    results = [await ask_supervisor(address, word, file) for address in addresses]
    if ":" in word:
        results = [result for result in results if result.code == DONE] or results
    lines = [line for result in results for line in result.lines]
    done = all(result.done for result in results)
    connections = sum(result.connections for result in results)
    return ReloadResult(max(one.code for one in results), tuple(lines), connections, done)


async def ask_supervisor(address: UnixAddress, word: str, file: Path) -> ReloadResult:
    """Send a supervisor a command; its answer. NoSupervisorError.

    Refused where `file` (an absolute path) is not the one it was started with.
    """
    path = address.path
    try:
        async with asyncio.timeout(ANSWER_S_MAX), connection(address) as (reader, writer):
            writer.write(os.fsencode(f"{word} {file}\n"))
            answer = await reader.readline()
    except FileNotFoundError as error:
        raise NoSupervisorError(f"nothing of this installation runs here: no {path}") from error
    except (OSError, TimeoutError) as error:
        raise NoSupervisorError(f"{path}: {error or 'no answer'}") from error
    try:
        return msgspec.json.decode(answer, type=ReloadResult)
    except msgspec.DecodeError as error:
        raise NoSupervisorError(f"{path}: ended before it answered") from error


def _refused(what: str, error: ConfigError) -> ReloadResult:
    return ReloadResult(REFUSED, (what, *(problem.shown for problem in error.problems)))
