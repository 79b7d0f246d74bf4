"""Readiness: waits until every process answers and runs control's generation; asks over HTTP."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec

from edgecache.cluster.client import answers, ask_control
from edgecache.cluster.control_access import ControlAccess
from edgecache.supervisor.child import Child
from edgecache.supervisor.supervisor import NotReadyError, Pids

READY_S_MAX = 60.0  # a Python process starts in one or two; a busy machine takes its time
_PAUSE_S = 0.05
_NODE_ROLES = ("edge", "regional", "nameserver")


class NodeState(msgspec.Struct, frozen=True):
    """A node as control lists it: `GET /nodes`."""

    name: str
    pid: int
    generation: int
    alive: bool
    machine: str = ""


class NodeStates(msgspec.Struct, frozen=True):
    """Answer of `GET /nodes`: every node control knows, and the generation they should be on."""

    nodes: tuple[NodeState, ...]
    generation: int


@dataclass(frozen=True, slots=True)
class ReloadAccepted:
    """Control has read its file, `file`; without `changed` it was the same."""

    generation: int
    changed: bool
    file: str = ""  # as control's machine knows it

    def __str__(self) -> str:
        return f"generation {self.generation}" + ("" if self.changed else " (unchanged)")


@dataclass(frozen=True, slots=True)
class ReloadRefused:
    """Control refused its file, and why: nothing was changed."""

    problems: tuple[str, ...]


async def reload(control: ControlAccess) -> ReloadAccepted | ReloadRefused:
    """Let control read its file anew. OSError when it does not answer."""
    status, body = await ask_control(control, "/reload", "POST")
    try:
        reply: dict[str, Any] = msgspec.json.decode(body, type=dict[str, Any])
    except msgspec.DecodeError:
        return ReloadRefused((f"control answered {status}",))
    if status == 200:
        return ReloadAccepted(
            int(reply["generation"]), bool(reply["changed"]), str(reply.get("file", ""))
        )
    problems = reply.get("problems") or [reply.get("error") or f"control answered {status}"]
    return ReloadRefused(tuple(str(problem) for problem in problems))


@dataclass(slots=True)
class Readiness:
    """Waits until children answer. With control, each must also run its current generation.

    A control that fails (its disk is full, another process holds its state) is not waited for:
    nodes serve what the file says, and hear it once it is back.
    """

    children: Sequence[Child]
    control: ControlAccess | None = None
    machine: str = ""  # whose nodes they are
    ready_s_max: float = READY_S_MAX
    pause: Callable[[float], Awaitable[None]] = asyncio.sleep
    _failed: set[str] = field(default_factory=set)  # names of children that ended by themselves

    async def after_start(self, child: Child) -> None:
        """Wait for control, before nodes start: they report to it as soon as they run."""
        if child.role == "control":
            self._failed.discard(child.name)
            await self._until(lambda: self._unresponsive([child]))

    def died(self, child: Child, code: int) -> None:
        """Note a control that ended with an exit code of its own (signals are negative)."""
        if child.role == "control" and code > 0:
            self._failed.add(child.name)

    async def when_started(self, pids: Pids) -> None:
        """Wait until all answer. NotReadyError names those that do not when time is up."""
        await self._until(lambda: self._unready(pids))

    async def _until(self, missing: Callable[[], Any]) -> None:
        names: list[str] = [child.name for child in self.children]
        try:
            async with asyncio.timeout(self.ready_s_max):
                while names := await missing():
                    await self.pause(_PAUSE_S)
        except TimeoutError:
            names_missing = ", ".join(names)
            raise NotReadyError(
                f"not ready after {self.ready_s_max:g} s: {names_missing}"
            ) from None

    async def _unready(self, pids: Pids) -> list[str]:
        if (
            self.control
            and not self._failed
            and (waiting := await self._not_current(self.control, pids))
        ):
            return waiting
        first = {child.address: child for child in reversed(self.children)}
        return await self._unresponsive(list(first.values()))

    async def _unresponsive(self, children: Sequence[Child]) -> list[str]:
        unresponsive = []
        for child in children:
            if child.name in self._failed:
                continue
            if child.address and not await _is_there(child):
                unresponsive.append(child.name)
        return unresponsive

    async def _not_current(self, control: ControlAccess, pids: Pids) -> list[str]:
        """The nodes control does not see alive, as these processes, on its generation; and why."""
        running = pids()
        wanted = [child.name for child in self.children if child.role in _NODE_ROLES]
        try:
            _, body = await ask_control(control, "/nodes")
            reply = msgspec.json.decode(body, type=NodeStates)
        except (OSError, msgspec.DecodeError):
            return ["control"]
        # Other machines may have nodes of the same names.
        seen = {node.name: node for node in reply.nodes if node.machine in ("", self.machine)}
        reasons = [
            (n, _not_ready_reason(seen.get(n), reply.generation, running.get(n))) for n in wanted
        ]
        return [f"{name} ({reason})" for name, reason in reasons if reason]


async def _is_there(child: Child) -> bool:
    assert child.address is not None
    return await answers(child.address, child.role, secured=child.secured, proxied=child.proxied)


def _not_ready_reason(node: NodeState | None, generation: int, pid: int | None) -> str:
    """Why a node is not ready; empty when it is."""
    if pid is None:
        return "not running"
    if node is None or node.pid != pid:
        return "has not reported to control"
    if not node.alive:
        return "no longer reports to control"
    if node.generation != generation:
        return f"on generation {node.generation}, not {generation}"
    return ""
