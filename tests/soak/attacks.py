"""What viewers do to an installation in a soak, in turn: none of it may be felt by the others.

An attack gives what it found wrong itself; what others felt of it the soak's own traffic tells.
"""

from __future__ import annotations

import contextlib
import socket
import ssl
import threading
from collections.abc import Iterator

from tests.end_to_end.installation import Up
from tests.soak.site import BIG_FILES, FAILING, FAILS, MIB, SILENT, WELL, host

FOR_S = 2.0  # how long what lasts does
BAD_HEADS = 3_000
SLOW_READERS = 20
TRICKLES = 150
REQUESTS = 60
ANSWER_S_MAX = 20.0
SMALL_BUFFER = 16_384
_BAD = b"GET / HTTP/1.1\r\nHost: a\r\nX: %b\r\nBad header: x\r\n\r\n%b"
_BAD %= b"a" * 18_000, b"z" * 40_000


def equal_bad_heads(up: Up) -> list[str]:
    """The same bad request again and again, each on a connection of its own."""
    found = []
    for _ in range(BAD_HEADS):
        with _connected(up.installation.ports.nrt) as viewer:
            viewer.sendall(_BAD)
            answer = _head(viewer)
        if not answer.startswith(b"HTTP/1.1 400"):
            found.append(f"a bad head: {answer[:40]!r}")
    return found


def aborted_downloads(up: Up) -> list[str]:
    """Downloads of different large files, given up in the middle."""
    found = []
    with contextlib.ExitStack() as stack:
        port = up.installation.ports.nrt
        viewers = [stack.enter_context(_connected(port)) for _ in range(BIG_FILES)]
        for number, viewer in enumerate(viewers):
            viewer.sendall(b"GET /big/%d HTTP/1.1\r\n%b\r\n" % (number, host()))
        for viewer in viewers:
            answer = _head(viewer)
            if not answer.startswith((b"HTTP/1.1 200", b"HTTP/1.1 503")):
                found.append(f"a download: {answer[:40]!r}")
        _for_a_while()
    return found


def slow_tls_readers(up: Up) -> list[str]:
    """Large files asked for over TLS, and not read."""
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    with contextlib.ExitStack() as stack:
        for number in range(SLOW_READERS):
            plain = stack.enter_context(_connected(up.installation.ports.nrt_tls))
            viewer = stack.enter_context(context.wrap_socket(plain, server_hostname="played.test"))
            viewer.sendall(b"GET /big/%d HTTP/1.1\r\n%b\r\n" % (number % BIG_FILES, host()))
        _for_a_while()
    return []


def trickled_uploads(up: Up) -> list[str]:
    """Uploads that send a byte now and then, while others ask the same origin."""
    found = []
    head = b"POST /upload HTTP/1.1\r\n%bContent-Length: 1000000\r\n\r\n" % host()
    with contextlib.ExitStack() as stack:
        port = up.installation.ports.lhr
        viewers = [stack.enter_context(_connected(port)) for _ in range(TRICKLES)]
        for viewer in viewers:
            viewer.sendall(head + b"x" * 1_000)
        for _ in range(5):
            for viewer in viewers:
                with contextlib.suppress(OSError):
                    viewer.sendall(b"x")
            found += _others(up, 5)
            threading.Event().wait(FOR_S / 10)
    return found


def dead_addresses(up: Up) -> list[str]:
    """A site whose origin answers no connection, while others ask theirs."""
    request = b"GET /%d HTTP/1.1\r\n%b\r\n"
    found = []
    with contextlib.ExitStack() as stack:
        viewers = [
            stack.enter_context(_connected(up.installation.ports.lhr)) for _ in range(REQUESTS)
        ]
        for number, viewer in enumerate(viewers):
            viewer.sendall(request % (number, host(SILENT)))
        found += _others(up, 20)
        for viewer in viewers:
            answer = _head(viewer)
            if not answer.startswith((b"HTTP/1.1 502", b"HTTP/1.1 503", b"HTTP/1.1 504")):
                found.append(f"a dead origin: {answer[:40]!r}")
    return found


def a_page_that_fails(up: Up) -> list[str]:
    """A part of an origin answers 500 to all it is asked: its other pages stay what they are."""
    found = []
    for number in range(FAILING):  # each is asked once: errors are remembered for a while
        with _connected(up.installation.ports.lhr) as viewer:
            path = b"%b/%d" % (FAILS.encode(), number)
            viewer.sendall(b"GET %b HTTP/1.1\r\n%b\r\n" % (path, host()))
            _head(viewer)
        if number % 2:
            found += _others(up, 1)
    return found


def _others(up: Up, count: int) -> list[str]:
    """So many misses of a page that is well: what was wrong with them."""
    found = []
    for _ in range(count):
        with _connected(up.installation.ports.lhr) as viewer:
            viewer.sendall(b"GET %b HTTP/1.1\r\n%b\r\n" % (WELL.encode(), host()))
            answer = _head(viewer)
        if not answer.startswith(b"HTTP/1.1 200"):
            found.append(f"a page that is well: {answer.partition(b'x-cache')[0][:200]!r}")
    return found


@contextlib.contextmanager
def _connected(port: int) -> Iterator[socket.socket]:
    """A viewer whose kernel takes little for it."""
    with socket.socket() as viewer:
        viewer.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, SMALL_BUFFER)
        viewer.settimeout(ANSWER_S_MAX)
        viewer.connect(("127.0.0.1", port))
        yield viewer


def _head(viewer: socket.socket) -> bytes:
    """What has come once the head of the answer is whole, or nothing more comes."""
    data = b""
    with contextlib.suppress(OSError):
        while b"\r\n\r\n" not in data and len(data) < MIB:
            part = viewer.recv(65_536)
            if not part:
                break
            data += part
    return data


def _for_a_while() -> None:
    threading.Event().wait(FOR_S)
