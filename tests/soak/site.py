"""The installation of a soak: small budgets, TLS, and origins that are slow, broken or silent."""

from __future__ import annotations

import shutil
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from tests.end_to_end.installation import (
    PARTS,
    PLAYED,
    ROOT,
    SITES,
    Installation,
    Ports,
    Up,
    start_up,
)
from tests.end_to_end.processes import free_ports
from tests.end_to_end.scripted_origin import Exchange, PlayedOrigin

MIB = 1024 * 1024
BUDGETS = {"LHR50": 256 * MIB, "NRT57": 128 * MIB, "regional": 256 * MIB}
BIG_BYTES, BIG_FILES = 30 * MIB, 20
SILENT = "silent.test"  # a site whose origin answers no connection
FAILS, WELL = "/fails", "/well"  # of one origin: pages that always fail, and one that never does
FAILING = 100

_SILENT_SITE = """
[[distributions]]
id = "ESILENT"
aliases = ["silent.test"]
default_behavior = {{ origin = "silent" }}

[[distributions.origins]]
id = "silent"
domain_name = "127.0.0.1"
http_port = {silent}
connection_attempts = 1
connection_timeout_s = 1
"""


def template() -> str:
    """The configuration, with ports left open."""
    parts = PARTS.replace("memory_bytes = ", "memory_bytes_of_the_table = ")
    for name in ("regional", "LHR50", "NRT57"):
        size = f'memory_bytes = "{BUDGETS[name] // MIB} MiB"'
        heading = "[regional]\n" if name == "regional" else f'name = "{name}"\n'
        parts = parts.replace(heading, f"{heading}{size}\n")
    kept = [line for line in parts.splitlines() if not line.startswith("memory_bytes_of_the_table")]
    tls = 'listen = "127.0.0.1:{nrt}"'
    text = "\n".join(kept).replace(tls, f'{tls}\nlisten_tls = "127.0.0.1:{{nrt_tls}}"')
    return f"{text}\n{SITES}{_SILENT_SITE}"


@contextmanager
def site(folder: Path) -> Iterator[Up]:
    """It runs, with its origins."""
    shutil.copytree(ROOT / "config" / "bucket", folder / "bucket")
    control, bucket, lhr, nrt, nrt_tls, played = free_ports(6)
    origin = PlayedOrigin(played)
    _scenes(origin)
    origin.start()
    try:
        with silent_port() as silent:
            ports = Ports(control, bucket, lhr, nrt, 1, played, nrt_tls, silent)
            made = replace(Installation(folder, ports), template=template())
            made.write()
            yield start_up(made)
    finally:
        origin.stop()


@contextmanager
def silent_port() -> Iterator[int]:
    """A port where connections are neither accepted nor refused: its queue is full."""
    with socket.socket() as listening, socket.socket() as first, socket.socket() as second:
        listening.bind(("127.0.0.1", 0))
        listening.listen(0)
        port: int = listening.getsockname()[1]
        for waiting in (first, second):
            waiting.setblocking(False)
            waiting.connect_ex(("127.0.0.1", port))
        yield port


def host(site_name: str = PLAYED) -> bytes:
    """The field that names a site."""
    return b"Host: %b\r\n" % site_name.encode()


def _scenes(origin: PlayedOrigin) -> None:
    async def big(exchange: Exchange) -> None:
        await exchange.answer(BIG_BYTES)
        for _ in range(BIG_BYTES // MIB):
            await exchange.send(bytes(MIB))

    async def fails(exchange: Exchange) -> None:
        await exchange.send(b"HTTP/1.1 500 Internal Server Error\r\nContent-Length: 0\r\n\r\n")

    async def well(exchange: Exchange) -> None:
        await exchange.answer(4, "no-store")
        await exchange.send(b"well")

    async def upload(exchange: Exchange) -> None:
        async for _ in exchange.body_parts():
            pass
        await exchange.send(b"HTTP/1.1 204 No Content\r\n\r\n")

    for number in range(FAILING):
        origin.plays(f"{FAILS}/{number}", fails)
    origin.plays(WELL, well)
    origin.plays("/upload", upload)
    for number in range(BIG_FILES):
        origin.plays(f"/big/{number}", big)
