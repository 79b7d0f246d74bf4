"""HTTP/3 towards viewers: nothing outside this package reads or writes QUIC (RFC 9000, 9114, 9204).

- `port`: one UDP socket of a location: which connection a datagram is for
- `connection_ids`: ids that say, to ours alone, which process has a connection
- `datagram_relay`: datagrams for connections of another process of the location
- `retry_tokens`: addresses that have shown they can be reached
- `session_tickets`: what viewers resume TLS with, and of which hellos early data is taken
- `quic`: what of the library's connection is ours: ids, windows, certificates by name
- `connection`: one viewer's connection: events in, streams, deadlines, its end
- `stream_receiver`: what each stream's bytes do; `request_start`: a header list becomes a request
- `frames`: frames out of a stream's bytes, and their forms
- `field_section`: QPACK without a dynamic table
- `stream`: one request and its response; what it is towards the response writer

A stream's request becomes the same `Request` as one of HTTP/1.1, by the same reader, or is refused.
`aioquic` is imported here alone, and only where a location speaks HTTP/3 (extra `http3`).
"""
