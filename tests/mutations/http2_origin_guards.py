"""The guards of HTTP/2 to origins, and of what comes early by HTTP/3."""

from __future__ import annotations

from tests.mutations.guard import Guard

CONNECTION = "tests/upstream/http2/test_connection.py"
STREAM = "tests/upstream/http2/test_stream.py"
POOL = "tests/upstream/http2/test_multiplexed_pool.py"
TUNNEL = "tests/upstream/http2/test_stream_tunnel.py"
EARLY = "tests/server/http3/test_request_start_early.py"

HTTP2_ORIGIN_GUARDS = (
    Guard(
        "nothing is asked of who has not agreed on HTTP/2",
        "upstream/http2/connection.py",
        'if secured is not None and secured.selected_alpn_protocol() != "h2":',
        "if False:",
        "test_without_h2_agreed_",
        CONNECTION,
    ),
    Guard(
        "PINGs of an origin are counted",
        "upstream/http2/connection.py",
        "        self._allowances.idle_frames.use(now)\n        if not frame.flags & ACK:",
        "        if not frame.flags & ACK:",
        "test_what_an_origin_may_not_say",
        CONNECTION,
    ),
    Guard(
        "a field of one connection is refused of an origin",
        "upstream/http2/heads.py",
        "or name != name.lower() or name in OF_ONE_CONNECTION",
        "or name != name.lower()",
        "test_what_an_origin_may_not_say",
        CONNECTION,
    ),
    Guard(
        "a body is no longer than it said",
        "upstream/http2/stream.py",
        "            if self._left < 0:",
        "            if False:",
        "test_what_an_origin_may_not_say",
        CONNECTION,
    ),
    Guard(
        "no more is let come than is read",
        "upstream/http2/stream.py",
        "if self._paused or self.remote_closed or self.gone:",
        "if self.remote_closed or self.gone:",
        "test_a_large_body_comes_",
        STREAM,
    ),
    Guard(
        "who leaves resets its stream",
        "upstream/http2/stream.py",
        "        if not self.gone:\n            self._line.reset(self, ErrorCode.CANCEL)\n",
        "",
        "test_who_leaves_a_call_",
        STREAM,
    ),
    Guard(
        "what may have been done is not asked again",
        "upstream/http2/multiplexed_pool.py",
        "if error.fault is not Fault.CLOSED or (error.sent and not idle_close):",
        "if error.fault is not Fault.CLOSED:",
        "test_what_it_refuses_",
        POOL,
    ),
    Guard(
        "a tunnel is asked of who has announced it",
        "upstream/http2/connection.py",
        "if outgoing.upgrade and not self.sender.settings.tunnels:  # RFC 8441 §3",
        "if False:",
        "test_who_has_not_announced_",
        TUNNEL,
    ),
    Guard(
        "an early request that may change something is refused",
        "server/http3/request_start.py",
        'safe = request.method in (b"GET", b"HEAD") and request.query is None',
        "safe = True",
        "test_what_may_change_something_",
        EARLY,
    ),
    Guard(
        "no origin is asked for what came early",
        "server/http3/connection.py",
        "        if self.is_validated:\n            super().run(stream, work)",
        "        if True:\n            super().run(stream, work)",
        "test_an_origin_is_asked_once_",
        EARLY,
    ),
    Guard(
        "a hello's early data is taken once",
        "server/http3/session_tickets.py",
        "if binder in self._hellos or len(self._hellos) >= HELLOS_MAX:",
        "if False:",
        "test_what_is_said_again_",
        EARLY,
    ),
)
