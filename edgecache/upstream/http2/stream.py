"""Origin stream: one request to an origin by HTTP/2, and its response (RFC 9113 §5.1, §8.1).

Law: END_STREAM alone says that a response is whole; a stream that is given up is reset, so that the
origin works no longer for nobody. At most STREAM_BYTES of a body wait for its reader and as many
are let come: the window is opened again as they are taken.

A body goes out until it ends or the response is there, as in HTTP/1.1. Where both go at once
(`WireRequest.two_way`), it goes on beside the response, and silence of both is what is late.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from math import inf
from typing import Protocol

from edgecache.http.framing import BODY_BYTES_PER_S_MIN, known_length, response_framing
from edgecache.http.http2.frames import ErrorCode, Http2StreamError, ReceiveWindow
from edgecache.http.http2.header_block import field_block
from edgecache.http.http2.header_decoder import HeaderList
from edgecache.http.message import (
    EARLY_HINTS,
    BadMessage,
    BadReason,
    HeadLimits,
    Response,
)
from edgecache.upstream.connection import INTERIMS_MAX
from edgecache.upstream.endpoint import WireRequest
from edgecache.upstream.exchange import Deadline
from edgecache.upstream.faults import Fault, UpstreamError
from edgecache.upstream.http2.frame_sender import FrameSender, SendWindow
from edgecache.upstream.http2.heads import accepted_upgrade, response_of, trailers_of
from edgecache.upstream.interface import Body, Reply, TrailedBody, WholeBody
from edgecache.upstream.request_body import WrongLengthError, send_until_answered
from edgecache.upstream.response import ResponseBody
from edgecache.upstream.tunnel import OpenTunnel, TunnelUpload

HANG_UP_S = 5.0  # for an origin to end its side of a tunnel that its viewer has left
STREAM_BYTES = 131_072  # beside as many under way: `BUFFER_BYTES_MAX` together, as in HTTP/1.1


class OriginLine(Protocol):
    """A connection, as its streams see it."""

    where: str
    limits: HeadLimits
    clock: Callable[[], float]
    loop: asyncio.AbstractEventLoop
    sender: FrameSender

    def open_window(self, stream: OriginStream, count: int) -> None:
        """So many bytes more may come."""
        ...

    def reset(self, stream: OriginStream, code: ErrorCode) -> None:
        """Say that nothing more of it is wanted, and forget it."""
        ...

    def over(self, stream: OriginStream) -> None:
        """It has ended both ways, or will never: forget it."""
        ...

    def late(self) -> None:
        """A response did not come in time: perhaps nobody is there any more."""
        ...


class OriginStream:
    """One request on a connection; `arrived` has its response, or why there is none."""

    __slots__ = (
        "_body_begun", "_deadline", "_hung_up", "_interims", "_left", "_line", "_paused",
        "_requested_at", "_sending", "arrived", "body", "gone", "heard", "id", "outgoing",
        "receive", "remote_closed", "upload", "window",
    )  # fmt: skip

    def __init__(self, line: OriginLine, stream_id: int, outgoing: WireRequest) -> None:
        self.id = stream_id
        self.outgoing = outgoing
        self.arrived: asyncio.Future[Reply] = line.loop.create_future()
        left = line.sender.settings.window_bytes
        self.upload: Body | None = TunnelUpload() if outgoing.upgrade else outgoing.body
        self.window = SendWindow(stream_id, left, ended=self.upload is None)
        self.receive = ReceiveWindow(STREAM_BYTES)
        self.body: ResponseBody | None = None
        self.remote_closed = False
        self.gone = False  # reset, or its connection is gone
        self.heard = False  # a frame of its response came
        self._line = line
        self._requested_at = line.clock()
        self._left: int | None = None  # bytes of the body to come, where that was said
        self._interims = 0
        self._paused = False
        self._hung_up = False
        self._body_begun = False  # some of the request's was read: it is not there again
        self._sending: asyncio.Task[None] | None = None
        self._deadline = Deadline(line.loop, self._late)
        self._deadline.put(outgoing.timeouts.response_s)

    async def run(self) -> Reply:
        """The response, once its head is here; see UpstreamConnection.ask."""
        body = self.upload
        try:
            if body is None:
                return await self.arrived
            if self.outgoing.two_way or self.outgoing.upgrade:
                self._sending = self._line.loop.create_task(self._send_beside(body))
            else:
                await send_until_answered(self._send(body), self.arrived)
            return await self.arrived
        except BaseException:  # cancelled, or the body to send failed: nobody reads the response
            self.abandon()
            raise

    # The request's body.

    async def _send(self, body: Body) -> None:
        """Send all of `body`. WrongLengthError, or whatever reading it raises."""
        left = body.length
        while True:
            piece = body.read_nowait()
            if piece is None:
                self._wait_for_viewer(waiting=True)
                piece = await body.read()
            self._wait_for_viewer(waiting=False)
            self._body_begun = True
            if not piece:
                break
            if left is not None:
                left -= len(piece)
                if left < 0:
                    raise WrongLengthError
            await self._line.sender.send_data(self.window, piece, ends=left == 0)
            self.moved()
        if left:
            raise WrongLengthError
        if not self.window.ended:
            await self._end_request(body)

    async def _end_request(self, body: Body) -> None:
        trailers = body.trailers if isinstance(body, TrailedBody) else ()
        if trailers and self.outgoing.two_way and not self.window.over:
            self.window.ended = True
            self._line.sender.send_block(self.id, field_block(trailers), ends=True)
        else:
            await self._line.sender.send_data(self.window, b"", ends=True)

    async def _send_beside(self, body: Body) -> None:
        """Send `body` while the response comes; what fails of it ends that, too."""
        try:
            await self._send(body)
            if self.remote_closed and self.window.ended:  # of a tunnel: both ends have ended
                self._deadline.drop()
                self._line.over(self)
        except UpstreamError as error:
            self._fail(error)
            self._line.reset(self, ErrorCode.CANCEL)
        except (WrongLengthError, ValueError):  # of trailers that cannot be written
            self.fail(Fault.TRUNCATED)
            self._line.reset(self, ErrorCode.CANCEL)

    def _wait_for_viewer(self, *, waiting: bool) -> None:
        """Whether it is our side that is waited for; the response's time stands still then."""
        if self.outgoing.upgrade:
            return  # the response does not wait for what a viewer says
        if self.outgoing.two_way:
            self.moved()
        elif self.body is None:
            self._deadline.put(inf if waiting else self.outgoing.timeouts.response_s)

    def moved(self) -> None:
        """Something went either way: of what goes both ways silence is late, and nothing else."""
        if self.outgoing.two_way and not (self._paused or self.gone):
            self._deadline.put(self.outgoing.timeouts.read_s)

    # The response.

    def take_list(self, listed: HeaderList) -> None:
        """A header list: an interim head, the final one, or trailers. BadMessage."""
        self.heard = True
        if self.body is not None:
            self._take_trailers(listed)
            return
        now = self._line.clock()
        response = response_of(listed.fields, self._line.limits, self._requested_at, now)
        if response.status < 200:
            self._take_interim(response, ends=listed.ends)
        elif self.outgoing.upgrade and response.status < 300 and not listed.ends:
            self._begin_tunnel(response)
        else:
            self._begin_body(response, ends=listed.ends)

    def _take_interim(self, response: Response, *, ends: bool) -> None:
        self._interims += 1
        if response.status == 101 or ends or self._interims > INTERIMS_MAX:  # §8.1, §8.6
            raise BadMessage(BadReason.STATUS_LINE, 502)
        if response.status == EARLY_HINTS and self.outgoing.on_interim is not None:
            self.outgoing.on_interim(response)

    def _begin_body(self, response: Response, *, ends: bool) -> None:
        framing = response_framing(response.status, self.outgoing.method, response.fields, 1)
        length = self._left = known_length(framing)
        if ends:
            if length:  # §8.1.1
                raise BadMessage(BadReason.LENGTH, 502)
            whole = WholeBody(b"")
            if self.outgoing.two_way:
                whole.length = None  # gRPC's "Trailers-Only": a head, and nothing after it
            self._answer(Reply(response, whole))
            self._end()
            return
        self.body = ResponseBody(length, self, STREAM_BYTES)
        self._deadline.put(self.outgoing.timeouts.read_s)
        self._answer(Reply(response, self.body))

    def _begin_tunnel(self, response: Response) -> None:
        """Its WebSocket is open; how long it may be idle is for who sees both directions."""
        self.body = tunnel = OpenTunnel(self)
        self._deadline.put(inf)
        self._answer(Reply(accepted_upgrade(response, self.outgoing.head), tunnel))

    def _answer(self, reply: Reply) -> None:
        if not self.arrived.done():
            self.arrived.set_result(reply)

    def _take_trailers(self, listed: HeaderList) -> None:
        assert self.body is not None
        if not listed.ends:  # §8.1
            raise BadMessage(BadReason.TRAILER, 502)
        trailers = trailers_of(listed.fields, self._line.limits)
        if self.outgoing.two_way:  # else dropped, as those of HTTP/1.1 are (decision 020)
            self.body.trailers = trailers
        self._end_body()

    def take_data(self, content: bytes, size: int, *, ends: bool) -> None:
        """DATA of `size` bytes, padding included. BadMessage; Http2StreamError."""
        if not self.receive.take(size):  # §6.9.1
            code = ErrorCode.FLOW_CONTROL_ERROR
            raise Http2StreamError(self.id, code, "DATA beyond the window")
        if self.body is None:
            raise BadMessage(BadReason.STATUS_LINE, 502)  # §8.1: no head yet
        if self._left is not None:
            self._left -= len(content)
            if self._left < 0:
                raise BadMessage(BadReason.LENGTH, 502)
        if content:
            self.body.push([content])
        if ends:
            self._end_body()
            return
        if self.outgoing.two_way:
            self.moved()
        elif not (self._paused or isinstance(self.body, OpenTunnel)):
            known, read_s = self._left is not None, self.outgoing.timeouts.read_s
            self._deadline.earn(len(content) / BODY_BYTES_PER_S_MIN if known else read_s, read_s)
        self._open()

    def _end_body(self) -> None:
        assert self.body is not None
        if self._left:  # §8.1.1
            raise BadMessage(BadReason.LENGTH, 502)
        self.body.end()
        self._end()

    def _end(self) -> None:
        """The response is whole. What is left of the request is not wanted (§8.1)."""
        self.remote_closed = True
        self._deadline.drop()
        if not isinstance(self.body, OpenTunnel):
            self.window.stop()
        if self.outgoing.record is not None:
            self.outgoing.record.ended_at = self._line.clock()
        if isinstance(self.body, OpenTunnel) and not (self.window.ended or self._hung_up):
            return  # what a viewer still says goes on
        self._stop_sending()
        if self.window.ended:
            self._line.over(self)
        else:
            self._line.reset(self, ErrorCode.CANCEL)

    def _open(self) -> None:
        """Let more come, as far as there is room."""
        if self._paused or self.remote_closed or self.gone:
            return
        more = self.receive.opening(STREAM_BYTES, 0)
        if more:
            self._line.open_window(self, more)

    # For the body that comes in: see BodySource.

    def pause(self) -> None:
        self._paused = True
        self._deadline.put(inf)

    def resume(self) -> None:
        self._paused = False
        if not (self.remote_closed or self.gone):
            if not isinstance(self.body, OpenTunnel):
                self._deadline.put(self.outgoing.timeouts.read_s)
            self._open()

    def abandon(self) -> None:
        """Nobody reads the response any more."""
        self._stop_sending()
        self._deadline.drop()
        if not self.gone:
            self._line.reset(self, ErrorCode.CANCEL)

    # For the tunnel it has become: see TunnelSide.

    def write(self, data: bytes) -> None:
        self._tunneled.write(data)

    async def writable(self) -> None:
        await self._tunneled.writable()

    def end_writing(self) -> None:
        self._tunneled.end()

    def hang_up(self) -> None:
        """End what is sent, once it is; an origin that does not follow is not waited for."""
        self._hung_up = True
        self._tunneled.end()
        if self.body is not None:
            self.body.end()
        if not self.gone:
            self._deadline.put(HANG_UP_S)

    @property
    def _tunneled(self) -> TunnelUpload:
        assert isinstance(self.upload, TunnelUpload)
        return self.upload

    # The end.

    def fail(self, fault: Fault, *, sent: bool = True) -> None:
        """There is no response, or no more of it. `sent` False: the origin has done nothing."""
        again = not sent and not self._body_begun
        self._fail(UpstreamError(fault, self._line.where, sent=not again, heard=self.heard))

    def fail_whole(self, head_fault: Fault) -> None:
        """As `fail`, of a response that was cut short if its head is here already."""
        self.fail(head_fault if self.body is None else Fault.TRUNCATED)

    def _fail(self, error: UpstreamError) -> None:
        self._deadline.drop()
        if self.body is not None:
            self.body.end(error)
        if not self.arrived.done():
            self.arrived.set_exception(error)
            self.arrived.exception()  # marks it seen, should its waiter be cancelled meanwhile
        self._stop_sending()

    def _stop_sending(self) -> None:
        if isinstance(self.upload, TunnelUpload):
            self.upload.close()  # who waits to write is told
        sending, self._sending = self._sending, None
        if sending is not None and sending is not asyncio.current_task(self._line.loop):
            sending.cancel()

    def _late(self) -> None:
        if self._hung_up:
            self._line.reset(self, ErrorCode.CANCEL)
            return
        self.fail(Fault.RESPONSE_TIMEOUT)
        self._line.reset(self, ErrorCode.CANCEL)
        self._line.late()
