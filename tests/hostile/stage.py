"""The stage of the hostile rows: a play whose origin is bytes, and the oracle over both sides."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from edgecache.cache.tier import Tier
from edgecache.config.model import MIB, SemanticsName
from edgecache.upstream.origin import OriginUpstream
from edgecache.upstream.origin_group import GroupUpstream
from edgecache.upstream.pool import Pool
from tests.hostile.recorder import RecordingOrigin, Responder, echo
from tests.hostile.strict import Answered, read_responses
from tests.hostile.usage import Usage
from tests.world.play import Play, Scene

TURNS_MAX = 2_000  # of the loop, before it is said not to come to rest
_NOT_PLAIN = re.compile(rb"[^\t\x20-\x7e]")
STAGE_BYTES = 64 * MIB  # of both sides' bytes, some rows of a MiB in pieces of one byte: 33 MiB
HOST = b"Host: site.test\r\n"


_RULES: list[SemanticsName] = ["cloudfront"]


@contextmanager
def under(semantics: SemanticsName) -> Iterator[None]:
    """The rules by which rows are played that do not say themselves by which."""
    _RULES.append(semantics)
    try:
        yield
    finally:
        _RULES.pop()


def scene_of(memo: bool, **more: Any) -> Scene:
    """What a row is set up with; see `under`."""
    return Scene(memo=memo, **({"semantics": _RULES[-1]} | more))


class Troubles(logging.Handler):
    """Keeps what was logged as an error: a traceback is a failure of the row (O4)."""

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.said: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.said.append(self.format(record))


class Client:
    """One connection of one client, read strictly."""

    def __init__(self, play: HostilePlay, name: str) -> None:
        self._viewer = play.viewer(name)
        self._play = play
        self._read = 0

    @property
    def closed(self) -> bool:
        return self._viewer.transport.closed

    @property
    def aborted(self) -> bool:
        return self._viewer.transport.aborted

    @property
    def output(self) -> bytes:
        return bytes(self._viewer.transport.written)

    def sends(self, pieces: Sequence[bytes]) -> None:
        """Bytes, as they are cut; a transport that is closed delivers no more of them."""
        for piece in pieces:
            if not self.closed:
                self._viewer.connection.data_received(piece)
                self._play.rests()
        self._play.rests()

    def answers(self, methods: list[bytes]) -> list[Answered]:
        """What came since the last look."""
        data = self.output[self._read :]
        self._read += len(data)
        return read_responses(data, methods)


class HostilePlay(Play):
    """A play with a real pool over an origin that records bytes."""

    def __init__(self, scene: Scene, responder: Responder = echo) -> None:
        self._usage = Usage()
        self.recorder = RecordingOrigin(responder)
        self.troubles = Troubles()
        self._loggers = [logging.getLogger("edgecache"), logging.getLogger("asyncio")]
        for logger in self._loggers:
            logger.addHandler(self.troubles)
        super().__init__(scene)
        self.loop.set_exception_handler(self._unhandled)

    def client(self, name: str) -> Client:
        """A new connection."""
        return Client(self, name)

    def rests(self) -> None:
        """Run the loop until nothing is ready: many rows on few turns."""
        for _ in range(TURNS_MAX):
            if not getattr(self.loop, "_ready"):  # noqa: B009  it has no public name
                return
            self.loop.settle(1)
        raise AssertionError("the loop does not come to rest")

    def passes(self, seconds: float) -> None:
        """Time passes a second at a time, as the sweep has it."""
        for _ in range(int(seconds)):
            self.clock.now += 1
            self.loop.settle(1)
            self.access_log.flush()  # as a node does, four times a second
            self.listener.sweep()
            self.rests()

    def close(self) -> None:
        """Everyone leaves; nothing is left, nothing was logged, and the origin read no nonsense."""
        for viewer in self.viewers.values():
            if not viewer.transport.closed:
                viewer.transport.closed = True
                viewer.connection.connection_lost(None)
        try:
            super().close()
        finally:
            for logger in self._loggers:
                logger.removeHandler(self.troubles)
        self._is_within_its_budget()
        assert not self.troubles.said, self.troubles.said
        self._records_are_whole()
        assert not self.recorder.violations, self.recorder.violations

    def _is_within_its_budget(self) -> None:
        """O5: memory at its peak, and descriptors."""
        assert self._usage.opened <= 0, f"{self._usage.opened} descriptors more"
        most = 1.1 * self.scene.memory_bytes + STAGE_BYTES
        grown = self._usage.grown()
        assert grown <= most, f"{grown >> 20} MiB more, for a budget of {most / MIB:.0f}"

    def _records_are_whole(self) -> None:
        """O6: one well-formed record for each request that was counted."""
        self.access_log.flush()
        lines = [line for line in bytes(self.log).split(b"\n") if line and line[:1] != b"#"]
        for line in lines:
            assert line.count(b"\t") == 34, line
            assert not _NOT_PLAIN.search(line), line
        assert len(lines) + self.access_log.dropped == sum(self.counters.requests.values())

    def _unhandled(self, _loop: Any, context: dict[str, Any]) -> None:
        self.troubles.said.append(repr(context))

    def _tier(self, name: str, upstream: Any) -> Tier:
        if name == "LHR50" and self.scene.regional:
            return super()._tier(name, upstream)
        origins = OriginUpstream(Pool(self.recorder.connect, self.clock))
        return super()._tier(name, GroupUpstream(origins, self.clock, self._counters))
