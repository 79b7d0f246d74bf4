"""Rows about whom a connection or a request is of: PROXY headers, X-Forwarded-For, -Proto."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import uvloop

from edgecache.observe.log_record import parse_line
from tests.hostile.recorder import echo
from tests.hostile.stage import HostilePlay, scene_of
from tests.hostile.story import asks
from tests.hostile.trial import Trial
from tests.server.test_accepted_socket import Port

LINE = b"PROXY TCP4 203.0.113.7 192.0.2.1 51000 443\r\n"
SIGNATURE = b"\r\n\r\n\0\r\nQUIT\n"
V4 = bytes.fromhex("cb007107 c0000201 c73801bb")
REQUEST = b"GET / HTTP/1.1\r\nHost: site.test\r\n\r\n"
BEHIND, PROXY, STRANGER = "203.0.113.1", "10.1.2.3", "198.51.100.66"
ADDRESS = 4  # c-ip in a line of the log
S_MAX = 30


def binary(command: int, family: int, block: bytes, length: int | None = None) -> bytes:
    """A header of version 2, which may lie about its length."""
    size = len(block) if length is None else length
    return SIGNATURE + bytes((command, family)) + size.to_bytes(2) + block


def header(data: bytes, _memo: bool, *, ends: bool = False) -> str:
    """A connection that begins so, at a port that wants a header; the next one is served."""

    async def run(port: Port) -> str:
        async with asyncio.timeout(S_MAX):
            reader, writer = await asyncio.open_connection(*port.address)
            writer.write(data)
            if ends:
                writer.write_eof()
            with contextlib.suppress(ConnectionResetError):
                assert await reader.read() == b"", "bytes were answered"
            await port.counts(0)
            assert not port.sources, "a viewer was named"
            right = await port.says(LINE)
            assert await right.readexactly(5) == b"hello"
            writer.close()
            await port.ends()
        ((fault, count),) = port.counters.refused_proxy_headers.items()
        assert count == 1
        return f"closed, counted {fault}"

    with TemporaryDirectory() as name, socket.create_server(("127.0.0.1", 0)) as listening:
        port_is: dict[str, Any] = {"proxied": True, "tls": False, "head_s_max": 0.2}
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:

            async def at_a_port() -> str:
                return await run(Port(Path(name), listening, **port_is))

            return runner.run(at_a_port())


def told(lines: tuple[bytes, ...], peer: str, memo: bool) -> str:
    """Whose request it is, asked three times, by the log; and its status where https is wanted."""
    behavior = {"viewer_protocol_policy": "redirect-to-https"}
    scene = scene_of(memo, trusted_proxies=("10.0.0.0/8",), behavior=behavior)
    play = HostilePlay(scene, echo)
    play.address = peer
    client = play.client("a")
    for _ in range(3):
        client.sends([asks(b"/a", *lines)])
        play.rests()
    statuses = {answer.status for answer in client.answers([b"GET"] * 3)}
    play.access_log.flush()
    records = [line for line in play.log.decode().splitlines() if "/a" in line]
    addresses = {parse_line(line)[ADDRESS] for line in records}
    play.close()
    (status,), (address,) = statuses, addresses
    return f"{status}, of {address}"


def _headers(row: str, *cases: tuple[str, bytes]) -> list[Trial]:
    return [Trial(row, what, partial(header, data)) for what, data in cases]


def _told(row: str, what: str, answer: str, peer: str, *lines: bytes) -> Trial:
    def play(memo: bool) -> str:
        word = told(lines, peer, memo)
        assert word == answer, word
        return word

    return Trial(row, what, play)


FOR, PROTO = b"X-Forwarded-For: ", b"X-Forwarded-Proto: https"
HEADERS = [
    *_headers("A01", ("no PROXY header: a request", REQUEST), ("a hello of TLS", b"\x16\x03\x01")),
    *_headers(
        "A02",
        ("PROXY TCP4, no port", b"PROXY TCP4 203.0.113.7 192.0.2.1 51000\r\n" + REQUEST),
        ("PROXY, two spaces", LINE.replace(b"4 2", b"4  2") + REQUEST),
        ("PROXY, a bare LF", LINE.replace(b"\r", b"") + REQUEST),
        ("PROXY TCP4 with IPv6", b"PROXY TCP4 ::1 ::1 1 1\r\n" + REQUEST),
        ("PROXY with a leading zero", LINE.replace(b".7", b".07") + REQUEST),
        ("PROXY, port 65536", LINE.replace(b"51000", b"65536") + REQUEST),
        ("PROXY TCP6 with an interface", b"PROXY TCP6 fe80::1%eth0 ::1 1 1\r\n" + REQUEST),
    ),
    *_headers(
        "A03",
        ("version 2: an unknown command", binary(0x22, 0x11, V4) + REQUEST),
        ("version 2: version 1 in it", binary(0x11, 0x11, V4) + REQUEST),
        ("version 2: an unknown family", binary(0x21, 0x41, V4) + REQUEST),
        ("version 2: a datagram", binary(0x21, 0x12, V4) + REQUEST),
        ("version 2: fewer bytes than its family has", binary(0x21, 0x21, V4) + REQUEST),
        ("version 2: a TLV beyond the end", binary(0x21, 0x11, V4 + b"\x04\xff\xff") + REQUEST),
        ("version 2: half a TLV", binary(0x21, 0x11, V4 + b"\x04\0") + REQUEST),
    ),
    *_headers(
        "A04",
        ("version 1 of more than 107 bytes", b"PROXY UNKNOWN " + b"a" * 9_000),
        ("version 2 of 64 KiB", binary(0x21, 0x11, V4, 65_535) + bytes(5_000)),
        ("LOCAL of 64 KiB", binary(0x20, 0, b"", 65_535) + bytes(5_000)),
    ),
    *_headers("A05", ("half a header, then silence", LINE[:20])),
    Trial("A05", "half a header, then its end", partial(header, SIGNATURE[:9], ends=True)),
]
FORWARDED = [
    _told("A06", "a stranger: X-Forwarded-For, -Proto", f"301, of {STRANGER}", STRANGER,
          FOR + BEHIND.encode(), PROTO),
    _told("A07", "a proxy: what its viewer invents", f"200, of {BEHIND}", PROXY,
          FOR + b"198.51.100.1, " + BEHIND.encode(), PROTO),
    _told("A07", "a proxy's address invented", f"200, of {BEHIND}", PROXY,
          FOR + b"10.9.9.9, " + BEHIND.encode(), PROTO),
    _told("A07", "a quote without end before it", f"200, of {BEHIND}", PROXY,
          FOR + b'"198.51.100.1, ' + BEHIND.encode(), PROTO),
    _told("A07", "a hundred addresses before it", f"200, of {BEHIND}", PROXY,
          FOR + b"198.51.100.1, " * 100 + BEHIND.encode(), PROTO),
    _told("A07", "a field of its own before it", f"200, of {BEHIND}", PROXY,
          FOR + b"198.51.100.1", FOR + BEHIND.encode(), PROTO),
    _told("A08", "a proxy that knows no address", f"200, of {PROXY}", PROXY,
          FOR + b"198.51.100.1, unknown", PROTO),
    _told("A09", "https invented before the proxy's http", f"301, of {BEHIND}", PROXY,
          FOR + BEHIND.encode(), PROTO, b"X-Forwarded-Proto: http"),
    _told("A09", "X-Forwarded-Proto: wss", f"301, of {BEHIND}", PROXY,
          FOR + BEHIND.encode(), b"X-Forwarded-Proto: wss"),
    _told("A09", "X_Forwarded_Proto", f"301, of {BEHIND}", PROXY,
          FOR + BEHIND.encode(), b"X_Forwarded_Proto: https"),
]  # fmt: skip
ADDRESSES = [*HEADERS, *FORWARDED]
