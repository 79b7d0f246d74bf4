"""HTTP/2 as clients speak it: curl, nghttp, h2load, and by hand where a reload loses nothing."""

from __future__ import annotations

import hashlib
import re
import socket
import ssl
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from edgecache.http.http2 import frames
from edgecache.http.http2.frames import (
    PREFACE,
    Frame,
    FrameReader,
    settings_frame,
    window_frame,
)
from edgecache.http.http2.header_block import literal
from tests.end_to_end.http2_edge import Http2Edge, content, http2_edge
from tests.end_to_end.log_files import log_records
from tests.end_to_end.processes import run
from tests.end_to_end.viewers import curl

BODY = 6_000_000


@pytest.fixture(scope="module")
def edge(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Http2Edge]:
    with http2_edge(tmp_path_factory.mktemp("http2")) as running:
        yield running


@pytest.mark.parametrize(
    ("options", "version"),
    [("--http2", "2"), ("--http1.1", "1.1"), ("--http2-prior-knowledge", "2"), ("--http2", "1.1")],
    ids=["alpn", "http1.1", "prior knowledge", "no upgrade"],
)
def test_the_version_is_agreed_on(
    edge: Http2Edge, options: str, version: str, request: object
) -> None:
    plain = options == "--http2-prior-knowledge" or (options, version) == ("--http2", "1.1")
    url = f"{edge.http if plain else edge.https}/1000"
    command = ["curl", "-q", "-sS", "-o", "/dev/null", "-w", "%{http_version} %{http_code}"]
    command += ["--noproxy", "*", options, *edge.trusted(), url]
    assert subprocess.check_output(command, text=True) == f"{version} 200"


@pytest.mark.parametrize("scheme", ["https", "http"])
def test_bodies_are_the_same_both_ways(edge: Http2Edge, scheme: str, tmp_path: Path) -> None:
    url = edge.https if scheme == "https" else edge.http
    how = ("--http2", *edge.trusted()) if scheme == "https" else ("--http2-prior-knowledge",)
    for _ in range(2):  # a miss and a hit
        assert curl(f"{url}/{BODY}", *how).body == content(BODY)
    assert (
        curl(f"{url}/{BODY}", *how, "--range", "1000000-2999999").body
        == content(BODY)[1_000_000:3_000_000]
    )
    sent = tmp_path / "sent"
    sent.write_bytes(content(BODY))
    want = f"{BODY} {hashlib.sha256(content(BODY)).hexdigest()} 2.0 ".encode()
    assert curl(f"{url}/up", *how, "--data-binary", f"@{sent}").body.startswith(want)
    chunked = ("-H", "Content-Length:", "-H", "Expect:", "-T", str(sent), "-X", "POST")
    assert curl(f"{url}/up", *how, *chunked).body.startswith(want)


@pytest.mark.parametrize("at_once", ["1", "128"])
def test_a_thousand_streams_on_a_connection(edge: Http2Edge, at_once: str) -> None:
    """One after the other, and as many at once as may be."""
    command = ["h2load", "-n", "1000", "-c", "1", "-m", at_once, f"{edge.https}/2000"]
    said = subprocess.check_output(command, text=True)
    assert "1000 succeeded, 0 failed, 0 errored" in said, said
    assert "status codes: 1000 2xx" in said


def test_large_bodies_of_many_streams(edge: Http2Edge) -> None:
    command = ["h2load", "-n", "60", "-c", "2", "-m", "10", f"{edge.http}/1000000"]
    said = subprocess.check_output(command, text=True)
    assert "60 succeeded, 0 failed, 0 errored" in said, said
    assert re.search(r"traffic: .* \(60000000\) data", said), said


def test_nghttp_reads_it(edge: Http2Edge) -> None:
    command = ["nghttp", "-nsv", "--no-dep", f"{edge.http}/100", f"{edge.http}/20000"]
    said = subprocess.check_output(command, text=True)
    assert said.count(":status: 200") == 2, said
    assert "SETTINGS_NO_RFC7540_PRIORITIES" in said or "UNKNOWN(0x09):1" in said


