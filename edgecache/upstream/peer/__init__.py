"""Another tier of ours, in another process, as an upstream.

- `peer`: asks a regional cache, or the origin when it cannot be reached
- `regional_tier`: of several regional caches the one an object lives at, or the next
- `origin_shield`: the regional cache before an origin, asked by the others
- `heads`: heads and `Edgecache-*` fields between tiers
- `liveness`: ping of a peer that is late
"""
