"""Many viewers of one edge: browsers of many kinds, objects of mixed sizes, half of them new."""

from __future__ import annotations

import asyncio
import random
import ssl
from dataclasses import dataclass, field
from string import ascii_lowercase

ROWS = (
    b"accept: text/html,application/xhtml+xml,application/xml;q=0.9,image/webp,*/*;q=0.8",
    b"accept-encoding: gzip, deflate, br, zstd",
    b"accept-language: en-GB,en;q=0.9,de;q=0.8",
    b"cache-control: max-age=0",
    b"connection: keep-alive",
    b"dnt: 1",
    b'sec-ch-ua: "Chromium";v="129", "Not=A?Brand";v="8"',
    b"sec-fetch-dest: document",
    b"sec-fetch-mode: navigate",
    b"upgrade-insecure-requests: 1",
)
READ_BYTES = 256 * 1024


def browser(number: int) -> bytes:
    """The fields of one of many browsers: they differ in cookies and version."""
    agent = b"user-agent: Mozilla/5.0 (X11; Linux x86_64; rv:%d.0) Gecko/20100101" % (
        100 + number % 30
    )
    cookie = b"cookie: session=%064x; consent=%032x; _ga=GA1.1.%d" % (number, number, number)
    return b"\r\n".join([*ROWS, agent, cookie])


@dataclass(slots=True)
class Crowd:
    """So many browsers ask for objects drawn by `seed`: half are new, half were asked for.

    `asked` counts requests, `got_bytes` the bodies.
    """

    host: bytes
    browsers: int
    size: float = 9.0  # of the logarithm of sizes, in the middle
    spread: float = 1.7
    bytes_max: int = 4 * 1024 * 1024
    seed: int = 1
    asked: int = 0
    got_bytes: int = 0
    _known: list[bytes] = field(default_factory=list)
    _draw: random.Random = field(init=False)

    def __post_init__(self) -> None:
        self._draw = random.Random(self.seed)

    async def visit(self, ports: list[tuple[int, ssl.SSLContext | None]], until_bytes: int) -> None:
        """Until all together got so many bytes; one connection for each port given."""
        async with asyncio.TaskGroup() as group:
            for port, tls in ports:
                group.create_task(self._one(port, tls, self.got_bytes + until_bytes))

    async def _one(self, port: int, tls: ssl.SSLContext | None, until_bytes: int) -> None:
        name = None if tls is None else self.host.decode()
        reader, writer = await asyncio.open_connection(
            "127.0.0.1", port, ssl=tls, server_hostname=name, limit=READ_BYTES
        )
        while self.got_bytes < until_bytes:
            fields = browser(self._draw.randrange(self.browsers))
            target = self._target()
            writer.write(b"GET %b HTTP/1.1\r\nhost: %b\r\n%b\r\n\r\n" % (target, self.host, fields))
            await self._read(reader)
        writer.transport.abort()

    def _target(self) -> bytes:
        if self._known and self._draw.random() < 0.5:
            return self._draw.choice(self._known[-2_000:])
        size = int(min(self._draw.lognormvariate(self.size, self.spread), self.bytes_max)) + 1
        name = "".join(self._draw.choices(ascii_lowercase, k=24))
        self._known.append(b"/%b?%d" % (name.encode(), size))
        return self._known[-1]

    async def _read(self, reader: asyncio.StreamReader) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 200 "), head
        length = int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0])
        self.asked += 1
        self.got_bytes += length
        while length:
            length -= len(await reader.read(min(length, READ_BYTES)))
