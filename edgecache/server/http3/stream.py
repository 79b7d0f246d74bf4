"""HTTP/3 viewer stream: one request and the frames of its response (RFC 9114 §4.1).

Law: the end of the stream says that a response is whole; one that breaks off is reset. What waits
for a window stays here, by reference and in the account; of a stream that was reset nothing is sent
any more.
"""

from __future__ import annotations

from typing import Protocol

from edgecache.cache.frontend import ViewerErrand
from edgecache.cache.outcome import Hit
from edgecache.http.message import Fields, Request
from edgecache.server.http3.field_section import field_section, trailer_section
from edgecache.server.http3.frames import DATA, HEADERS, Http3Error, frame, frame_header
from edgecache.server.multiplexed_stream import MultiplexedStream, ViewerOfStreams
from edgecache.server.response_writer import ResponseWriter


class Http3Connection(ViewerOfStreams, Protocol):
    """A connection, as its parts see it."""

    streams: dict[int, Http3Stream]
    """Those for which anything is done or owed, by their ids."""
    is_validated: bool
    """Whether TLS is done; until then what comes may be another's, said again (RFC 8470 §2)."""

    def set_off(
        self,
        stream: Http3Stream,
        errand: Hit | ViewerErrand,
        request: Request,
        writer: ResponseWriter,
    ) -> None:
        """Run the errand of a stream, or send a hit that takes its time."""
        ...

    def ready(self) -> None:
        """There is something to send: soon."""
        ...

    def reset(self, stream: Http3Stream, code: Http3Error) -> None:
        """End `stream` at once, both ways, and say so."""
        ...

    def reject(self, stream_id: int, code: Http3Error) -> None:
        """End a stream of which no request was made."""
        ...

    def let_go(self, stream: Http3Stream) -> None:
        """End `stream`, whose viewer has left it."""
        ...

    def settle(self, stream: Http3Stream) -> None:
        """Forget `stream` if nothing is done for it any more."""
        ...

    def taken(self, stream: Http3Stream, count: int) -> None:
        """So many bytes of its body were taken: more may come."""
        ...


class Http3Stream(MultiplexedStream):
    """The ViewerStream of one request; `request` None: it could not be read."""

    __slots__ = ("_owner", "fault", "seen_bytes")

    def __init__(
        self, owner: Http3Connection, stream_id: int, request: Request | None, began: float
    ) -> None:
        super().__init__(owner, stream_id, request, began)
        self.fault = Http3Error.NO_ERROR  # of what the viewer sent, told once it was answered
        self.seen_bytes = -1  # that had arrived when an overdue stream was looked at; -1: never
        self._owner = owner

    # What a response writer calls: see ViewerStream.

    def send_interim(self, status: int, fields: Fields, *, reason: bytes = b"") -> None:
        """See ViewerStream; there is none after the final head."""
        if not self.gone and not self.sent_bytes:
            self._unsent.add(frame(HEADERS, field_section(status, fields)))
            self._owner.ready()

    def send_head(
        self,
        status: int,
        fields: Fields,
        length: int | None,
        *,
        reason: bytes = b"",
        ends: bool = False,
    ) -> None:
        """Make the head; it goes out with what is sent next."""
        if self.gone:
            return
        if length is not None:
            fields = (*fields, (b"content-length", b"%d" % length))
        head = frame(HEADERS, field_section(status, fields))
        self.whole = ends
        self.sent_bytes += len(head)
        self._unsent.add(head)

    def send(self, data: bytes | memoryview) -> None:
        """See ViewerStream."""
        if self.gone:
            return
        header = frame_header(DATA, len(data))
        self.sent_bytes += len(header) + len(data)
        self._unsent.add(header)
        self._unsent.add(data)
        self._owner.ready()

    def flush(self) -> None:
        """See ViewerStream."""
        if not self.gone:
            self._owner.ready()

    def end(self, trailers: Fields = ()) -> None:
        """See ViewerStream."""
        if self.gone:
            return
        if trailers and not self.whole:
            section = frame(HEADERS, trailer_section(trailers))
            self.sent_bytes += len(section)
            self._unsent.add(section)
        self.whole = True
        self._owner.ready()

    def abort(self) -> None:
        """See ViewerStream."""
        if not self.gone:
            self._owner.reset(self, Http3Error.INTERNAL_ERROR)

    # What the connection calls.

    @property
    def queued_bytes(self) -> int:
        """How much waits to be sent."""
        return self._unsent.size

    @property
    def sendable(self) -> bool:
        """Whether there is something to hand over."""
        return not (self.gone or self.local_closed) and bool(self._unsent.size or self.whole)

    def take(self, count: int) -> bytes:
        """The next `count` bytes of what waits."""
        out: list[bytes | memoryview] = []
        self._unsent.take(out, count)
        self.wake()
        return b"".join(out)
