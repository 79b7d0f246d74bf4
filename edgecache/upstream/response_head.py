"""Response heads out of arriving bytes. Law: what can become no head is refused at once.

A banner of another protocol, or lines that end in a bare LF, would else cost the whole timeout.
"""

from __future__ import annotations

import re

from edgecache.http.errors import BadMessage, BadReason, HeadLimits

_BARE_LF = re.compile(rb"(?<!\r)\n")


class ResponseHeads:
    """Holds the start of a head until its empty line is there. Linear in the bytes, however cut."""

    __slots__ = ("_held", "_limits")

    def __init__(self, limits: HeadLimits) -> None:
        self._limits = limits
        self._held = bytearray()

    def feed(self, data: bytes) -> tuple[bytes, bytes] | None:
        """The whole head and what follows it, or None when more must come. BadMessage (502)."""
        held = self._held
        start = max(len(held) - 3, 0)
        if held:
            held += data
            end = held.find(b"\r\n\r\n", start)
            if end >= 0:
                data = bytes(held)
                held.clear()
        else:
            end = data.find(b"\r\n\r\n")
            if end < 0:
                held += data
        if end >= 0:
            return data[: end + 4], data[end + 4 :]
        self._judge(start)
        return None

    def _judge(self, new: int) -> None:
        held = self._held
        if len(held) > self._limits.head_bytes_max:
            raise BadMessage(BadReason.HEAD_TOO_BIG, 502)
        if not b"HTTP/".startswith(held[:5]):
            raise BadMessage(BadReason.STATUS_LINE, 502)
        if _BARE_LF.search(held, new):
            raise BadMessage(BadReason.FIELD, 502)
