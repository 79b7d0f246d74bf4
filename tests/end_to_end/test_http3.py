"""HTTP/3 as clients speak it: gtlsclient, aioquic, Chromium; four workers, moves, upgrades."""

from __future__ import annotations

import base64
import hashlib
import shutil
import ssl
import subprocess
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import pytest
from aioquic.tls import SessionTicket
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from tests.end_to_end.browser import browser
from tests.end_to_end.browser_scripts import CHAT, PROTOCOLS, SEEK
from tests.end_to_end.http2_edge import OBJECTS, SOUND_S, Http2Edge, content, running_edge
from tests.end_to_end.log_files import log_records
from tests.end_to_end.processes import run, wait_for
from tests.end_to_end.quic_client import QuicClient, QuicEndError
from tests.end_to_end.viewers import curl

BODY = 6_000_000
GTLSCLIENT = shutil.which("gtlsclient")
needs_gtlsclient = pytest.mark.skipif(GTLSCLIENT is None, reason="ngtcp2-client is not installed")


@dataclass
class Http3Edge(Http2Edge):
    """An installation with one location of four workers that speaks HTTP/3."""

    protocols: ClassVar[str] = '["http1.1", "h2", "h3"]'
    http_version: ClassVar[str] = "http2and3"
    workers: ClassVar[int] = 4
    more: ClassVar[str] = "early_data = true"

    def counted(self, name: str) -> float:
        """A counter of all processes together, as control tells it."""
        page = curl(f"http://127.0.0.1:{self.control}/metrics").body.decode()
        lines = [line for line in page.splitlines() if line.startswith(name)]
        return sum(float(line.split()[-1]) for line in lines)

    @property
    def ca_file(self) -> str:
        return str(self.folder / "state/tls/ca.pem")

    def client(self, ticket: SessionTicket | None = None) -> QuicClient:
        return QuicClient(self.tls, self.ca_file, ticket=ticket)

    def gtlsclient(self, *options: str, paths: tuple[str, ...]) -> None:
        command = [str(GTLSCLIENT), "-q", "--exit-on-all-streams-close", *options, "127.0.0.1"]
        urls = [f"https://localhost:{self.tls}{path}" for path in paths]
        subprocess.run([*command, str(self.tls), *urls], check=True, timeout=60)


@pytest.fixture(scope="module")
def edge(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Http3Edge]:
    with running_edge(Http3Edge, tmp_path_factory.mktemp("http3")) as made:
        yield made
    assert made.process is not None
    assert "failed" not in made.process.stderr
    assert not [*made.folder.glob("state/quic-*.sock")]


def test_bodies_are_the_same_both_ways(edge: Http3Edge) -> None:
    with edge.client() as client:
        for word in ("Miss", "Hit"):
            got = client.asks(f"/{BODY}")
            assert (got.status, got.fields["x-cache"].split()[0]) == (200, word)
            assert got.body == content(BODY)
        head = client.asks(f"/{BODY}", "HEAD")
        assert (head.fields["content-length"], bytes(head.body)) == (str(BODY), b"")
        part = client.asks(f"/{BODY}", range="bytes=1000000-2999999")
        assert (part.status, bytes(part.body)) == (206, content(BODY)[1_000_000:3_000_000])
        for size, fields in ((BODY, {"content_length": str(BODY)}), (200_000, {})):
            got = client.asks("/up", "POST", content(size), **fields)
            want = f"{size} {hashlib.sha256(content(size)).hexdigest()} 3.0 "
            assert got.body.decode().startswith(want)


@needs_gtlsclient
@pytest.mark.parametrize(
    "options", [(), ("--key-update=1ms",), ("--change-local-addr=5ms",)],
    ids=["plain", "key update", "migration"],
)  # fmt: skip
def test_gtlsclient_reads_it(edge: Http3Edge, options: tuple[str, ...], tmp_path: Path) -> None:
    edge.gtlsclient(*options, f"--download={tmp_path}", paths=("/1000", "/2000000"))
    for size in (1_000, 2_000_000):
        assert (tmp_path / str(size)).read_bytes() == content(size)


