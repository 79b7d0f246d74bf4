"""The viewer protocol under Uvicorn. Law: one request at a time, answered in the order it came.

Bytes are recalled from the memo or read strictly, decided, and written; what must be awaited runs
as one task while reading of the next request is held. Deadlines are absolute and checked by one
sweep a second for all connections, so that the path of a hit arms no timer.
"""

from __future__ import annotations

import asyncio
import re
from typing import Any, cast

from msgspec.structs import replace

from edgecache.http.bad_message import BadMessage
from edgecache.http.head import oversize
from edgecache.http.message import Request
from edgecache.observe.access_log import escaped
from edgecache.rules.viewer_headers import depends_on_viewer
from edgecache.server.answering import Answer, Leased
from edgecache.server.delivery import Delivery, stays
from edgecache.server.listener import OVERDUE, SHED, Listener
from edgecache.server.outgoing import Outgoing
from edgecache.server.request_body import BYTES_PER_S_MIN, RequestBody, invitation
from edgecache.server.telling import NOTHING_ASKED, Asked, Told
from edgecache.server.tls import MISDIRECTED, Session
from edgecache.server.websocket import IDLE_S_MAX, SentBytes
from edgecache.tier.answer import Errand, Found, Refusal
from edgecache.upstream.tunnel import TUNNEL_BYTES_MAX

HELD_BYTES_MAX = 65_536  # of pipelined requests read ahead, as Uvicorn's HIGH_WATER_LIMIT
_BARE = re.compile(rb"(?<!\r)\n|\r(?!\n|\Z)")


