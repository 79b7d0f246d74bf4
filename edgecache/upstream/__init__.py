"""Upstreams: origins and other tiers, how they are reached and asked.

- `interface`: what an upstream is, its replies and bodies; `faults`: why there is none
- `origin`: an origin as an upstream: attempts, guard, completion timeout
- `origin_group`: origin groups as an upstream
- `origin_request`: the request to an origin: Host, Via, X-Forwarded-For, custom headers
- `origin_auth`: identity, Signature Version 4 and secret headers towards origins
- `origin_guard`, `circuit_breaker`: a circuit and a retry budget for each origin
- `origin_counters`: answers, times, faults, connections and circuits by origin
- `pool`: connections kept for reuse; `slow_share` bounds what slow ones may hold of it
- `connection`, `exchange`: one HTTP/1.1 connection, one request on it
- `http2/`: connections of many requests, for origins asked by HTTP/2
- `request_body`, `response`, `tunnel`: bytes out, bytes in, both ways after 101
- `endpoint`, `happy_eyeballs`, `resolver`: opening connections to addresses of names
- `peer/`: another tier of ours in another process

Words: *reach* (where an origin may lead), *guard* (when one is left alone). May import `origin`,
`rules`, `runtime`, `config`, `http` and `observe`.
"""
