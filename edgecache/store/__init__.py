"""Stored responses: in memory, on disk, in a reserve; what leaves, and what invalidations leave.

- `entry`: a stored response as received, its head packed; never verdicts
- `memory`: `MemoryStore` within a budget of bytes, `TieredStore` over a disk
- `invalidation`: marks of a process, and `FilteredStore`, through which tiers read and write
- `eviction`: S3-FIFO told apart by size, and the wheel of expiry times
- `s3fifo_queues`: queues of residents by size, and ghosts
- `memory_account`: what a process holds beside its store, and how `memory_bytes` is divided
- `disk/`: the disk store
- `key_values`: key value stores in memory, as functions read them
- `reserve/`: entries in an S3-compatible store, asked after memory and disk

Words: *variant* (one of several entries under one key), *mark* (the newest invalidation an entry is
known to be newer than), *resident* (an entry as eviction sees it), *trial* and *main* (where
residents wait to leave), *ghost* (the hash of one that left its trial), *warm* (with its head and
what was concluded from it at hand). May import `upstream`, `rules`, `config`, `http` and `observe`.
"""
