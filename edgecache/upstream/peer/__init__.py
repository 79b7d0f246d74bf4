"""Another tier of ours, in another process, as an upstream.

- `peer`: asks the regional cache, or the origin when it cannot be reached
- `heads`: heads and `Edgecache-*` fields between tiers
- `liveness`: ping of a peer that is late
"""