@needs_gtlsclient
def test_gtlsclient_goes_on_behind_a_nat_that_changes_its_port(
    edge: Http3Edge, tmp_path: Path
) -> None:
    """RFC 9000 §9.3.3. It sends: who only reads may have lost all that it would acknowledge."""
    (tmp_path / "sent").write_bytes(content(2_000_000))
    options = ("--change-local-addr=5ms", "--nat-rebinding", "-mPOST", f"-d{tmp_path / 'sent'}")
    edge.gtlsclient(*options, f"--download={tmp_path}", paths=("/up",))
    want = f"2000000 {hashlib.sha256(content(2_000_000)).hexdigest()} 3.0 "
    assert (tmp_path / "up").read_text().startswith(want)


@needs_gtlsclient
def test_gtlsclient_sends_early_data(edge: Http3Edge, tmp_path: Path) -> None:
    """Another library's 0-RTT: the first early requests of this installation are its."""
    kept = (f"--session-file={tmp_path / 'ticket'}", f"--tp-file={tmp_path / 'terms'}")
    for folder in ("first", "second"):
        (tmp_path / folder).mkdir()
        edge.gtlsclient(*kept, f"--download={tmp_path / folder}", paths=("/1000",))
        assert (tmp_path / folder / "1000").read_bytes() == content(1_000)
    wait_for("an early request", lambda: edge.counted("edgecache_http3_early_requests_total") > 0)


def test_a_connection_stays_with_its_worker_of_four(edge: Http3Edge) -> None:
    """Whichever worker the kernel gives its datagrams to: twelve ports, one of four each."""
    with edge.client() as client:
        for number in range(12):
            assert client.asks(f"/{number}/1500").status == 200
            client.moves()
        stream = client.begins(f"/moves/{BODY}")
        client.moves()
        assert client.answer(stream).body == content(BODY)


def test_what_comes_with_the_hello_is_answered_by_any_worker_of_four(edge: Http3Edge) -> None:
    """0-RTT: a ticket opens at each; what may change something is 425 (RFC 8470)."""
    with edge.client() as client:
        client.asks("/900")
    (ticket,) = client.given
    for _ in range(6):
        with edge.client(ticket) as client:
            unsafe = client.begins("/901?q")
            assert client.asks("/900").body == content(900)
            assert client.answer(unsafe).status == 425
            assert client.quic.tls.early_data_accepted
            assert client.asks("/901?q").status == 200
    with edge.client() as client:
        assert client.asks("/901?q").status == 200
        assert not client.quic.tls.session_resumed


def test_the_log_and_the_metrics_say_the_version(edge: Http3Edge) -> None:
    with edge.client() as client:
        client.asks("/77?logged")
    assert edge.process is not None

    def logged() -> bool:
        lines = [one for one in log_records(edge.folder / "state/logs", "") if "/77" in one]
        return bool(lines) and "HTTP/3.0" in lines[0] and "TLSv1.3" in lines[0]

    edge.process.until("a line of it", logged)
    edge.process.until("a count", lambda: edge.counted("edgecache_http3_requests_total") > 0)


def test_who_asks_by_tcp_is_told_of_it(edge: Http3Edge) -> None:
    for version in ("--http1.1", "--http2"):
        for _ in range(2):
            url = f"https://localhost:{edge.tls}/55"
            got = curl(url, version, "--cacert", edge.ca_file)
            assert got.fields["alt-svc"] == f'h3=":{edge.tls}"; ma=86400'


