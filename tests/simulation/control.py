"""The control process of a world: the real log, barrier, invalidations and API, on SQLite.

Nodes ask over HTTP (`ControlLine` stands for httpx); operators by the calls of `Plane`.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Coroutine, MutableMapping
from concurrent.futures import Future
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from random import Random
from typing import Any, Protocol

import httpx
import psycopg

from edgecache.cluster.log_entries import LogEntryKind
from edgecache.cluster.tokens import Tokens
from edgecache.config.model import Config
from edgecache.control.cloudfront.authentication import CallerAuthentication
from edgecache.control.nodes.barrier import Barrier
from edgecache.control.nodes.control_group import ControlGroup, ControlIdentity
from edgecache.control.nodes.refusals import NodeAdmission
from edgecache.control.nodes.registry import NodeRegistry
from edgecache.control.rest.access_keys import KeyAdmission
from edgecache.control.rest.app import ControlServices, control_app
from edgecache.control.state import change_notifications, postgresql
from edgecache.control.state.change_notifications import ChangeListener
from edgecache.control.state.database import StateBusyError, StateDatabase, StateError
from edgecache.control.state.database_thread import StateRun, StateThread, run_inline
from edgecache.control.state.invalidations import (
    InvalidationRecord,
    InvalidationRequest,
    Invalidations,
)
from edgecache.control.state.log import ControlLog, LoopCall, publish_config
from edgecache.control.state.postgresql import PostgresDatabase
from edgecache.control.state.sqlite import SqliteDatabase
from edgecache.node.control_state import StateBeat
from tests.simulation.clocks import Clock, Clocks
from tests.simulation.control_line import Question
from tests.simulation.driver import SimulatedDriver, own_driver
from tests.simulation.machine import Machine, Process, pause
from tests.simulation.threads import WaitingThread
from tests.world.credentials import SECRETS, verifier

for module in (postgresql, change_notifications):
    own_driver(module)

PLACE = "control"
DSN = "host=db-1,db-2 dbname=edgecache"


class Witness(Protocol):
    """Who sees what control does at the moment it does it."""

    def accepted(
        self, record: InvalidationRecord, epoch: str, versions: list[int] | None = None
    ) -> None: ...
    def completed(self, record: InvalidationRecord, epoch: str) -> None: ...
    def note(self, text: str) -> None: ...


@dataclass(slots=True)
class Deeds:
    """What may befall control: `chance` is asked between a deed on disk and its answer."""

    dies_before_answer: float = 0.0


@dataclass(slots=True)
class SharedState:
    """A database that others use, too. `ended` is told of a control that ends by itself."""

    driver: SimulatedDriver
    ended: Callable[[Plane, str], None]


class Plane:
    """One run of control."""

    def __init__(
        self, machine: Machine, random: Random, witness: Witness, place: str = PLACE
    ) -> None:
        self.process = Process(machine, place)
        self.deeds = Deeds()
        self.began = machine.now
        self.listens = False
        self._random = random
        self._witness = witness
        self._run: StateRun = run_inline
        self._works: list[Callable[[], Coroutine[Any, Any, None]]] = []

    def open(self, folder: Path, config: Config, clocks: Clocks) -> None:
        """Begin on the database in `folder`: what a control process does before it listens."""
        with self.process.running():
            state = SqliteDatabase(folder)
            state.execute("PRAGMA synchronous = OFF")  # nothing here cuts the power
            clock = clocks.steady()
            self._read(state, config, clocks, _at_once)
            self._make(Barrier(state, clock), None, clocks, clock)
        self.process.at_end.append(state.close)
        self.listens = True

    def open_shared(self, shared: SharedState, config: Config, clocks: Clocks) -> None:
        """Begin on a database of several controls; it listens when all has been read."""
        self.process.driver = shared.driver
        worker = WaitingThread(self.process)
        opened = worker.submit(partial(self._open_shared, shared, config, clocks, worker))
        opened.add_done_callback(partial(self._opened, shared))

    def _open_shared(
        self, shared: SharedState, config: Config, clocks: Clocks, worker: WaitingThread
    ) -> None:
        clock, random = clocks.steady(), self._random.randbytes
        state = PostgresDatabase(DSN, clock, (), random)
        thread = StateThread(state)
        thread._worker = worker  # type: ignore[assignment]
        thread._loop = self.process
        self._run = thread.run
        state.on_lost = partial(self._end, shared)
        self._read(state, config, clocks, thread.hand)
        me = ControlIdentity(self.process.name, random(8).hex())
        barrier = Barrier(state, clock, me.instance)
        group = ControlGroup(me, state, barrier, self.log)
        state.on_beat = group.beat
        state.on_change(("controls", "leases"), group.look)
        beat = StateBeat(state, thread.run, self._says, group)
        listener = ChangeListener(state, thread.run, pause)
        self._works = [beat.work, listener.listen, listener.follow]
        self._make(barrier, group, clocks, clock)

    def _opened(self, shared: SharedState, opened: Future[None]) -> None:
        error = opened.exception()
        if error is not None:
            if not isinstance(error, StateError | psycopg.Error):
                self.process.machine.failures.append(f"{self.process.name}: {error!r}")
            self._end(shared, str(error))
            return
        machine = self.process.machine
        machine.at(machine.now, self.process, self._listen)

    def _listen(self) -> None:
        self.listens = True
        for work in self._works:
            self.process.create_task(work())

    def _end(self, shared: SharedState, why: str) -> None:
        machine = self.process.machine
        machine.at(machine.now, None, shared.ended, self, why)

    def _says(self, line: str) -> None:
        self._witness.note(f"{self.process.name}: {line}")

    def _read(self, state: StateDatabase, config: Config, clocks: Clocks, hand: LoopCall) -> None:
        self._state = state
        self.log = ControlLog(state, clocks.wall, hand)
        publish_config(self.log, config)
        self._config = config

    def _make(
        self, barrier: Barrier, group: ControlGroup | None, clocks: Clocks, clock: Clock
    ) -> None:
        self.barrier = barrier
        self.invalidations = Invalidations(
            self._state, self.log, group or barrier, clocks.wall, self._random.randbytes
        )
        tokens = Tokens([*SECRETS.values()], clocks.wall)
        control = ControlServices(
            self.log,
            NodeRegistry(clock),
            self.barrier,
            lambda: self._config,
            tokens,
            NodeAdmission(verifier(PLACE, clocks.wall).verify, clock),
            self._publish,
            run=self._run,
            group=group,
        )
        callers = CallerAuthentication(SECRETS, tokens, clocks.wall, clock)
        self.app = control_app(control, (), KeyAdmission(callers))

    def hear(self, question: Question, answer: Callable[[httpx.Response], None]) -> None:
        """A node's question, as the API hears it."""
        self.process.create_task(self._serve(question, answer))

    async def _serve(self, question: Question, answer: Callable[[httpx.Response], None]) -> None:
        said: list[MutableMapping[str, Any]] = []

        async def receive() -> dict[str, Any]:
            return {"type": "http.request", "body": question.content, "more_body": False}

        async def send(message: MutableMapping[str, Any]) -> None:
            said.append(message)

        await self.app(question.scope(), receive, send)
        content = b"".join(message.get("body", b"") for message in said[1:])
        answer(httpx.Response(said[0]["status"], content=content))

    def create(
        self,
        wanted: InvalidationRequest,
        versions: list[int],
        answer: Callable[[InvalidationRecord], None],
    ) -> None:
        """CreateInvalidation, by who wants these `versions` to be seen."""
        self.process.create_task(self._create(wanted, versions, answer))

    async def _create(
        self,
        wanted: InvalidationRequest,
        versions: list[int],
        answer: Callable[[InvalidationRecord], None],
    ) -> None:
        try:
            record, _ = await self._run(partial(self.invalidations.create, wanted))
        except StateBusyError:
            return
        self._witness.accepted(record, self.log.epoch, versions)
        self._answer(record, answer)

    def tell(self, record: InvalidationRecord) -> None:
        """GetInvalidation, as it is now."""
        self.process.create_task(self._tell(record.distribution, record.id, _nobody))

    async def _tell(
        self, distribution: str, name: str, answer: Callable[[InvalidationRecord], None]
    ) -> None:
        with contextlib.suppress(StateBusyError):
            record = await self._run(partial(self.invalidations.get, distribution, name))
            if record is not None and record.completed_at is not None:
                self._witness.completed(record, self.log.epoch)
                self._answer(record, answer)

    def wait(
        self, distribution: str, name: str, answer: Callable[[InvalidationRecord], None]
    ) -> None:
        """GetInvalidation, once it is Completed."""
        self.process.create_task(self._wait(distribution, name, answer))

    async def _wait(
        self, distribution: str, name: str, answer: Callable[[InvalidationRecord], None]
    ) -> None:
        with contextlib.suppress(StateBusyError):
            record = await self._run(partial(self.invalidations.get, distribution, name))
            if record is not None:
                await self.invalidations.wait(record, 30.0)
                await self._tell(distribution, name, answer)

    def _publish(self, config: Config) -> int:
        return publish_config(self.log, config)

    def publish(self, config: Any) -> None:
        """A changed configuration."""
        self.process.create_task(self._publish_body(config))

    async def _publish_body(self, config: Any) -> None:
        with contextlib.suppress(StateBusyError):
            await self._run(partial(self.log.append, LogEntryKind.CONFIG, config))

    def _answer(
        self, record: InvalidationRecord, answer: Callable[[InvalidationRecord], None]
    ) -> None:
        if self._random.random() < self.deeds.dies_before_answer:
            machine = self.process.machine
            machine.at(machine.now, None, self.process.kill)
            return
        answer(record)


def _at_once(done: Callable[[], None]) -> None:
    done()


def _nobody(record: InvalidationRecord) -> None:
    pass
