"""Access lists and the flow log with real sockets: viewers come from many addresses of loopback.

What the flow log says that passed is compared with what the viewers have counted on their side.
"""

from __future__ import annotations

import re
import socket
import ssl
from collections import Counter, defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.end_to_end.installation import Installation, Ports, Up, start_up
from tests.end_to_end.log_files import log_text
from tests.end_to_end.processes import free_ports, wait_for
from tests.end_to_end.viewers import ANSWER_S_MAX, curl
from tests.measurements import tell

BLOCKED = [f"127.0.1.{number}" for number in range(1, 17)]  # by the set, from the start
ADMITTED = [f"127.0.2.{number}" for number in range(1, 17)]
LATER = "127.0.3.1"  # blocked once the set's file says so
ADMIN = ADMITTED[0]
SET = "# networks\n127.0.1.0/24 ; at first\n"
LARGE_BYTES = 512 * 1024
TEMPLATE = """
[control]
listen = "127.0.0.1:{control}"
allow_private_origins = true

[[ip_sets]]
name = "blocked"
file = "blocked.txt"

[[locations]]
name = "NRT57"
listen = "127.0.0.1:{nrt}"
listen_tls = "127.0.0.1:{nrt_tls}"
flow_log = {{ interval_s = 1 }}
access_list = {{ default = "allow", rules = [
  {{ number = 20, action = "deny", sources = ["set:blocked"] }},
  {{ number = 10, action = "allow", sources = ["127.0.1.200"] }},
] }}

[bucket]
listen = "127.0.0.1:{bucket}"
folder = "bucket"
cache_control = "public, max-age=300"

[[distributions]]
id = "ESITE"
aliases = ["site.test"]

[[distributions.origins]]
id = "bucket"
domain_name = "127.0.0.1"
http_port = {bucket}
access = "identity"

[distributions.default_behavior]
origin = "bucket"

[[distributions.behaviors]]
path_pattern = "/admin/*"
origin = "bucket"
access_list = {{ rules = [{{ number = 1, action = "allow", sources = ["127.0.2.1"] }}] }}
"""


@pytest.fixture(scope="module")
def listed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Up]:
    folder = tmp_path_factory.mktemp("listed")
    for path, size in (("page", 1_000), ("admin/page", 10), ("large", LARGE_BYTES)):
        file = folder / "bucket" / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(b"x" * size)
    control, bucket, nrt, nrt_tls = free_ports(4)
    made = Installation(folder, Ports(control, bucket, 1, nrt, nrt_tls=nrt_tls), 1, TEMPLATE)
    made.write()
    put_set(made, SET)
    running = start_up(made)
    yield running
    assert running.process.stop() == 0, running.process.stderr
    assert "Traceback" not in running.process.stderr, running.process.stderr
    assert not made.left_running()


def set_file(installation: Installation) -> Path:
    return installation.folder / "blocked.txt"


def put_set(installation: Installation, text: str) -> None:
    """Have the set's file hold `text`, at once."""
    whole = installation.folder / "blocked.txt.new"
    whole.write_text(text)
    whole.replace(set_file(installation))