def test_the_log_says_the_version(edge: Http2Edge) -> None:
    curl(f"{edge.https}/77?logged", "--http2", *edge.trusted())
    assert edge.process is not None

    def logged() -> bool:
        lines = [one for one in log_records(edge.folder / "state/logs", "") if "/77" in one]
        return bool(lines) and "HTTP/2.0" in lines[0] and "TLSv1.3" in lines[0]

    edge.process.until("a line of it", logged)


class Asker(threading.Thread):
    """Asks one thing after the other, six at a time, and takes another connection after GOAWAY."""

    def __init__(self, edge: Http2Edge) -> None:
        super().__init__()
        self.edge = edge
        self.answered = 0
        self.goaways = 0
        self.failed: list[str] = []
        self.enough = threading.Event()

    def run(self) -> None:
        while not self.enough.is_set():
            try:
                self._connection()
            except OSError as error:
                self.failed.append(repr(error))
                return

    def _connection(self) -> None:
        context = ssl.create_default_context(cafile=self.edge.trusted()[1])
        context.set_alpn_protocols(["h2"])
        with (
            socket.create_connection(("127.0.0.1", self.edge.tls), 30) as raw,
            context.wrap_socket(raw, server_hostname="localhost") as sock,
        ):
            settings = settings_frame({frames.INITIAL_WINDOW_SIZE: 2**30})
            sock.sendall(PREFACE + settings + window_frame(0, 2**30))
            reader, owed, last, leaving = FrameReader(), set[int](), -1, False
            while owed or not (leaving or self.enough.is_set()):
                while not leaving and len(owed) < 6 and not self.enough.is_set():
                    last += 2
                    owed.add(last)
                    sock.sendall(self._get(last))
                data = sock.recv(65_536)
                if not data:
                    self.failed.append(f"{len(owed)} unanswered")
                    return
                reader.add(data)
                while (one := reader.next()) is not None:
                    leaving |= self._take(one, owed, sock)

    def _get(self, stream: int) -> bytes:
        block = b"".join(
            [
                literal(name, value)
                for name, value in (
                    (b":method", b"GET"), (b":scheme", b"https"), (b":authority", b"localhost"),
                    (b":path", b"/%d/3000" % (self.answered % 50)),
                )
            ]
        )  # fmt: skip
        flags = frames.END_HEADERS | frames.END_STREAM
        return frames.frame(frames.HEADERS, flags, stream, block)

    def _take(self, one: Frame, owed: set[int], sock: ssl.SSLSocket) -> bool:
        """Whether no more may be asked on this connection."""
        if one.kind == frames.HEADERS and one.payload[:1] != b"\x88":
            self.failed.append(f"no 200: {one.payload[:5]!r}")
        elif one.kind == frames.RST_STREAM:
            self.failed.append(f"reset {one.payload!r}")
        elif one.kind == frames.PING and not one.flags & frames.ACK:
            sock.sendall(frames.frame(frames.PING, frames.ACK, 0, one.payload))
        elif one.kind == frames.GOAWAY:
            self.goaways += 1
            if any(stream > int.from_bytes(one.payload[:4], "big") for stream in owed):
                self.failed.append("one that was asked is not to be answered")
            return True
        if one.stream_id and one.flags & frames.END_STREAM:
            owed.discard(one.stream_id)
            self.answered += 1
        return False


@pytest.mark.parametrize("command", ["reload", "upgrade"])
def test_no_request_is_lost_when_processes_change(edge: Http2Edge, command: str) -> None:
    askers = [Asker(edge) for _ in range(3)]
    for asker in askers:
        asker.start()
    assert edge.process is not None
    try:
        edge.process.until("answers", lambda: all(asker.answered > 50 for asker in askers))
        edge.write(comment=command)
        code, _, err = run(command, "--config", "edgecache.toml", folder=edge.folder)
        assert code == 0, err
        before = [asker.answered for asker in askers]
        pairs = list(zip(askers, before, strict=True))
        edge.process.until(
            "more",
            lambda: all(one.answered > was + 50 or one.failed for one, was in pairs),
        )
    finally:
        for asker in askers:
            asker.enough.set()
        for asker in askers:
            asker.join(30)
    assert [asker.failed for asker in askers] == [[], [], []]
    if command == "upgrade":
        assert all(asker.goaways for asker in askers)
