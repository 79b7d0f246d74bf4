"""Reserve: entries in an S3-compatible store, behind memory and disk and before the origin.

- `store`: `ReserveStore`: what is admitted, looked up, written after the answer and removed
- `upload_queue`: writes and removals that wait, bounded in bytes and in number
- `sealed_object`: an entry and its body as one object, sealed; names of objects
- `bucket`: GET, PUT and DELETE of objects, signed, over the pool of upstreams

Words: *seal* (a keyed digest, which only who holds the key pair can make), *generation* (drawn with
each list of variants: what was written under a former one is not found any more).
"""
