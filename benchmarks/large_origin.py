"""An origin of large objects made up as they are read; it counts the bytes it gives away.

`/NAME?BYTES` is an object of so many bytes, with a strong tag and ranges; `/told` is the count.
"""

from __future__ import annotations

import asyncio
import hashlib
import re
import sys

PIECE = 64 * 1024
_REQUEST = re.compile(rb"(GET|HEAD) (/[a-z]+)(?:\?(\d+))? HTTP/1\.1\r\n")
_RANGE = re.compile(rb"\r\nrange: bytes=(\d+)-(\d*)\r\n", re.IGNORECASE)
_NOISE = b"".join(hashlib.blake2b(b"%d" % n).digest() for n in range(PIECE // 64))


def content(first: int, length: int) -> bytes:
    """The bytes of every object at `first`; each piece of 64 KiB tells its number."""
    pieces = []
    for number in range(first // PIECE, (first + length - 1) // PIECE + 1):
        pieces.append(number.to_bytes(8, "big") + _NOISE[8:])
    skip = first % PIECE
    return b"".join(pieces)[skip : skip + length]


class Origin:
    """Answers GET and HEAD, one request after another on a connection."""

    def __init__(self) -> None:
        self.given = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                await self._answer(head, writer)
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    async def _answer(self, head: bytes, writer: asyncio.StreamWriter) -> None:
        asked = _REQUEST.match(head)
        assert asked is not None, head
        if asked[2] == b"/told":
            told = b"%d" % self.given
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(told), told))
            return
        total = int(asked[3])
        first, last, status = 0, total - 1, b"200 OK"
        ranged = _RANGE.search(head)
        lines = b""
        if ranged is not None:
            first, status = int(ranged[1]), b"206 Partial Content"
            last = min(last, int(ranged[2] or last))
            lines = b"Content-Range: bytes %d-%d/%d\r\n" % (first, last, total)
        writer.write(
            b"HTTP/1.1 %b\r\nContent-Length: %d\r\n%bAccept-Ranges: bytes\r\n"
            b'ETag: "one"\r\nCache-Control: max-age=3600\r\n\r\n'
            % (status, last - first + 1, lines)
        )
        if asked[1] == b"GET":
            await self._give(first, last + 1, writer)

    async def _give(self, at: int, end: int, writer: asyncio.StreamWriter) -> None:
        while at < end:
            data = content(at, min(PIECE * 4, end - at))
            writer.write(data)
            self.given += len(data)
            at += len(data)
            await writer.drain()


async def main() -> None:
    """Serve on a port of loopback until the end."""
    server = await asyncio.start_server(Origin().serve, "127.0.0.1", int(sys.argv[1]))
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main())
