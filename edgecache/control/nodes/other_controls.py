"""Nodes of the other controls of an installation: each is asked what reports to it.

Law: a control that does not answer is named, and keeps nobody waiting. What it said last of its
nodes, and how long ago that was, is known for as long as its own lease may last.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from typing import Any, TypeVar

import msgspec

from edgecache.control.nodes.control_group import ControlGroup, ControlIdentity
from edgecache.control.nodes.registry import ALIVE_S, NODES_MAX, NodeRegistry, ReportingNode

ASK_S = 1.0  # between two questions to each; nodes report as often
ANSWER_S_MAX = 1.0
ANSWER_BYTES_MAX = 2 * 1024 * 1024  # a thousand nodes, half a kilobyte each, and room

FIGURES_BYTES_MAX = 16 * 1024 * 1024  # a dozen series of 360 steps, and room
ONLY = "this"  # the name of a control that has no others

T = TypeVar("T")
AskControl = Callable[[str, str], Awaitable[bytes]]
"""What control at HOST:PORT answers to a `GET` of a target. OSError when nothing comes."""


class InstallationNodes:
    """The nodes that report to any control: `own`'s, and the others'. Used on the loop."""

    def __init__(
        self, own: NodeRegistry, group: ControlGroup | None = None, ask: AskControl | None = None
    ) -> None:
        self._own = own
        self._group = group
        self._ask = ask
        self._said: dict[str, tuple[float, list[dict[str, Any]]]] = {}  # by the control's run; when
        self._silent: dict[str, str] = {}  # why it does not answer

    async def run(self) -> None:
        """Ask the others once a second, for good."""
        while True:
            await self.once()
            await asyncio.sleep(ASK_S)

    async def once(self) -> None:
        """Ask each of the others, all at once."""
        assert self._group is not None
        now = self._group.now
        others = [one.identity for one in self._group.others if one.identity.address]
        answers = await asyncio.gather(*(self._listing(one) for one in others))
        known = {one.instance for one in others}
        self._silent = {
            one.name: said
            for one, said in zip(others, answers, strict=True)
            if isinstance(said, str)
        }
        said = {
            one.instance: (now, said)
            for one, said in zip(others, answers, strict=True)
            if not isinstance(said, str)
        }
        self._said = {run: was for run, was in self._said.items() if run in known} | said

    @property
    def own_name(self) -> str:
        """This control's name; empty where there are no others."""
        return "" if self._group is None else self._group.me.name

    async def answers(self, target: str, bytes_max: int) -> dict[str, bytes | str]:
        """What each of the others answers to `GET target`, by its name; a text: why it does not."""
        if self._group is None:
            return {}
        others = [one.identity for one in self._group.others if one.identity.address]
        answers = await asyncio.gather(*(self._answer(one, target, bytes_max) for one in others))
        found: dict[str, bytes | str] = {}
        for one, answer in zip(others, answers, strict=True):
            found[one.name if one.name not in found else f"{one.name} {one.address}"] = answer
        return found

    async def _listing(self, one: ControlIdentity) -> list[dict[str, Any]] | str:
        """What reports to another control, or why it is not known."""
        answer = await self._answer(one, "/nodes?own=1", ANSWER_BYTES_MAX)
        if isinstance(answer, str):
            return answer
        try:
            return msgspec.json.decode(answer, type=_Listing).nodes[:NODES_MAX]
        except msgspec.DecodeError as error:
            return str(error)

    async def _answer(self, one: ControlIdentity, target: str, bytes_max: int) -> bytes | str:
        assert self._ask is not None
        try:
            async with asyncio.timeout(ANSWER_S_MAX):
                content = await self._ask(one.address, target)
        except TimeoutError:
            return f"no answer within {ANSWER_S_MAX:g} s"
        except OSError as error:
            return str(error) or type(error).__name__
        return content if len(content) <= bytes_max else f"an answer of {len(content)} bytes"

    def listing(self) -> list[dict[str, Any]]:
        """The nodes of all controls as `NodeRegistry.listing` has them, by name.

        One that went over to another control is as the one says that heard of it last.
        """
        own = self._own.listing()
        if not self._said:
            return own
        newest: dict[tuple[str, str], dict[str, Any]] = {}
        for node in (*own, *self._nodes_of_others()):
            key = (node["name"], node["instance"] or node["machine"])
            if key not in newest or node["seen_s_ago"] < newest[key]["seen_s_ago"]:
                newest[key] = node
        return sorted(newest.values(), key=lambda one: (one["name"], one["machine"]))

    def _nodes_of_others(self) -> Iterator[dict[str, Any]]:
        assert self._group is not None
        for at, said in self._said.values():
            age_s = self._group.now - at
            for node in said:
                seen_s_ago = round(node["seen_s_ago"] + age_s, 3)
                yield node | {"seen_s_ago": seen_s_ago, "alive": seen_s_ago < ALIVE_S}

    def reporting(self) -> list[ReportingNode]:
        """The nodes that are alive, by name."""
        if not self._said:
            return self._own.reporting()
        return [
            ReportingNode(one["name"], one["machine"], one["address"])
            for one in self.listing()
            if one["alive"]
        ]

    def controls(self) -> list[dict[str, Any]]:
        """Each control that is there, by name: its address, and what its nodes acknowledge."""
        if self._group is None:
            return []
        me = self._group.me
        found = [{"name": me.name, "address": me.address, "problem": ""}]
        for one in self._group.others:
            problem = self._silent.get(one.identity.name, "")
            found.append(
                {"name": one.identity.name, "address": one.identity.address, "problem": problem}
            )
        return sorted(found, key=lambda one: (one["name"], one["address"]))

    def problems(self, addresses: Sequence[str]) -> Iterator[str]:
        """A line for each control that is missing, of those that are to be there, or silent."""
        controls = self.controls()
        for one in controls:
            if one["problem"]:
                yield f"control {one['name']}: does not tell of its nodes: {one['problem']}"
        there = {one["address"] for one in controls}
        for address in addresses if self._group is not None else ():
            if address not in there:
                yield f"control at {address}: is not there"


