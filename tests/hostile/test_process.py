"""The messages over real sockets: a real `edgecache serve`, an origin that reads strictly."""

from __future__ import annotations

import socket
import struct
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from edgecache.config.model import SemanticsName
from tests.end_to_end.conftest import start_serve
from tests.end_to_end.probe import Probes
from tests.end_to_end.processes import Running, edge_of, wait_for
from tests.hostile.message import Message
from tests.hostile.rows_framing import CHUNKS, FRAMING, PIPELINED
from tests.hostile.rows_target import TARGETS
from tests.hostile.settings import BOTH
from tests.hostile.socket_origin import SocketOrigin
from tests.hostile.strict import Violation, read_responses
from tests.hostile.usage import Usage
from tests.measurements import tell

pytestmark = pytest.mark.end_to_end
OTHERWISE = {"T01", "T22", "T30"}  # `serve` answers to any Host, and has another name in CDN-Loop
WAIT_S = 20.0
GROWN_BYTES_MAX = 16 * 1024 * 1024  # for one message of at most 16 KiB, and the probes beside it
ROWS = [
    row
    for row in (*FRAMING, *PIPELINED, *CHUNKS, *TARGETS)
    if row.id not in OTHERWISE and len(row.data) < 16_384
]


class Served:
    """The process, its port, and the origin behind it."""

    def __init__(
        self, process: Running, port: int, origin: SocketOrigin, semantics: SemanticsName
    ) -> None:
        self.process = process
        self.pid = edge_of(process.pid)
        self.port = port
        self.origin = origin
        self.rows = [row for row in ROWS if row.only in (None, semantics)]

    def exchange(self, data: bytes, done: int) -> tuple[bytes, bool]:
        """What comes for `data`: until the end, or until `done` answers are there."""
        with socket.create_connection(("127.0.0.1", self.port), WAIT_S) as viewer:
            viewer.sendall(data)
            output = b""
            while True:
                try:
                    part = viewer.recv(65_536)
                except ConnectionResetError:
                    return output, True
                if not part:
                    return output, True
                output += part
                if done and _count(output) >= done:
                    return output, False


def _count(output: bytes) -> int:
    try:
        answered = read_responses(output, [])
    except Violation:
        return 0  # the head of the last is still on its way
    return sum(answer.whole for answer in answered)


@pytest.fixture(scope="module", params=BOTH)
def served(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Served]:
    """One caching tier in front of the recording origin."""
    origin = SocketOrigin()
    thread = threading.Thread(target=origin.run, daemon=True)
    thread.start()
    process, port = start_serve(tmp_path_factory.mktemp("hostile"), origin.port, request.param)
    made = Served(process, port, origin, request.param)
    yield made
    assert edge_of(process.pid) == made.pid
    assert process.stop() == 0
    origin.stop()
    thread.join(WAIT_S)
    assert "Traceback" not in process.stderr, process.stderr
    assert "never retrieved" not in process.stderr
    assert not origin.violations, origin.violations


def test_every_message_over_sockets(served: Served) -> None:
    """O5, O7: what each costs the process is bounded; a probe's latency meanwhile is told."""
    output, _ = served.exchange(b"GET /probe HTTP/1.1\r\nHost: site.test\r\n\r\n", 1)
    page, grown = output.partition(b"\r\n\r\n")[2], [0]
    with Probes((served.port,), {"/probe": page}, "site.test") as probes:
        quiet = len(probes.done)
        for number, row in enumerate(served.rows):
            usage = Usage(served.pid)
            _attempt(served, row)
            grown.append(usage.grown())
            assert grown[-1] <= GROWN_BYTES_MAX, (row.id, row.label(), grown[-1])
            nonce = b"/nonce-%d" % number
            output, _ = served.exchange(b"GET %b HTTP/1.1\r\nHost: site.test\r\n\r\n" % nonce, 1)
            assert b"\r\n\r\nGET %b\n" % nonce in output, (row.id, output)
    assert not [probe.trouble for probe in probes.done if probe.trouble]
    before, during = (sorted(one.took_ms for one in some)
                      for some in (probes.done[:quiet], probes.done[quiet:]))  # fmt: skip
    words = f"a probe's p99 was {before[len(before) * 99 // 100]:.1f} ms quiet and "
    words += f"{during[len(during) * 99 // 100]:.1f} ms meanwhile; memory grew by at most"
    tell(f"{len(served.rows)} hostile messages: {words} {max(grown) >> 10} KiB for one")
    assert edge_of(served.process.pid) == served.pid
    assert not [target for target in served.origin.targets if target.startswith(b"/admin")]


def _attempt(served: Served, row: Message) -> None:
    head_only = row.methods[:1] in ((b"HEAD",),)
    done = 0 if row.closed else len(row.status)
    if head_only and row.closed is not True:
        return  # where such an answer ends is shown without sockets
    output, closed = served.exchange(row.data, done)
    answers = read_responses(output, list(row.methods))
    statuses = [answer.status for answer in answers]
    assert len(statuses) == len(row.status), (row.id, row.label(), output[:300])
    for status, admitted in zip(statuses, row.status, strict=True):
        assert status in admitted, (row.id, row.label(), status)
    assert closed or row.closed is not True, (row.id, row.label())


def test_descriptors_are_given_back(served: Served) -> None:
    """O5: what the attackers held is free again."""
    folder = Path(f"/proc/{served.pid}/fd")
    before = len(list(folder.iterdir()))  # with what the tests before may have left to be closed
    viewers = [socket.create_connection(("127.0.0.1", served.port), WAIT_S) for _ in range(50)]
    for viewer in viewers:
        viewer.sendall(b"GET / HTTP/1.1\r\nHost: si")
    wait_for("fifty connections", lambda: len(list(folder.iterdir())) > 50)
    for viewer in viewers:
        viewer.close()
    wait_for("descriptors given back", lambda: len(list(folder.iterdir())) <= before + 2)


def test_viewers_that_come_and_reset_leave_nothing(served: Served) -> None:
    """X13: a connection and its reset, two thousand times, some with half a request."""
    folder = Path(f"/proc/{served.pid}/fd")
    before = len(list(folder.iterdir()))
    for number in range(2_000):
        viewer = socket.create_connection(("127.0.0.1", served.port), WAIT_S)
        viewer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        if number % 2:
            viewer.sendall(b"GET /half HTTP/1.1\r\nHost: si")
        viewer.close()
    wait_for("descriptors given back", lambda: len(list(folder.iterdir())) <= before + 2)
    output, _ = served.exchange(b"GET /after HTTP/1.1\r\nHost: site.test\r\n\r\n", 1)
    assert b"\r\n\r\nGET /after\n" in output
