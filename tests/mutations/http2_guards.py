"""The guards of HTTP/2: what a viewer may send, how much of it, and what is given again."""

from __future__ import annotations

from tests.mutations.guard import Guard

CONNECTION = "tests/server/http2/test_connection.py"
STREAMS = "tests/server/http2/test_connection_streams.py"
BLOCKS = "tests/http/http2/test_header_decoder.py"
KNOWN = "tests/server/http2/test_head_cache.py"
RECEIVER = "server/http2/frame_receiver.py"
CACHE = "server/http2/head_cache.py"
HEAD = "server/http2/request_head.py"

HTTP2_GUARDS = (
    Guard(
        "no more is taken than a window lets come",
        "http/http2/frames.py",
        "return self.left >= 0",
        "return True",
        "test_an_error_of_the_connection",
        CONNECTION,
    ),
    Guard(
        "no more is sent than a stream's window lets",
        "server/http2/stream.py",
        "size = max(0, min(self._unsent.size, self.window, bytes_max))",
        "size = max(0, min(self._unsent.size, bytes_max))",
        "test_no_more_is_given_",
        KNOWN,
    ),
    Guard(
        "streams at once are bounded",
        RECEIVER,
        ">= connection.listener.limits.concurrent_streams_max:  # §5.1.2",
        ">= 1_000_000:",
        "test_one_stream_too_many_",
        STREAMS,
    ),
    Guard(
        "requests given up are bounded",
        RECEIVER,
        "        self._allowances.resets.use(now)\n        stream.remote_closed = True",
        "        stream.remote_closed = True",
        "test_requests_given_up_",
        STREAMS,
    ),
    Guard(
        "resets that a viewer makes us send are bounded",
        RECEIVER,
        "        self._allowances.resets.use(now)\n        stream = self.connection",
        "        stream = self.connection",
        "test_resets_that_we_are_made_to_send_",
        STREAMS,
    ),
    Guard(
        "a header block ends",
        "http/http2/header_decoder.py",
        "if self._count > CONTINUATIONS_MAX or self._size > self._bytes_max:",
        "if False:",
        "test_continuations_without_end",
        BLOCKS,
    ),
    Guard(
        "nothing comes between the parts of a header block",
        RECEIVER,
        "if self.blocks.stream_id and frame.kind != frames.CONTINUATION:  # §4.3",
        "if False:",
        "test_an_error_of_the_connection",
        CONNECTION,
    ),
    Guard(
        "a pseudo-field is known, and comes once",
        HEAD,
        "if name in pseudo or name not in PSEUDO:",
        "if False:",
        "test_an_error_of_a_stream",
        CONNECTION,
    ),
    Guard(
        "a Host is what :authority says",
        HEAD,
        "if named or (host is not None and host.lower() != value.lower()):  # §8.3.1",
        "if named:",
        "test_an_error_of_a_stream",
        CONNECTION,
    ),
    Guard(
        "a field of one connection is refused",
        HEAD,
        "if not name or name in CONNECTION_SPECIFIC:",
        "if not name:",
        "test_an_error_of_a_stream",
        CONNECTION,
    ),
    Guard(
        "a name in upper case is refused",
        HEAD,
        "if names != names.lower():",
        "if False:",
        "test_an_error_of_a_stream",
        CONNECTION,
    ),
    Guard(
        "a block is known by the table it builds on",
        CACHE,
        "known = self._known.get((received.blocks.table, prefix, held[after:end]))",
        'known = self._known.get((b"", prefix, held[after:end]))',
        "test_the_same_bytes_on_another_table_",
        KNOWN,
        (
            (
                CACHE,
                "key = (listed.table, block[:place], block[after:])",
                'key = (b"", block[:place], block[after:])',
            ),
        ),
    ),
    Guard(
        "a block that changes the table is not known by its bytes",
        "http/http2/header_decoder.py",
        'block = content if self.table is former else b""',
        "block = content",
        "test_a_block_that_changes_the_table_",
        BLOCKS,
    ),
    Guard(
        "the lease of what HTTP/2 gives again is judged",
        "server/http1/head_cache.py",
        "and (entry.mark == marks.last or marks.stands(entry))",
        "",
        "test_what_was_invalidated_",
        KNOWN,
    ),
    Guard(
        "what is given again is within the windows",
        CACHE,
        "if len(body) > room or writer.paused:",
        "if False:",
        "test_no_more_is_given_",
        KNOWN,
    ),
    Guard(
        "what is given again is for a new stream of the viewer's",
        CACHE,
        "if not (last_id < stream_id <= last_taken and stream_id & 1):",
        "if False:",
        "test_a_stream_that_was_",
        KNOWN,
    ),
    Guard(
        "what a trusted proxy asked is not given to who sends the same block",
        CACHE,
        "if fields.session is not session or fields.trusted is not trusted:",
        "if fields.session is not session:",
        "test_the_block_of_a_trusted_proxy_",
        KNOWN,
    ),
    Guard(
        "a request with a body is not answered by its block",
        CACHE,
        "_WHOLE = END_STREAM | END_HEADERS",
        "_WHOLE = END_HEADERS",
        "test_a_request_with_a_body_",
        KNOWN,
    ),
)
