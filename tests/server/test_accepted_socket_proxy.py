"""Connections that begin with a PROXY header: whose they are; what is none is closed, counted."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from pathlib import Path

import pytest

from edgecache.http.proxy_protocol import LOCAL_HEADER
from tests.server.test_accepted_socket import Port, plays

LINE = b"PROXY TCP4 203.0.113.7 192.0.2.1 51000 443\r\n"
HEADER = bytes.fromhex("0d0a0d0a000d0a515549540a 2111000c cb007107 c0000201 c73801bb")
SOURCE = ("203.0.113.7", 51_000)


@pytest.mark.parametrize(
    ("pieces", "source"),
    [
        ([LINE], SOURCE),
        ([LINE + b"GET / HTTP/1.1\r\n"], SOURCE),
        ([HEADER], SOURCE),
        ([HEADER[:20], HEADER[20:]], SOURCE),
        ([bytes((byte,)) for byte in HEADER], SOURCE),
        ([bytes((byte,)) for byte in LINE], SOURCE),
        ([LOCAL_HEADER], None),
        ([b"PROXY UNKNOWN\r\n"], None),
    ],
)
def test_a_connection_is_of_whom_its_header_names(
    tmp_path: Path, pieces: list[bytes], source: tuple[str, int] | None
) -> None:
    async def scene(port: Port) -> None:
        reader = await port.says(*pieces)
        assert await reader.readexactly(5) == b"hello"
        assert port.sources == [source]
        assert len(port.table) == 1
        assert not port.counters.refused_proxy_headers

    plays(tmp_path, scene, proxied=True, tls=False)


def test_tls_begins_behind_the_header(tmp_path: Path) -> None:
    async def scene(port: Port) -> None:
        loop = asyncio.get_running_loop()
        link = socket.create_connection(port.address)
        link.setblocking(False)
        await loop.sock_sendall(link, LINE)
        reader, writer = await asyncio.open_connection(
            sock=link, ssl=port.trusts, server_hostname="localhost"
        )
        assert await reader.readexactly(5) == b"hello"
        writer.close()
        assert port.sources == [SOURCE]

    plays(tmp_path, scene, proxied=True)


@pytest.mark.parametrize(
    ("pieces", "fault"),
    [
        ([b"GET / HTTP/1.1\r\nHost: site.test\r\n\r\n"], "missing"),
        ([b"PROXY TCP4 203.0.113.7\r\n"], "broken"),
        ([b"PROXY UNKNOWN " + b"a" * 120], "oversized"),
        ([HEADER[:14] + b"\xff\xff"], "oversized"),
    ],
)
@pytest.mark.parametrize("tls", [True, False])
def test_what_is_no_header_is_closed_and_counted(
    tmp_path: Path, pieces: list[bytes], fault: str, tls: bool
) -> None:
    async def scene(port: Port) -> None:
        reader = await port.says(*pieces)
        with contextlib.suppress(ConnectionResetError):  # what it sent was not read
            assert await reader.read() == b""
        await port.counts(0)
        assert dict(port.counters.refused_proxy_headers) == {fault: 1}
        assert not port.sources

    plays(tmp_path, scene, proxied=True, tls=tls)


def test_a_header_that_is_cut_off_is_counted(tmp_path: Path) -> None:
    async def scene(port: Port) -> None:
        _, writer = await asyncio.open_connection(*port.address)
        writer.write(LINE[:9])
        await port.counts(1)
        writer.close()
        await port.counts(0)
        assert dict(port.counters.refused_proxy_headers) == {"truncated": 1}

    plays(tmp_path, scene, proxied=True, tls=False)


def test_a_header_that_is_late_is_counted(tmp_path: Path) -> None:
    async def scene(port: Port) -> None:
        reader = await port.says(LINE[:9])
        assert await reader.read() == b""
        await port.counts(0)
        assert dict(port.counters.refused_proxy_headers) == {"late": 1}

    plays(tmp_path, scene, proxied=True, tls=False, head_s_max=0.05)


def test_a_name_is_taken_from_trusted_proxies_alone(tmp_path: Path) -> None:
    """Who speaks for itself claims nothing, and may."""

    async def scene(port: Port) -> None:
        port.proxy = "127.0.0.2"
        reader = await port.says(LINE)
        assert await reader.read() == b""
        assert dict(port.counters.refused_proxy_headers) == {"untrusted": 1}
        local = await port.says(LOCAL_HEADER)
        assert await local.readexactly(5) == b"hello"
        assert port.sources == [None]

    plays(tmp_path, scene, proxied=True, tls=False)


def test_a_balancer_has_no_share_of_its_own(tmp_path: Path) -> None:
    """Whom its headers name has; who is named too often is closed before the handshake."""

    async def scene(port: Port) -> None:
        for number in range(1, 6):
            await port.says_nothing()
            await port.counts(number)
        for number in range(6, 9):
            await port.says(LINE)
            await port.counts(number)
        late = await port.says(LINE)
        assert await late.read() == b""
        await port.counts(8)

    plays(tmp_path, scene, proxied=True)


def test_the_end_of_a_process_waits_for_no_header(tmp_path: Path) -> None:
    async def scene(port: Port) -> None:
        silent = await port.says(LINE[:9])
        await port.counts(1)
        for one in list(port.connections):
            one.shutdown()
        assert await silent.read() == b""
        assert not port.counters.refused_proxy_headers

    plays(tmp_path, scene, proxied=True)
