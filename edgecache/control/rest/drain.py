"""Drain over the REST API: a node's viewers go elsewhere, until they are let in again.

Law: operators alone, and kept until it is taken back. A drain outlives the node's process and
control's, so that a machine that is restarted takes viewers again when its operator says so. Who is
meant is a location, a role or a process by name; `NAME@MACHINE` is that on one machine alone. A
node hears of it with the answer to its next report, within a second, and who asks a regional cache
that is drained with its own, too; what is asked again tells how many connections are left.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

import msgspec
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from edgecache.config.model import Config
from edgecache.control.nodes.other_controls import InstallationNodes
from edgecache.control.nodes.registry import NodeRegistry, expected
from edgecache.control.rest.auth import require_operator
from edgecache.control.rest.call import RouteHandler, json_response
from edgecache.control.state.database import Authorship, StateDatabase
from edgecache.runtime.inherited import Unready

if TYPE_CHECKING:
    from edgecache.control.rest.app import ControlServices


DRAINED_MAX = 1_024  # names: of locations, roles and processes
TOLD = "drained"
_NODE = re.compile(r"[A-Za-z0-9-]{1,64}(@[A-Za-z0-9-]{1,64})?")


def names_of(name: str, label: str, machine: str) -> set[str]:
    """What an operator may call a process, or those it is one of."""
    names = {name, label}
    return names | {f"{one}@{machine}" for one in names} if machine else names


class UnknownNodeError(Exception):
    """What is named is no node; the message says so."""


class DrainedNodes:
    """The drained, as they were named, in the state's database."""

    def __init__(self, state: StateDatabase) -> None:
        self._state = state
        self.named: frozenset[str] = frozenset()
        self._read()
        state.on_change(("told",), self._read)

    def holds(self, name: str, label: str, machine: str) -> bool:
        """Whether a process is meant, by its name, its location or role, and its machine."""
        return bool(self.named & names_of(name, label, machine))

    def caches(self, config: Config, nodes: NodeRegistry) -> list[str]:
        """The regional caches that edges are to ask last, by name: meant here, or by a command
        where they run."""
        draining = nodes.draining_caches if config.regional_caches else ()
        return [
            one.name
            for one in config.regional_caches
            if one.name in draining or self.holds(one.place, one.name, "")
        ]

    def change(self, named: str, known: Iterable[str], *, drain: bool) -> None:
        """Drain a node, or let it take viewers again; on disk when this returns.

        UnknownNodeError where it is not among `known`; what is drained already may be gone.
        """
        known = sorted(known)  # inside `writing`: what others drain is known by then
        if not _NODE.fullmatch(named) or named not in {*known, *self.named}:
            raise UnknownNodeError(f"no node {named} (known: {', '.join(known) or 'none'})")
        changed = self.named | {named} if drain else self.named - {named}
        if len(changed) > DRAINED_MAX:
            raise UnknownNodeError(f"{len(changed)} are more than {DRAINED_MAX}")
        value = msgspec.json.encode(sorted(changed)).decode()
        with self._state.writing():
            self._state.execute(
                "INSERT INTO told VALUES (?, ?)"
                " ON CONFLICT (name) DO UPDATE SET value = excluded.value",
                (TOLD, value),
            )
            self._state.on_commit(partial(self._use, changed))

    def _read(self) -> None:
        """Know what this database says, whichever control wrote it."""
        row = self._state.execute("SELECT value FROM told WHERE name = ?", (TOLD,)).fetchone()
        self.named = frozenset(msgspec.json.decode(row[0], type=list[str]) if row else [])

    def _use(self, named: frozenset[str]) -> None:
        self.named = named


def known_names(config: Config, nodes: Iterable[Mapping[str, Any]]) -> set[str]:
    """What nodes may be called by an operator: see `drain`."""
    names = {*expected(config)}
    for node in nodes:
        names |= names_of(node["name"], node["location"] or node["role"], node["machine"])
    return names


class DrainingProcess(msgspec.Struct, frozen=True):
    """A process that is meant: whether it drains by now, and its open connections."""

    name: str
    machine: str
    draining: bool
    connections: int


class DrainReport(msgspec.Struct, frozen=True):
    """A node by the name that was given, its processes, and their connections in all.

    `done`: every process has heard of it and, where it drains, has no connection left.
    """

    node: str
    drain: bool
    done: bool
    connections: int
    processes: list[DrainingProcess]


def drain_handlers(control: ControlServices) -> dict[str, RouteHandler]:
    """A handler for each operation, by name."""

    async def change(request: Request, *, drain: bool) -> Response:
        author = require_operator(request, control.tokens)
        node = request.path_params["name"]
        known = known_names(control.configured(), control.everywhere.listing())
        by = Authorship(author, f"{'drain_node' if drain else 'undrain_node'} {node}")
        try:
            await control.run(partial(_change, control, node, known, by, drain=drain))
        except UnknownNodeError as error:
            raise HTTPException(404, str(error)) from error
        return json_response(_report(control.everywhere, node, drain=drain))

    return {
        "drain_node": partial(change, drain=True),
        "undrain_node": partial(change, drain=False),
    }


def _change(
    control: ControlServices, node: str, known: Iterable[str], by: Authorship, *, drain: bool
) -> None:
    drained = control.drained
    assert drained is not None
    if drain == (node in drained.named):  # as it is: who asks how far it is asks so
        drained.change(node, known, drain=drain)
        return
    with control.log.recorded(by):
        drained.change(node, known, drain=drain)


def _report(nodes: InstallationNodes, node: str, *, drain: bool) -> DrainReport:
    processes = [
        _process(one)
        for one in nodes.listing()
        if one["alive"]
        and node in names_of(one["name"], one["location"] or one["role"], one["machine"])
    ]
    left = sum(one.connections for one in processes)
    heard = all(one.draining == drain for one in processes)
    return DrainReport(node, drain, heard and not (drain and left), left, processes)


def _process(node: Mapping[str, Any]) -> DrainingProcess:
    draining = Unready.DRAINING in node["unready"]
    return DrainingProcess(node["name"], node["machine"], draining, node["connections"])
