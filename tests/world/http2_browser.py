"""A browser of HTTP/2: its fields go into the dynamic table, its paths do not, as Chromium's."""

from __future__ import annotations

from hpack import Encoder

from edgecache.http.http2 import frames
from edgecache.http.http2.header_block import integer
from tests.world.http2_wire import WireClient
from tests.world.play import Play


class Http2Browser(WireClient):
    """A client whose blocks are short once it has said its fields."""

    def __init__(self, play: Play, address: str = "192.0.2.1") -> None:
        super().__init__(play, settings=frames.settings_frame({}), address=address)
        self._encoder = Encoder()
        self._streams = 1

    def head(self, path: str, method: str = "GET", **fields: str) -> bytes:
        """HEADERS of the next stream."""
        fields = {"host": "site.test", **fields}
        before = [(":method", method), (":authority", fields.pop("host")), (":scheme", "http")]
        after = [(name.replace("_", "-"), value) for name, value in fields.items()]
        written = path.encode()
        block = self._encoder.encode(before)
        block += b"\x04" + integer(len(written), 7) + written if path != "/" else b"\x84"
        block += self._encoder.encode(after)
        stream, self._streams = self._streams, self._streams + 2
        return frames.frame(frames.HEADERS, frames.END_HEADERS | frames.END_STREAM, stream, block)

    def asks(self, path: str, method: str = "GET", **fields: str) -> Http2Browser:
        """One request."""
        self.says(self.head(path, method, **fields))
        return self

    def bodies(self) -> list[bytes]:
        """Of the answers since the last time, in the order of their streams."""
        streams: dict[int, bytes] = {}
        for frame in self.hears():
            if frame.kind in (frames.HEADERS, frames.DATA):
                streams.setdefault(frame.stream_id, b"")
            if frame.kind == frames.DATA:
                streams[frame.stream_id] += frame.payload
        return [streams[stream] for stream in sorted(streams)]
