"""Rows of the list that the harness does not play, each with its reason: told, not hidden."""

from __future__ import annotations

ELSEWHERE = "not played here; tests near it"
NOT_YET = "not shown yet"

NOT_COVERED: list[tuple[str, str]] = [
    ("F48", "every message above, a byte at a time and cut at every offset"),
    ("C12", f"overhead for each body byte is bounded (C11); CPU with 10 M chunks {NOT_YET}"),
    ("T23", f"{ELSEWHERE}: `tests/server/test_tls_connection.py`, `tests/end_to_end/test_tls.py`"),
    ("T30", f"our own edge as origin, and A to B to A: {NOT_YET}; the count in CDN-Loop is"),
    ("P23", "covered by P01 and P12, as the list says"),
    ("K01, K04, K08", f"{ELSEWHERE}: `tests/rules/caching/test_key.py`, `tests/plays/`"),
    ("R02", f"{ELSEWHERE}: `tests/plays/test_large_objects.py`, `python -m benchmarks.large`"),
    ("R09, R14, R15, R16", f"{ELSEWHERE}: `tests/plays/` (compression, ranges, parts)"),
    ("N01", f"the edge never decompresses; memory {NOT_YET}"),
    ("N08", f"{ELSEWHERE}: `tests/origin/test_folder.py`, `tests/origin/test_bucket.py`"),
    ("N10", "there is no upload of bundles"),
    ("O13, O20, O26, O27", f"{ELSEWHERE} at the pool: `tests/upstream/`"),
    ("O25", f"{ELSEWHERE}: `tests/end_to_end/test_streaming.py`, `test_large_bodies.py`"),
    (
        "Z01",
        f"{ELSEWHERE}: before each operation of the disk's, and 500 times kill -9, `tests/store/`; "
        "invalidations, `tests/end_to_end/test_control_killed.py`",
    ),
    (
        "Z06, Z09, Z11, Z14, Z15",
        f"{ELSEWHERE}, with real processes: `tests/end_to_end/test_faults.py`, `test_life.py`, "
        "`tests/soak/`",
    ),
    (
        "X13, X19 and what comes after",
        "with real processes: `tests/hostile/test_process.py`, `tests/end_to_end/test_overload.py`",
    ),
    ("S16", "RSA keys with an exponent of 3 are refused when they are read"),
    ("S17", f"the time of comparisons {NOT_YET}: public keys verify, tokens use compare_digest"),
    ("S21", f"{ELSEWHERE}, a download under way: `tests/end_to_end/test_signed.py`"),
    ("M01-M15", f"{ELSEWHERE}: `tests/control/`"),
    (
        "O7 of the oracle",
        "a probe's latency is printed for slowhttptest's modes (`tests/hostile/test_slow.py`), for "
        "every message over sockets (`test_process.py`), for overloads and faults "
        "(`tests/end_to_end/`); not for each row apart",
    ),
]