class CountingViewer:
    """A connection from an address of loopback that counts every byte of its socket."""

    def __init__(self, address: str, port: int) -> None:
        self._socket = socket.create_connection(
            ("127.0.0.1", port), ANSWER_S_MAX, source_address=(address, 0)
        )
        self.source = self._socket.getsockname()
        self.passed = 0
        self._left = b""

    def asks(self, path: str, *fields: str) -> int:
        """The status of a GET whose body was read whole; 0: the connection was closed instead."""
        lines = (f"GET {path} HTTP/1.1", "Host: site.test", *fields, "", "")
        asked = "\r\n".join(lines).encode()
        try:
            self._socket.sendall(asked)
            self.passed += len(asked)
            while b"\r\n\r\n" not in self._left:
                self._read()
            head, _, body = self._left.partition(b"\r\n\r\n")
            length = re.search(rb"\r\ncontent-length: (\d+)", head, re.IGNORECASE)
            assert length is not None
            self._left = body
            while len(self._left) < int(length[1]):
                self._read()
        except (ConnectionError, ssl.SSLError):
            return 0
        assert len(self._left) == int(length[1])
        self._left = b""
        return int(head[9:12])

    def _read(self) -> None:
        data = self._socket.recv(65_536)
        if not data:
            raise ConnectionResetError
        self.passed += len(data)
        self._left += data

    def secure(self) -> bool:
        """Whether a TLS handshake succeeds."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        try:
            self._socket = context.wrap_socket(self._socket, server_hostname="site.test")
        except (ConnectionError, ssl.SSLError):
            return False
        return True

    def ends(self) -> None:
        """Say that nothing more will come, and take what there is to come."""
        self._socket.shutdown(socket.SHUT_WR)
        while data := self._socket.recv(65_536):
            self.passed += len(data)

    def close(self) -> None:
        self._socket.close()


@contextmanager
def viewer(address: str, port: int) -> Iterator[CountingViewer]:
    made = CountingViewer(address, port)
    try:
        yield made
    finally:
        made.close()


def status(address: str, port: int, path: str = "/page", *, tls: bool = False) -> int:
    """Of one request over a new connection; 0: there was no answer."""
    with viewer(address, port) as one:
        return one.asks(path) if not tls or one.secure() else 0


@dataclass(frozen=True, slots=True)
class Flow:
    """A line of the flow log, of what is compared."""

    source: tuple[str, int]
    port: int
    size: int
    action: str


def flow_lines(up: Up) -> list[list[str]]:
    text = log_text(up.installation.state / "logs", "flow-edge-NRT57-1.")
    lines = text[: text.rfind("\n") + 1].splitlines()  # the last one may be under way
    return [line.split(" ") for line in lines if line.startswith("2 ")]


def flows(up: Up) -> list[Flow]:
    return [
        Flow((one[3], int(one[5])), int(one[6]), int(one[9]), one[12])
        for one in flow_lines(up)
        if one[13] == "OK"
    ]


def passed(up: Up) -> dict[tuple[str, int], list[int]]:
    """Bytes of each connection that was let in, line by line, by where it comes from."""
    found: dict[tuple[str, int], list[int]] = defaultdict(list)
    for flow in flows(up):
        if flow.action == "ACCEPT":
            found[flow.source].append(flow.size)
    return found


def denied(up: Up) -> Counter[tuple[str, str]]:
    """What the node has counted, by list and place."""
    text = curl(f"{up.installation.control}/metrics").body.decode()
    found: Counter[tuple[str, str]] = Counter()
    for line in text.splitlines():
        if line.startswith("edgecache_access_denied_total{"):
            labels = dict(re.findall(r'(\w+)="([^"]*)"', line))
            found[labels["list"], labels["at"]] += int(float(line.rpartition(" ")[2]))
    return found


def test_who_is_denied_is_closed_at_the_accept_on_both_ports(listed: Up) -> None:
    ports = listed.installation.ports
    before = denied(listed)["NRT57", "peer"]
    for address in BLOCKED:
        assert status(address, ports.nrt) == 0
        assert status(address, ports.nrt_tls, tls=True) == 0
    for address in (*ADMITTED, "127.0.1.200"):
        assert status(address, ports.nrt) == 200
        assert status(address, ports.nrt_tls, tls=True) == 200
    expected = before + 2 * len(BLOCKED)
    wait_for("all are counted", lambda: denied(listed)["NRT57", "peer"] >= expected)
    assert denied(listed)["NRT57", "peer"] == expected

    def told(action: str) -> set[tuple[str, int]]:
        return {(one.source[0], one.port) for one in flows(listed) if one.action == action}

    rejected = {(address, port) for address in BLOCKED for port in (ports.nrt, ports.nrt_tls)}
    accepted = {(address, port) for address in ADMITTED for port in (ports.nrt, ports.nrt_tls)}
    wait_for("REJECT lines of both ports", lambda: rejected <= told("REJECT"))
    wait_for("ACCEPT lines of both ports", lambda: accepted <= told("ACCEPT"))
    assert not {address for address, _ in told("ACCEPT")} & set(BLOCKED)
    assert not {address for address, _ in told("REJECT")} & set(ADMITTED)


def test_a_list_of_a_behavior_answers_403_to_hits_too(listed: Up) -> None:
    port = listed.installation.ports.nrt
    for _ in range(3):
        assert status(ADMIN, port, "/admin/page") == 200
    with viewer(ADMITTED[1], port) as stranger:
        statuses = [stranger.asks(path) for path in ("/admin/page", "/page", "/admin/page")]
    assert statuses == [403, 200, 403]
    wait_for("both are counted", lambda: denied(listed)["ESITE /admin/*", "behavior"] == 2)


def test_a_set_is_read_again_and_a_broken_one_leaves_the_last_good_one(listed: Up) -> None:
    made, port = listed.installation, listed.installation.ports.nrt
    broken, again = "what was read of it before stays in force", "is read again"
    with viewer(LATER, port) as connected:
        assert connected.asks("/page") == 200
        put_set(made, f"{SET}127.0.3.0/24\n")
        wait_for("the new network is shut out", lambda: status(LATER, port) == 0)
        put_set(made, f"{SET}127.0.3.0/240\n")
        listed.process.await_said(broken)
        assert [status(one, port) for one in (LATER, BLOCKED[0], ADMIN)] == [0, 0, 200]
        assert connected.asks("/page") == 200  # who was let in stays so
        put_set(made, SET)
        listed.process.await_said(again)
        wait_for("the network is let in", lambda: status(LATER, port) == 200)
        assert status(BLOCKED[0], port) == 0
        (line,) = [line for line in listed.process.stderr.splitlines() if broken in line]
        assert f"ip_sets[0].file: {set_file(made)}:3: '127.0.3.0/240' " in line
        assert listed.process.stderr.count(again) == 1
        its_intervals_are_told(listed, connected)


def its_intervals_are_told(up: Up, one: CountingViewer) -> None:
    """A connection that has been open for a while has lines already; it is ended here."""

    def all_is_told() -> bool:
        return sum(passed(up)[one.source]) == one.passed

    wait_for("its intervals are over", all_is_told)
    lines = len(passed(up)[one.source])
    assert one.asks("/large") == 200
    one.ends()
    wait_for("its end is told", all_is_told)
    assert len(passed(up)[one.source]) > lines


def test_flow_lines_add_up_to_what_viewers_have_sent_and_received(listed: Up) -> None:
    port = listed.installation.ports.nrt
    counted: dict[tuple[str, int], int] = {}
    cookie = f"Cookie: a={'b' * 4_000}"
    for number, address in enumerate(ADMITTED):
        with viewer(address, port) as one:
            assert [one.asks("/large", cookie), one.asks("/page", cookie)] == [200, 200]
            if number % 2:
                assert one.asks("/page", "Connection: close") == 200
            one.ends()
            counted[one.source] = one.passed
    wait_for("all have ended", lambda: counted.keys() <= passed(listed).keys())
    wait_for("all is told", lambda: _total(listed, counted) >= sum(counted.values()))
    found = passed(listed)
    assert {source: sum(found[source]) for source in counted} == counted
    tell(f"flow log: {sum(counted.values())} bytes of {len(counted)} connections, as counted")


def _total(up: Up, sources: dict[tuple[str, int], int]) -> int:
    found = passed(up)
    return sum(sum(found[source]) for source in sources)


def test_an_interval_without_connections_is_told(listed: Up) -> None:
    silent = ["-", "NODATA"]
    wait_for("NODATA", lambda: any(line[-2:] == silent for line in flow_lines(listed)))
