"""HTTP/2 towards viewers: connections, streams, what goes out when (RFC 9113).

- `connection`: one viewer's connection: frames in, streams, deadlines, its end
- `frame_receiver`: what each frame does; `request_start`: a header list becomes a request
- `request_head`: a header list as the head of HTTP/1.1 that asks for the same
- `request_body`: what a stream's viewer sends, with its window
- `stream`: one request and its response; what it is towards the response writer
- `tunnel`: a stream as the viewer's end of a WebSocket (RFC 8441)
- `frame_writer`: what waits to be sent, by windows and priorities
- `rendered_hit`: a stored entry as header block and DATA
- `head_cache`: hits by the header block that asks for them, and those that functions have seen
- `priority`: urgency and increments of responses (RFC 9218)

Frames and header blocks stand in `http/http2`. A stream's request becomes the same `Request` as one
of HTTP/1.1, by the same reader, or is refused.
"""
