"""HTTP/1.1 towards viewers: nothing outside this package writes its bytes (RFC 9112).

- `connection`: Uvicorn's protocol class: reads requests, decides, answers
- `interface`: that connection, as the other modules see it
- `head_reader`: heads out of arriving bytes
- `stream`: a response's framing, and whether the connection stays
- `rendered_hit`: a stored entry as bytes for the wire
- `head_cache`, `head_cache_peer`: hits by the raw head that asks for them, for viewers and tiers
- `head_cache_functions`: hits that functions have seen, which run for each
- `head_cache_fields`: which fields of a request are part of its key, and which heads are kept
"""
