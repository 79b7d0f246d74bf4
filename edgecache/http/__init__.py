"""HTTP messages as values, and strict readers for every field this CDN acts upon.

Pure: no clock, no IO, no randomness, no `async`. Everything here is bytes in, values out; `now` is
an argument where a rule needs it. Names of fields are lower case, values as received without the
white space around them. Imports nothing of ours.

- `message`: requests, responses, their fields (ordered pairs of name and value), refused messages
- `head`: heads of requests and responses, read and written; `target`: request targets and paths
- `framing`: where a body ends; `ranges`: byte ranges, a *span* being the first and last byte
- `cache_control`, `structured_fields`: directives; `conditional`: entity tags and preconditions
- `content_coding`, `dates`, `forwarded_for`: Accept-Encoding, HTTP-dates, X-Forwarded-For, CDN-Loop
- `trace_context`: traceparent and tracestate (W3C)
- `proxy_protocol`: the header before HTTP by which a balancer names the viewer of a connection
- `http2/`: frames and header blocks of HTTP/2
- `function_cache`: results remembered by their arguments, and the bytes they may take
"""
