"""HTTP/2 towards origins: many requests on a connection, as a client of it (RFC 9113).

- `heads`: a request's head as a header block, a header list as a response's head
- `stream`: one request and its response, its windows and its deadline, or a WebSocket's tunnel
- `connection`: frames in, streams, the connection's end; `frame_sender`: frames out, by windows
- `multiplexed_pool`: connections by endpoint, who waits for room on one

What an origin sends becomes the same `Response` as one of HTTP/1.1, by the same reader, or fails
with the same faults. Frames and header blocks stand in `http/http2`.
"""