def test_a_page_a_seek_and_a_websocket_beside_in_a_browser(edge: Http3Edge, tmp_path: Path) -> None:
    """Chromium asks by HTTP/3 alone, and opens its WebSocket over TCP (it does not do RFC 9220)."""
    forced = f"--origin-to-force-quic-on=localhost:{edge.tls}"
    own = f"--ignore-certificate-errors-spki-list={public_key_hash(edge)}"
    there = "--host-resolver-rules=MAP localhost 127.0.0.1"
    with browser(tmp_path, forced, own, there, quic="--enable-quic") as viewer:
        viewer.go(f"{edge.https}/page.html")
        assert viewer.run(PROTOCOLS) == {"h3": OBJECTS}
        assert viewer.run(CHAT) == "hello"
        assert viewer.run(SEEK, 300) == {"at": 300, "duration": SOUND_S}
    opened = wait_for("the WebSocket's record", lambda: edge.records("/chat"))
    by_tcp = [one for one in opened if one[23] != "HTTP/3.0"]
    assert [(one[8], one[16]) for one in by_tcp] == [("101", "wss")]
    sought = wait_for("records of the seek", edge.seeks)
    assert {one[23] for one in sought} == {"HTTP/3.0"}


def public_key_hash(edge: Http3Edge) -> str:
    """Of the location's certificate, as Chromium is told of one it is to take."""
    shown = ssl.get_server_certificate(("localhost", edge.tls))
    key = x509.load_pem_x509_certificate(shown.encode()).public_key()
    info = key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return base64.b64encode(hashlib.sha256(info).digest()).decode()


def test_a_websocket_by_the_library(edge: Http3Edge) -> None:
    """RFC 9220, to an origin of HTTP/1.1; its frames are masked by 0."""
    with edge.client() as client:
        stream = client.opens_websocket("/chat")
        assert client.arrives(stream, 0).status == 200
        client.says(stream, b"\x81\x85\0\0\0\0hello")
        assert client.arrives(stream, 7).body == b"\x81\x05hello"
        client.says(stream, b"\x88\x82\0\0\0\0\x03\xe8", ends=True)
        assert client.answer(stream).body[7:] == b"\x88\x02\x03\xe8"
        assert client.asks("/78").status == 200

    def logged() -> bool:
        found = [one for one in edge.records("/chat") if one[23] == "HTTP/3.0"]
        return [(one[5], one[8], one[16]) for one in found] == [("GET", "101", "wss")]

    wait_for("its record", logged)


class Http3Asker(threading.Thread):
    """Asks one thing after the other, and takes another connection after GOAWAY."""

    def __init__(self, edge: Http3Edge) -> None:
        super().__init__()
        self.edge = edge
        self.answered = 0
        self.connections = 0
        self.failed: list[str] = []
        self.enough = threading.Event()

    def run(self) -> None:
        while not (self.enough.is_set() or self.failed):
            self.connections += 1
            try:
                self._ask()
            except (QuicEndError, OSError) as error:
                if not getattr(error, "rejected", False):
                    self.failed.append(repr(error))

    def _ask(self) -> None:
        with self.edge.client() as client:
            while client.http3.goaway is None and not self.enough.is_set():
                path = f"/{self.answered % 50}/3000"
                if client.asks(path).body != content(3_000):
                    self.failed.append(path)
                self.answered += 1


@pytest.mark.parametrize("command", ["reload", "upgrade"])
def test_no_request_is_lost_when_processes_change(edge: Http3Edge, command: str) -> None:
    askers = [Http3Asker(edge) for _ in range(2)]
    for asker in askers:
        asker.start()
    assert edge.process is not None
    try:
        edge.process.until("answers", lambda: all(asker.answered > 20 for asker in askers))
        edge.write(comment=command)
        code, _, err = run(command, "--config", "edgecache.toml", folder=edge.folder)
        assert code == 0, err
        before = [(asker, asker.answered + 20) for asker in askers]
        edge.process.until("more", lambda: all(one.answered > n or one.failed for one, n in before))
    finally:
        for asker in askers:
            asker.enough.set()
        for asker in askers:
            asker.join(30)
    assert [asker.failed for asker in askers] == [[], []]
    if command == "upgrade":
        assert all(asker.connections > 1 for asker in askers)
