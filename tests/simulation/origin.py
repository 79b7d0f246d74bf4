"""The model origin: each answer is stamped with the version there was when its request arrived."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from random import Random

from edgecache.http.dates import format_date
from edgecache.http.message import Fields, Request, Response, first_value
from edgecache.upstream.faults import Fault, UpstreamError
from edgecache.upstream.interface import Call, Reply
from tests.simulation.clocks import Clock
from tests.simulation.links import Links, Pipe
from tests.simulation.machine import START, Process
from tests.simulation.objects import OBJECTS, TOKEN_BYTES, Object, body_of, etag_of
from tests.world.origin import HeldBody

ANSWER_S_MAX = 30.0  # CloudFront's default origin read timeout
PLACE = "origin"


@dataclass(slots=True)
class Mood:
    """How the origin is today."""

    work_s: float = 0.01  # at most, between hearing and answering
    slow: float = 0.0  # how many answers take a hundred times as long
    sick: float = 0.0  # how many are 503
    down: bool = False  # nobody listens
    held: bool = False  # answers wait until it is let go


class ModelOrigin:
    """All objects, each at its version."""

    def __init__(self, links: Links, random: Random) -> None:
        self.versions = [1] * len(OBJECTS)
        self.mood = Mood()
        self.asked = 0
        self._links = links
        self._random = random
        self._by_target = {thing.target.encode(): thing for thing in OBJECTS}
        self._held: list[Answering] = []

    def bump(self, thing: Object) -> int:
        """There is a new version from here on."""
        self.versions[thing.number] += 1
        return self.versions[thing.number]

    def release(self) -> None:
        """Held answers leave."""
        self.mood.held = False
        held, self._held = self._held, []
        for answering in held:
            answering.begin(0.0)

    def hear(self, call: Call, back: Pipe, future: asyncio.Future[Reply]) -> None:
        """A request has arrived: what will be answered is settled now."""
        self.asked += 1
        mood, random = self.mood, self._random
        if mood.down:
            back.send(_fail, future, Fault.REFUSED)
            return
        thing = self._by_target[call.request.target]
        answering = Answering(self, thing, back, future)
        answering.settle(call.request, sick=random.random() < mood.sick)
        if mood.held:
            self._held.append(answering)
        else:
            answering.begin(self.work_s())

    def work_s(self) -> float:
        slow = self._random.random() < self.mood.slow
        return self._random.random() * self.mood.work_s * (100.0 if slow else 1.0)

    @property
    def links(self) -> Links:
        return self._links


class Answering:
    """One answer on its way."""

    def __init__(
        self, origin: ModelOrigin, thing: Object, back: Pipe, future: asyncio.Future[Reply]
    ) -> None:
        self._origin = origin
        self._thing = thing
        self._back = back
        self._future = future
        self._head: tuple[int, Fields] = (503, ())
        self._body: HeldBody | None = None
        self._data = b""

    def settle(self, request: Request, *, sick: bool) -> None:
        thing, version = self._thing, self._origin.versions[self._thing.number]
        self._data = body_of(thing, version)
        etag = etag_of(thing, version)
        fields: Fields = ((b"cache-control", thing.cache.encode()),)
        fields += ((b"x-version", b"%d" % version),)
        fields += ((b"date", format_date(START + self._origin.links.machine.now)),)
        fields += ((b"etag", etag),) if thing.etag else ()
        fields += ((b"cache-tag", ",".join(thing.tags).encode()),) if thing.tags else ()
        fields += ((b"vary", b"accept-language"),) if thing.varies else ()
        status = 503 if sick else thing.status
        if sick:
            fields = ((b"cache-control", b"no-store"), (b"x-version", b"%d" % version))
        elif thing.etag and etag in (first_value(request.fields, b"if-none-match") or b""):
            status, self._data = 304, b""
        elif thing.status == 200:
            status, fields = self._part(request, fields, etag)
        self._head = (status, fields)

    def _part(self, request: Request, fields: Fields, etag: bytes) -> tuple[int, Fields]:
        """The range asked for, while its condition holds."""
        wanted = first_value(request.fields, b"range")
        condition = first_value(request.fields, b"if-range")
        whole = len(self._data)
        if wanted is None or (condition is not None and condition != etag):
            return 200, fields
        first, _, last = wanted.removeprefix(b"bytes=").partition(b"-")
        start, end = int(first), min(int(last or whole), whole - 1)
        self._data = self._data[start : end + 1]
        return 206, (*fields, (b"content-range", b"bytes %d-%d/%d" % (start, end, whole)))

    def begin(self, after_s: float) -> None:
        machine = self._origin.links.machine
        machine.at(machine.now + after_s, None, self._answer)

    def _answer(self) -> None:
        status, fields = self._head
        self._body = HeldBody(len(self._data))
        head = Response(status, b"", fields, 0.0, 0.0)
        self._back.send(_succeed, self._future, Reply(head, self._body))
        pieces = self._thing.pieces if status in (200, 206) else 1
        size = -(-len(self._data) // pieces // TOKEN_BYTES) * TOKEN_BYTES or 1
        machine, when = self._origin.links.machine, 0.0
        for start in range(0, len(self._data), size):
            machine.at(machine.now + when, None, self._piece, self._data[start : start + size])
            when += self._origin.work_s()
        machine.at(machine.now + when, None, self._piece, b"")

    def _piece(self, data: bytes) -> None:
        assert self._body is not None
        self._back.send(self._body.put, data)


class OriginLine:
    """The origin as an Upstream of one process."""

    def __init__(self, origin: ModelOrigin, process: Process, clock: Clock) -> None:
        self._origin = origin
        self._process = process
        self._clock = clock

    async def fetch(self, call: Call) -> Reply:
        links, own = self._origin.links, self._process
        future: asyncio.Future[Reply] = own.create_future()
        requested_at = self._clock()
        back = Pipe(links, PLACE, own.name, own)
        Pipe(links, own.name, PLACE, None).send(self._origin.hear, call, back, future)
        try:
            async with asyncio.timeout(ANSWER_S_MAX):
                reply = await future
        except TimeoutError:
            raise UpstreamError(Fault.RESPONSE_TIMEOUT, PLACE) from None
        head = reply.head
        reply.head = Response(head.status, b"", head.fields, requested_at, self._clock())
        return reply


def _succeed(future: asyncio.Future[Reply], reply: Reply) -> None:
    if not future.done():
        future.set_result(reply)


def _fail(future: asyncio.Future[Reply], fault: Fault) -> None:
    if not future.done():
        future.set_exception(UpstreamError(fault, PLACE))