class Connection(asyncio.Protocol):
    """One viewer socket."""

    def __init__(
        self,
        config: Any,
        server_state: Any,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        self.listener = cast(Listener, config.loaded_app.listener)
        self.loop = _loop or asyncio.get_event_loop()
        self.transport: asyncio.Transport = cast(asyncio.Transport, None)
        self.outgoing: Outgoing = cast(Outgoing, None)
        self.client: tuple[str, int] = ("", 0)
        self.address = self.port = b""  # the same, as the log has them
        self.session: Session | None = None
        self.deadline = 0.0
        self.closing = False
        self.began = 0.0  # when the first byte of the current request came
        self._state = server_state
        self._held = b""  # read, and not yet served
        self._body: RequestBody | None = None  # arriving
        self._task: asyncio.Task[None] | None = None
        self._reading = True
        self._unsent_bytes = -1  # at the last look; -1: there was none
        self._tunneled = False

    # What the event loop calls.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)
        account = self.listener.account
        self.outgoing = Outgoing(self.transport, account, encrypts=self.listener.tls is not None)
        peer = transport.get_extra_info("peername")
        self.client = (peer[0], peer[1]) if isinstance(peer, tuple) and peer else ("", 0)
        self.address, self.port = escaped(self.client[0]), b"%d" % self.client[1]
        listener = self.listener
        self._state.connections.add(self)
        listener.connections.add(self)
        self.deadline = listener.clock() + listener.limits.head_s_max
        if listener.tls is not None:
            self.session = listener.tls.session(transport.get_extra_info("ssl_object"))
            if self.session.refused:
                self.closing = True
                self.transport.close()
                return
        if not listener.has_room(self):
            self.refuse(SHED, NOTHING_ASKED, listener.clock())

    def connection_lost(self, exc: Exception | None) -> None:
        self._state.connections.discard(self)
        self.listener.connections.discard(self)
        self.closing = True
        if self._body is not None:
            self._body.abort()
        if self._task is not None:
            self._task.cancel()
        self.outgoing.lost()

    def eof_received(self) -> bool:
        """A viewer that half-closes still gets the answer it waits for."""
        if self._body is not None and not self._body.done:
            self._body.abort()
        self.closing = self.closing or self._task is None
        return self._task is not None and self.session is None  # TLS has no half-close

    def data_received(self, data: bytes) -> None:
        if self._body is not None:
            self._feed_body(data)
            return
        if self.closing:
            return  # what follows the last request is not executed
        if self._task is not None or self.outgoing.paused:
            self._hold(self._held + data)
            return
        now = self.listener.clock()
        if not self._held:
            memo = self.listener.memo
            if memo is not None and self.listener.repeated(self, memo, data, now):
                return
            self.began = now
        self._serve(self._held + data, now)

    def pause_writing(self) -> None:
        self._unsent_bytes = self.outgoing.pause()
        self.deadline = self.listener.clock() + self.listener.limits.write_idle_s_max

    def resume_writing(self) -> None:
        self._unsent_bytes = -1
        if not self.outgoing.resumed() or self._task is not None:
            return
        if self.closing:
            self.transport.close()
        else:
            self.rest()

    # What Uvicorn calls.

    def shutdown(self) -> None:
        """Finish the request under way, if there is one, then close."""
        self.closing = True
        if self._tunneled and self._task is not None:
            self._task.cancel()  # it has no end to wait for
        elif self._task is None and not self.outgoing.paused:
            self.transport.close()

    # What the listener's sweep calls.

    def check_deadline(self, now: float) -> None:
        """Close a connection that is overdue."""
        if now < self.deadline:
            return
        if self.outgoing.paused or self.transport.is_closing():
            before, unsent = self._unsent_bytes, self.transport.get_write_buffer_size()
            idle_s = self.listener.limits.write_idle_s_max
            if unsent and 0 <= before < unsent + idle_s * BYTES_PER_S_MIN:
                self.transport.abort()
            self._unsent_bytes, self.deadline = unsent, now + idle_s
        elif self._tunneled:
            self.transport.abort()
        elif self._body is not None and not self._body.done:
            self.deadline = self._body.overdue(now, self.listener.limits.body_idle_s_max)
        elif self._task is None:
            if self._held:
                self.refuse(OVERDUE, NOTHING_ASKED, now)
            self.transport.close()

    # Serving.

    def _serve(self, data: bytes, now: float) -> None:
        """Serve the requests in `data` until one must wait, or what is left is not a whole head."""
        while data and self._task is None and not self.closing and not self.outgoing.paused:
            start = 2 if data.startswith(b"\r\n") else 0  # RFC 9112 §2.2: one empty line is skipped
            end = data.find(b"\r\n\r\n", start) + 4
            if end == 3 or end > self.listener.limits.head_bytes_max + start:
                self._expect_more(data[start:], now)
                break
            data = self._begin(data[start:end], data[end:], now)
        self._hold(data)

    def _expect_more(self, start: bytes, now: float) -> None:
        """A head that is not whole: refuse what can no longer become good, else wait for more."""
        limits = self.listener.head_limits
        if len(start) > limits.head_bytes_max:
            self._refuse_message(oversize(start, limits), now)
        elif _BARE.search(start) or start.startswith(b"\r\n"):
            self.refuse(Refusal(400, "Bad request.", "InvalidRequest", True), NOTHING_ASKED, now)
        elif not self._held:
            self.deadline = now + self.listener.limits.head_s_max

    def _begin(self, head: bytes, rest: bytes, now: float) -> bytes:
        """One request: decide, and answer or set off. Gives what comes after it."""
        listener = self.listener
        try:
            request = listener.read(head, listener.head_limits, listener.scheme, self.client)
        except BadMessage as bad:
            self._refuse_message(bad, now)
            return b""
        if b"Edgecache-Explain" in head and (told := listener.explained(request, now)):
            self.outgoing.write(told, b"")
            self.transport.close()
            return b""
        asked = Asked.by(request, listener.site_name(request.host), len(head), self.session)
        concluded = self._decide(request, now)
        if isinstance(concluded, Errand):
            self.deadline = now + listener.limits.body_idle_s_max
            return self._set_off(concluded, request, asked, rest)
        if isinstance(concluded, Refusal):
            self.refuse(concluded, asked, now, close=request.has_body or not stays(request))
            return rest
        answer = listener.answer(concluded, request, now)
        if listener.handing_over or not stays(request) or request.minor == 0:
            Delivery(self, request, asked).send_answer(answer, now)
            return rest
        if concluded.until and not request.has_body and not depends_on_viewer(concluded.route):
            listener.remember(self, head, request, asked, Leased(answer, concluded.until))
        self._write_answer(answer, asked, request.id, now)
        return rest

    def _decide(self, request: Request, now: float) -> Found | Errand | Refusal:
        """What the front concludes, if the certificate of the connection is for the site."""
        session = self.session
        if session is None:
            return self.listener.front.decide(request, now)
        if request.host and not session.covers(request.host):
            return MISDIRECTED
        return self.listener.front.decide(replace(request, tls=session.told), now)

    def _write_answer(self, answer: Answer, asked: Asked, request_id: bytes, now: float) -> None:
        """The whole of a hit: bytes out, and told."""
        listener = self.listener
        head, body = answer.head(now), answer.body
        if answer.has_id:
            request_id = answer.own_id or listener.ids.next()
            head = b"%b%b\r\n\r\n" % (head, request_id)
        self.deadline = now + listener.limits.idle_s_max
        self.outgoing.write(head, body)
        told = Told(answer.status, answer.result, len(head) + len(body), answer.fields)
        listener.teller.tell(asked, told, self.client, request_id, now, now - self.began)
        self.began = now

    def _set_off(self, errand: Errand, request: Request, asked: Asked, rest: bytes) -> bytes:
        """Run an errand; the next request is not read before this one is answered."""
        body = None
        if request.has_body:
            limits, invite = self.listener.head_limits, invitation(request, self.transport)
            body = self._body = RequestBody(
                request.length, limits, invite, self._resume_reading, self.listener.account
            )
        delivery = Delivery(self, request, asked)
        self._task = self.loop.create_task(delivery.run(errand, body))
        self._state.tasks.add(self._task)
        self._task.add_done_callback(self._task_done)
        if body is None:
            return rest
        self._held = b""
        self._feed_body(rest)
        return self._held

    def _feed_body(self, data: bytes) -> None:
        body = self._body
        assert body is not None
        try:
            rest = body.feed(data)
        except BadMessage:
            self.closing = True  # the errand is told by the body, and answers
            self._body = None
            return
        limits = self.listener.limits
        idle_s = IDLE_S_MAX if self._tunneled else limits.body_idle_s_max
        self.deadline = body.due(self.listener.clock(), len(data), idle_s)
        bytes_max = TUNNEL_BYTES_MAX if self._tunneled else limits.buffer_bytes_max
        if body.done:
            self._body = None
            self._hold(rest)
        elif body.waiting_bytes > bytes_max and self._reading:
            self._reading = False
            self.transport.pause_reading()

    def _resume_reading(self) -> None:
        body = self._body
        if not self._reading and (body is None or body.waiting_bytes == 0) and not self.closing:
            self._reading = True
            self.transport.resume_reading()

    def _hold(self, data: bytes) -> None:
        self._held = data
        if len(data) > HELD_BYTES_MAX and self._reading and not self.closing:
            self._reading = False
            self.transport.pause_reading()

    def _task_done(self, task: asyncio.Task[None]) -> None:
        self._state.tasks.discard(task)
        self._task = None
        if self._body is not None:  # answered before it was read: RFC 9112 §9.3
            self._body.close()
            self._body = None
            self.closing = True
        if self.closing:
            self.outgoing.close()
        else:
            self.rest()

    def rest(self) -> None:
        """Between two requests: serve what is held, else wait for more."""
        now = self.listener.clock()
        self.deadline = now + self.listener.limits.idle_s_max
        self.began = now
        held, self._held = self._held, b""
        if held:
            self._serve(held, now)
        if len(self._held) <= HELD_BYTES_MAX:
            self._resume_reading()

    def become_tunnel(self) -> SentBytes:
        """What the viewer sends is never a request again."""
        listener = self.listener
        sent = SentBytes(listener.head_limits, self._resume_reading, listener.account)
        self._body = sent
        self._tunneled = True
        held, self._held = self._held, b""
        self._feed_body(held)
        return sent

    @property
    def at_rest(self) -> bool:
        """Nothing is asked and nothing is owed."""
        return not (self._task or self._body or self._held or self.outgoing.paused or self.closing)

    @property
    def held_bytes(self) -> int:
        """Of requests that were read ahead."""
        return len(self._held)

    @property
    def unread_body(self) -> bool:
        """A request body is still arriving: what follows it cannot be told from it."""
        return self._body is not None

    def refuse(self, refusal: Refusal, asked: Asked, now: float, *, close: bool = False) -> None:
        """Answer with our own page."""
        self.closing = self.closing or close or refusal.close
        Delivery(self, None, asked).send_refusal(refusal, now)

    def _refuse_message(self, bad: BadMessage, now: float) -> None:
        self.refuse(Refusal(bad.status, "Bad request.", "InvalidRequest", True), NOTHING_ASKED, now)
