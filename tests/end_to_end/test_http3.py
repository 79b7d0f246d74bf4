"""HTTP/3 as clients speak it: gtlsclient, aioquic; four workers, changed addresses, upgrades."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from http.server import ThreadingHTTPServer
from pathlib import Path

import pytest

from tests.end_to_end.http2_edge import Origin, content
from tests.end_to_end.log_files import log_records
from tests.end_to_end.processes import EDGECACHE, Running, free_ports, run, start
from tests.end_to_end.quic_client import QuicClient, QuicEndError
from tests.end_to_end.viewers import curl

BODY = 6_000_000
CONFIG = """
state_dir = "state"
[control]
listen = "127.0.0.1:{control}"
allow_private_origins = true
[[locations]]
name = "LHR50"
listen = "127.0.0.1:{plain}"
listen_tls = "127.0.0.1:{tls}"
protocols = ["http1.1", "h2", "h3"]
workers = 4
[[distributions]]
id = "E1"
aliases = ["localhost"]
comment = "{comment}"
http_version = "http2and3"
origins = [{{ id = "o", domain_name = "127.0.0.1", http_port = {origin} }}]
[distributions.default_behavior]
origin = "o"
allowed_methods = ["GET", "HEAD", "OPTIONS", "PUT", "POST", "PATCH", "DELETE"]
"""
GTLSCLIENT = shutil.which("gtlsclient")
needs_gtlsclient = pytest.mark.skipif(GTLSCLIENT is None, reason="ngtcp2-client is not installed")


@dataclass
class Http3Edge:
    """An installation with one location of four workers that speaks HTTP/3."""

    folder: Path
    plain: int
    tls: int
    control: int
    origin: int
    process: Running | None = None

    def write(self, comment: str = "") -> None:
        ports = {name: getattr(self, name) for name in ("plain", "tls", "control", "origin")}
        (self.folder / "edgecache.toml").write_text(CONFIG.format(comment=comment, **ports))

    @property
    def ca_file(self) -> str:
        return str(self.folder / "state/tls/ca.pem")

    def client(self) -> QuicClient:
        return QuicClient(self.tls, self.ca_file)

    def gtlsclient(self, *options: str, paths: tuple[str, ...]) -> None:
        command = [str(GTLSCLIENT), "-q", "--exit-on-all-streams-close", *options, "127.0.0.1"]
        urls = [f"https://localhost:{self.tls}{path}" for path in paths]
        subprocess.run([*command, str(self.tls), *urls], check=True, timeout=60)


@pytest.fixture(scope="module")
def edge(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Http3Edge]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Origin)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    plain, tls, control = free_ports(3)
    made = Http3Edge(tmp_path_factory.mktemp("http3"), plain, tls, control, server.server_port)
    made.write()
    made.process = start((*EDGECACHE, "up", "--config", "edgecache.toml"), made.folder)
    made.process.until("ready", lambda: "Ctrl-C" in made.process.stdout)  # type: ignore[union-attr]
    yield made
    assert made.process.stop() == 0, made.process.stderr
    assert "failed" not in made.process.stderr
    assert not [*made.folder.glob("state/quic-*.sock")]
    server.shutdown()
    server.server_close()


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
    "options", [(), ("--key-update=1ms",), ("--change-local-addr=5ms", "--nat-rebinding")],
    ids=["plain", "key update", "rebinding"],
)  # fmt: skip
def test_gtlsclient_reads_it(edge: Http3Edge, options: tuple[str, ...], tmp_path: Path) -> None:
    edge.gtlsclient(*options, f"--download={tmp_path}", paths=("/1000", "/2000000"))
    for size in (1_000, 2_000_000):
        assert (tmp_path / str(size)).read_bytes() == content(size)


def test_a_connection_stays_with_its_worker_of_four(edge: Http3Edge) -> None:
    """Whichever worker the kernel gives its datagrams to: twelve ports, one of four each."""
    with edge.client() as client:
        for number in range(12):
            assert client.asks(f"/{number}/1500").status == 200
            client.moves()
        stream = client.begins(f"/moves/{BODY}")
        client.moves()
        assert client.answer(stream).body == content(BODY)


def test_the_log_and_the_metrics_say_the_version(edge: Http3Edge) -> None:
    with edge.client() as client:
        client.asks("/77?logged")
    assert edge.process is not None

    def logged() -> bool:
        lines = [one for one in log_records(edge.folder / "state/logs", "") if "/77" in one]
        return bool(lines) and "HTTP/3.0" in lines[0] and "TLSv1.3" in lines[0]

    def counted() -> bool:
        page = curl(f"http://127.0.0.1:{edge.control}/metrics").body.decode()
        found = [
            line for line in page.splitlines() if line.startswith("edgecache_http3_requests_total")
        ]
        return any(float(line.split()[-1]) > 0 for line in found)

    edge.process.until("a line of it", logged)
    edge.process.until("a count of it", counted)


def test_who_asks_by_tcp_is_told_of_it(edge: Http3Edge) -> None:
    for version in ("--http1.1", "--http2"):
        for _ in range(2):
            url = f"https://localhost:{edge.tls}/55"
            got = curl(url, version, "--cacert", edge.ca_file)
            assert got.fields["alt-svc"] == f'h3=":{edge.tls}"; ma=86400'


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
