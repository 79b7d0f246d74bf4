"""Viewers: listeners, TLS, and the way of a response to whoever asked; the HTTP versions below it.

- `listener`: one address, the frontend behind it, and what its connections share
- `tls`: certificates by name, what a handshake settled
- `certificates`, `dev_certificate`: read from files, or made by a CA for development
- `accepted_socket`: a connection from its accept until it is a viewer's: PROXY header, TLS
- `connection_table`: open connections, bounded in all and per client
- `stream`: the seam: what each version of HTTP offers a response
- `response_writer`: one request's outcome to a stream, logged once
- `error_response`: the pages we make ourselves
- `request_body`: what a viewer sends, on its way upstream
- `websocket`: the relay after a WebSocket's handshake, and a handshake of our own
- `output_buffer`: bytes on their way to one viewer, no more than it takes
- `stream_owner`, `multiplexed_stream`: what HTTP/2 and HTTP/3 do alike with streams
- `unsent_pieces`: what waits on one of many streams for a window or its turn
- `request_log`: counters, the line of the access log
- `request_tracing`: ids and traces of requests, from chance
- `connection_choice`: which version of HTTP a connection speaks
- `http1`, `http2`, `http3`: the versions

May import everything below it, and never `control`.
"""
