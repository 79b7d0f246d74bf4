"""The control process of a world: the real log, barrier, invalidations and API, on SQLite.

Nodes ask over HTTP (`ControlLine` stands for httpx); operators by the calls of `Plane`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, MutableMapping
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any, Protocol

import httpx

from edgecache.cluster.log_entries import LogEntryKind
from edgecache.cluster.tokens import Tokens
from edgecache.config.model import Config
from edgecache.control.cloudfront.authentication import CallerAuthentication
from edgecache.control.nodes.barrier import Barrier
from edgecache.control.nodes.refusals import NodeAdmission
from edgecache.control.nodes.registry import NodeRegistry
from edgecache.control.rest.access_keys import KeyAdmission
from edgecache.control.rest.app import ControlServices, control_app
from edgecache.control.state.invalidations import (
    InvalidationRecord,
    InvalidationRequest,
    Invalidations,
)
from edgecache.control.state.log import ControlLog, publish_config
from edgecache.control.state.sqlite import SqliteDatabase
from tests.simulation.clocks import Clocks
from tests.simulation.links import Links, Pipe
from tests.simulation.machine import Machine, Process
from tests.world.credentials import SECRETS, verifier

PLACE = "control"


class Witness(Protocol):
    """Who sees what control does at the moment it does it."""

    def accepted(self, record: InvalidationRecord, epoch: str) -> None: ...
    def completed(self, record: InvalidationRecord, epoch: str) -> None: ...


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
            state = SqliteDatabase(folder)
            state.execute("PRAGMA synchronous = OFF")  # nothing here cuts the power
            self.log = ControlLog(state, clocks.wall)
            publish_config(self.log, config)
            clock = clocks.steady()
            self.barrier = Barrier(state, clock)
            self.invalidations = Invalidations(
                state, self.log, self.barrier, clocks.wall, self._random.randbytes
            )
            tokens = Tokens([*SECRETS.values()], clocks.wall)
            control = ControlServices(
                self.log,
                NodeRegistry(clock),
                self.barrier,
                lambda: config,
                tokens,
                NodeAdmission(verifier(PLACE, clocks.wall).verify, clock),
                self._publish,
            )
            callers = CallerAuthentication(SECRETS, tokens, clocks.wall, clock)
            self.app = control_app(control, (), KeyAdmission(callers))
        self.process.at_end.append(state.close)
        return self.log.epoch

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
        self, wanted: InvalidationRequest, answer: Callable[[InvalidationRecord], None]
    ) -> None:
        """CreateInvalidation."""
        record, fresh = self.invalidations.create(wanted)
        if fresh:
            self._witness.accepted(record, self.log.epoch)
        self._answer(record, answer)

    def tell(self, record: InvalidationRecord) -> None:
        """GetInvalidation, as it is now."""
        now = self.invalidations.get(record.distribution, record.id)
        if now is not None and now.completed_at is not None:
            self._witness.completed(now, self.log.epoch)

    def wait(
        self, distribution: str, name: str, answer: Callable[[InvalidationRecord], None]
    ) -> None:
        """GetInvalidation, once it is Completed."""
        self.process.create_task(self._wait(distribution, name, answer))

    async def _wait(
        self, distribution: str, name: str, answer: Callable[[InvalidationRecord], None]
    ) -> None:
        record = self.invalidations.get(distribution, name)
        if record is None:
            return
        await self.invalidations.wait(record, 30.0)
        record = self.invalidations.get(distribution, name)
        if record is not None and record.completed_at is not None:
            self._witness.completed(record, self.log.epoch)
            self._answer(record, answer)

    def _publish(self, config: Config) -> int:
        return publish_config(self.log, config)

    def publish(self, config: Any) -> None:
        """A changed configuration."""
        self.log.append(LogEntryKind.CONFIG, config)

    def _answer(
        self, record: InvalidationRecord, answer: Callable[[InvalidationRecord], None]
    ) -> None:
        if self._random.random() < self.deeds.dies_before_answer:
            machine = self.process.machine
            machine.at(machine.now, None, self.process.kill)
            return
        answer(record)


@dataclass(frozen=True, slots=True)
class Question:
    """One HTTP request to control."""

    method: str
    path: str
    query: bytes
    headers: dict[str, str]
    content: bytes

    def scope(self) -> dict[str, Any]:
        """As an ASGI server tells it."""
        headers = {"host": "127.0.0.1:8090", **self.headers}
        return {
            "type": "http",
            "asgi": {"version": "3.0"},
            "http_version": "1.1",
            "method": self.method,
            "scheme": "http",
            "path": self.path,
            "raw_path": self.path.encode(),
            "query_string": self.query,
            "root_path": "",
            "headers": [(name.encode(), value.encode()) for name, value in headers.items()],
            "client": ("127.0.0.1", 1),
            "server": ("127.0.0.1", 8090),
        }


class ControlLine:
    """Stands where a node has its httpx client, whose parsing of URLs would take half of all time:
    carries questions to whichever control runs when they arrive."""

    def __init__(self, links: Links, process: Process, find: Callable[[], Plane | None]) -> None:
        self._links = links
        self._process = process
        self._find = find

    async def get(
        self,
        target: str,
        *,
        headers: dict[str, str],
        timeout: float,  # noqa: ASYNC109
    ) -> httpx.Response:
        path, _, query = target.partition("?")
        return await self._ask(Question("GET", path, query.encode(), headers, b""), timeout)

    async def post(
        self,
        target: str,
        *,
        headers: dict[str, str],
        timeout: float,  # noqa: ASYNC109
        content: bytes = b"",
    ) -> httpx.Response:
        path, _, query = target.partition("?")
        return await self._ask(Question("POST", path, query.encode(), headers, content), timeout)

    async def _ask(self, question: Question, timeout_s: float) -> httpx.Response:
        future: asyncio.Future[httpx.Response] = self._process.create_future()
        twice = question.method == "GET" and self._links.twice()
        for _ in range(2 if twice else 1):
            Pipe(self._links, self._process.name, PLACE, None).send(self._arrive, question, future)
        try:
            async with asyncio.timeout(timeout_s):
                return await future
        except TimeoutError:
            raise httpx.ReadTimeout("silent") from None

    def _arrive(self, question: Question, future: asyncio.Future[httpx.Response]) -> None:
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
        self._links.machine.at(self._links.machine.now, process, plane.hear, question, answer)


def _succeed(future: asyncio.Future[httpx.Response], response: httpx.Response) -> None:
    if not future.done():
        future.set_result(response)


def _fail(future: asyncio.Future[httpx.Response]) -> None:
    if not future.done():
        future.set_exception(httpx.ReadError("reset"))
