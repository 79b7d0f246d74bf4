"""Run under libcachesim's own Python: what published policies miss on a trace.

Arguments: a trace in libCacheSim's format `oracleGeneral`, then sizes in bytes. On standard output,
JSON: by size and policy, the shares missed of requests and of bytes.
"""

from __future__ import annotations

import json
import sys

import libcachesim

POLICIES = ("LRU", "S3FIFO", "Sieve", "WTinyLFU", "GDSF", "Belady")
HASH_POWER = 18  # its default, 24, clears 128 MiB for each policy


def missed(path: str, policy: str, size: int) -> tuple[float, float]:
    """Shares of requests and bytes."""
    reader = libcachesim.TraceReader(
        path,
        libcachesim.TraceType.ORACLE_GENERAL_TRACE,
        libcachesim.ReaderInitParam(ignore_obj_size=False),
    )
    cache = getattr(libcachesim, policy)(size, hashpower=HASH_POWER)
    requests, octets = cache.process_trace(reader)
    return float(requests), float(octets)


def main() -> None:
    """Replay for every size and policy."""
    path, sizes = sys.argv[1], [int(size) for size in sys.argv[2:]]
    told = {size: {policy: missed(path, policy, size) for policy in POLICIES} for size in sizes}
    print(json.dumps(told))


if __name__ == "__main__":
    main()