class ControlAnswers:
    """Answers of the other controls that `nodes` knows of to a question about their nodes' figures.

    One that does not answer in time, or as another release does, is missing.
    """

    def __init__(self, nodes: InstallationNodes) -> None:
        self._nodes = nodes

    @property
    def own_name(self) -> str:
        """This control's."""
        return self._nodes.own_name or ONLY

    async def ask(self, target: str, kind: type[T]) -> tuple[dict[str, T], list[str]]:
        """The answers to `GET target`, by the names of controls, and the names of those missing."""
        found: dict[str, T] = {}
        missing: list[str] = []
        for name, answer in (await self._nodes.answers(target, FIGURES_BYTES_MAX)).items():
            try:
                if isinstance(answer, str):
                    missing.append(name)
                else:
                    found[name] = msgspec.json.decode(answer, type=kind)
            except msgspec.DecodeError:
                missing.append(name)
        return found, missing


class _Listing(msgspec.Struct, frozen=True):
    """What is read of another control's listing."""

    nodes: list[dict[str, Any]]

    def __post_init__(self) -> None:
        for node in self.nodes:
            if not _KNOWN.keys() <= node.keys():
                raise ValueError("a node of another release's")
            if any(not isinstance(node[name], kind) for name, kind in _KNOWN.items()):
                raise ValueError("a node that cannot be read")


_KNOWN: Mapping[str, type | tuple[type, ...]] = {
    "name": str, "machine": str, "instance": str, "address": str, "location": str, "role": str,
    "alive": bool, "seen_s_ago": (int, float), "unready": dict, "disk_failing": bool,
    "clock_off_s": (int, float), "connections": int,
}  # fmt: skip
