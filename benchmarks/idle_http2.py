"""`python -m benchmarks.idle_http2`: what an idle connection of HTTP/2 over TLS costs an edge.

Two edges in the same run, a process each: one keeps connections of HTTP/1.1 over TLS 1.3, the other
as many of HTTP/2, each of which has asked once for the same object. What is told is the resident
memory that came with them, by connection; that of HTTP/2 is to be at most 8 KiB above.
"""

from __future__ import annotations

import argparse
import resource
import socket
import ssl
import time
from collections.abc import Callable

from benchmarks.processes import (
    SERVER_CORE,
    BenchmarkError,
    Server,
    free_port,
    start,
    wait_until_listening,
)
from benchmarks.stage import Stage, staged
from edgecache.http.http2 import frames
from edgecache.http.http2.frames import PREFACE, FrameReader, frame, settings_frame
from edgecache.http.http2.header_block import literal

CONNECTIONS, FILES_SPARE = 10_000, 200
ABOVE_KIB_MAX = 8.0
TARGET = "/hot"
Opened = Callable[[ssl.SSLContext, int], ssl.SSLSocket]


def main() -> int:
    """Measure both; 1 where HTTP/2 takes more above HTTP/1.1 than it may."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.idle_http2", description=__doc__)
    parser.add_argument("--connections", type=int, default=CONNECTIONS)
    count = parser.parse_args().connections
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    count = min(count, hard - FILES_SPARE)
    with staged() as stage:
        one, two = _kib_each(stage, _http1, count), _kib_each(stage, _http2, count)
    print(f"{count} idle connections over TLS 1.3, KiB each: HTTP/1.1 {one:.1f}, HTTP/2 {two:.1f}")
    print(f"HTTP/2 above HTTP/1.1: {two - one:.1f} KiB, at most {ABOVE_KIB_MAX:g}")
    return int(two - one > ABOVE_KIB_MAX)


def _kib_each(stage: Stage, opened: Opened, count: int) -> float:
    """What each of so many connections adds to a server of its own."""
    port, tls_port, name = free_port(), free_port(), f"idle-{time.monotonic_ns()}"
    values = stage.values(name=name, port=port, tls_port=tls_port)
    started = start(name, stage.edge_command(values), stage.folder, SERVER_CORE)
    server, kept = Server(name, port, (started,), tls_port), list[ssl.SSLSocket]()
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    try:
        wait_until_listening(name, started, tls_port, stage.folder / f"{name}.err")
        kept += [opened(context, tls_port) for _ in range(20)]  # what is made once is there
        before = server.rss_bytes()
        kept += [opened(context, tls_port) for _ in range(count)]
        grown = server.rss_bytes() - before
    finally:
        for one in kept:
            one.close()
        server.stop()
    return grown / 1024 / count


def _connected(context: ssl.SSLContext, port: int, protocol: str) -> ssl.SSLSocket:
    context.set_alpn_protocols([protocol])
    made = context.wrap_socket(socket.create_connection(("127.0.0.1", port), 30))
    if made.selected_alpn_protocol() != protocol:
        raise BenchmarkError(f"{protocol} was not agreed on")
    return made


def _http1(context: ssl.SSLContext, port: int) -> ssl.SSLSocket:
    """One that has its answer, and is kept."""
    made = _connected(context, port, "http/1.1")
    made.sendall(f"GET {TARGET} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n".encode())
    got = b""
    while b"\r\n\r\n" not in got:
        got += made.recv(65_536)
    head, _, body = got.partition(b"\r\n\r\n")
    if not head.startswith(b"HTTP/1.1 200"):
        raise BenchmarkError(f"no 200: {head[:60]!r}")
    fields = dict(line.lower().split(b": ", 1) for line in head.split(b"\r\n")[1:])
    length = int(fields[b"content-length"])
    while len(body) < length:
        body += made.recv(65_536)
    return made


def _http2(context: ssl.SSLContext, port: int) -> ssl.SSLSocket:
    """One that has its answer, and is kept."""
    made = _connected(context, port, "h2")
    asked = (
        (b":method", b"GET"), (b":scheme", b"https"), (b":authority", b"127.0.0.1"),
        (b":path", TARGET.encode()), (b"user-agent", b"benchmark"),
    )  # fmt: skip
    block = b"".join([literal(name, value) for name, value in asked])
    flags = frames.END_HEADERS | frames.END_STREAM
    made.sendall(PREFACE + settings_frame({}) + frame(frames.HEADERS, flags, 1, block))
    reader = FrameReader()
    while True:
        reader.add(made.recv(65_536))
        while (one := reader.next()) is not None:
            if one.kind == frames.HEADERS and one.payload[:1] != b"\x88":
                raise BenchmarkError(f"no 200: {one.payload[:8]!r}")
            if one.stream_id and one.flags & frames.END_STREAM:
                return made


if __name__ == "__main__":
    raise SystemExit(main())
