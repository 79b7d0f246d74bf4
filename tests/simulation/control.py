"""The control process of a world: the real log, barrier, invalidations and API, on SQLite.

Nodes ask over HTTP (`ControlLine` carries httpx); operators by the calls of `Plane`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any, Protocol

import httpx

from edgecache.config.model import Config
from edgecache.control.app import Control, control_app
from edgecache.control.barrier import Barrier
from edgecache.control.invalidations import Invalidations, Record, Wanted
from edgecache.control.log import Kind, Log, ensure_config
from edgecache.control.nodes import Nodes
from edgecache.control.state import State
from edgecache.control.tokens import Tokens
from tests.simulation.clocks import Clocks
from tests.simulation.links import Links, Pipe
from tests.simulation.machine import Machine, Process

PLACE = "control"
URL = "http://127.0.0.1:8090"
KEYS = ["k" * 32]


class Witness(Protocol):
    """Who sees what control does at the moment it does it."""

    def accepted(self, record: Record, epoch: str) -> None: ...
    def completed(self, record: Record, epoch: str) -> None: ...


@dataclass(slots=True)
class Deeds:
    """What may befall control: `chance` is asked between a deed on disk and its answer."""

    dies_before_answer: float = 0.0


class Plane:
    """One run of control, on the database in `folder`."""

    def __init__(self, machine: Machine, random: Random, witness: Witness) -> None:
        self.process = Process(machine, PLACE)
        self.deeds = Deeds()
        self.began = machine.now
        self._random = random
        self._witness = witness

    def open(self, folder: Path, config: Config, clocks: Clocks) -> str:
        """Begin: what a control process does before it listens. The epoch of its log."""
        with self.process.running():
            state = State(folder)
            state.connection.execute("PRAGMA synchronous = OFF")  # nothing here cuts the power
            self.log = Log(state, clocks.wall)
            ensure_config(self.log, config)
            clock = clocks.steady()
            self.barrier = Barrier(state, clock)
            self.invalidations = Invalidations(
                state, self.log, self.barrier, clocks.wall, self._random.randbytes
            )
            tokens = Tokens(KEYS, clocks.wall)
            control = Control(
                self.log, Nodes(clock), self.barrier, lambda: config, tokens, self._publish
            )
            self.app = httpx.ASGITransport(control_app(control, ()), client=("127.0.0.1", 1))
        self.process.at_end.append(state.close)
        return self.log.epoch

    def hear(self, request: httpx.Request, answer: Callable[[httpx.Response], None]) -> None:
        """A node's question, as the API hears it."""
        self.process.create_task(self._serve(request, answer))

    async def _serve(
        self, request: httpx.Request, answer: Callable[[httpx.Response], None]
    ) -> None:
        response = await self.app.handle_async_request(request)
        assert isinstance(response.stream, httpx.AsyncByteStream)
        content = b"".join([piece async for piece in response.stream])
        answer(httpx.Response(response.status_code, headers=response.headers, content=content))

    def create(self, wanted: Wanted, answer: Callable[[Record], None]) -> None:
        """CreateInvalidation."""
        record, fresh = self.invalidations.create(wanted)
        if fresh:
            self._witness.accepted(record, self.log.epoch)
        self._answer(record, answer)

    def tell(self, record: Record) -> None:
        """GetInvalidation, as it is now."""
        now = self.invalidations.get(record.distribution, record.id)
        if now is not None and now.completed_at is not None:
            self._witness.completed(now, self.log.epoch)

    def wait(self, distribution: str, name: str, answer: Callable[[Record], None]) -> None:
        """GetInvalidation, once it is Completed."""
        self.process.create_task(self._wait(distribution, name, answer))

    async def _wait(self, distribution: str, name: str, answer: Callable[[Record], None]) -> None:
        record = self.invalidations.get(distribution, name)
        if record is None:
            return
        record = await self.invalidations.wait(record, 30.0)
        if record.completed_at is not None:
            self._witness.completed(record, self.log.epoch)
            self._answer(record, answer)

    def _publish(self, config: Config) -> int:
        return ensure_config(self.log, config)

    def publish(self, config: Any) -> None:
        """A changed configuration."""
        self.log.append(Kind.CONFIG, config)

    def _answer(self, record: Record, answer: Callable[[Record], None]) -> None:
        if self._random.random() < self.deeds.dies_before_answer:
            machine = self.process.machine
            machine.at(machine.now, None, self.process.kill)
            return
        answer(record)


class ControlLine(httpx.AsyncBaseTransport):
    """Carries one node's questions to whichever control runs when they arrive."""

    def __init__(self, links: Links, process: Process, find: Callable[[], Plane | None]) -> None:
        self._links = links
        self._process = process
        self._find = find

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        await request.aread()
        future: asyncio.Future[httpx.Response] = self._process.create_future()
        for _ in range(2 if self._links.twice() else 1):
            Pipe(self._links, self._process.name, PLACE, None).send(self._arrive, request, future)
        try:
            async with asyncio.timeout(request.extensions["timeout"]["read"]):
                return await future
        except TimeoutError:
            raise httpx.ReadTimeout("silent") from None

    def _arrive(self, request: httpx.Request, future: asyncio.Future[httpx.Response]) -> None:
        own, plane = self._process, self._find()
        back = Pipe(self._links, PLACE, own.name, own)
        if plane is None:
            back.send(_fail, future)
            return
        process = plane.process

        def reset() -> None:
            back.send(_fail, future)

        def answer(response: httpx.Response) -> None:
            process.at_end.remove(reset)
            back.send(_succeed, future, response)

        process.at_end.append(reset)
        self._links.machine.at(self._links.machine.now, process, plane.hear, request, answer)


def _succeed(future: asyncio.Future[httpx.Response], response: httpx.Response) -> None:
    if not future.done():
        future.set_result(response)


def _fail(future: asyncio.Future[httpx.Response]) -> None:
    if not future.done():
        future.set_exception(httpx.ReadError("reset"))
