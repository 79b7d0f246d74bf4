"""HTTP/2 as both its sides have it: frames and header blocks, read and written (RFC 9113).

- `frames`: frames out of arriving bytes, their forms, a peer's settings, our windows
- `header_block`, `header_decoder`: HPACK (RFC 7541), written as literals, read by a library
- `abuse`: what a peer may ask for that costs it nothing

Viewers' connections stand in `server/http2`, origins' in `upstream/http2`. Imports `http` alone.
"""
