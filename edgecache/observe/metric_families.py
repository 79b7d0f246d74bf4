"""Metric families: name, labels and meaning of what processes count and control shows.

A process has a figure under its key here, in `Counters` and in samples; a scrape has it as
`edgecache_` and the family's name. All have the labels `tier` and `location` before their own.

To count by a name that operators chose (a limit, an access list, an origin): add a line to
LABELED_COUNTERS or LABELED_GAUGES, and where it happens

    counters.labeled["rate_limited"].labels(limit.name).value += 1

The first 100 names that a process meets have series of their own, the rest is `other`
(`labeled_series.py`); what happens often keeps what `labels` gave. Words of ours alone, without
anybody's name, are WORDS: `counters.misses[why] += 1`. Then make the page again:
`python -m tests.metrics_page > docs/metrics.md`.
"""

from __future__ import annotations

from typing import NamedTuple


class ProcessFamily(NamedTuple):
    """A metric of each process apart: its whole name, kind, and what its figure is divided by."""

    metric: str
    help: str
    is_counter: bool = False
    per_unit: int = 1


class Family(NamedTuple):
    """A metric of processes: its name in a scrape without prefix and suffix, and its labels."""

    metric: str
    help: str
    labels: tuple[str, ...] = ()


DISTRIBUTIONS = {
    "distribution_requests": Family(
        "requests",
        "Requests answered, by the id of their distribution and by result.",
        ("distribution", "result"),
    ),
    "distribution_bytes_out": Family(
        "bytes_out", "Bytes sent to viewers, heads included.", ("distribution", "result")
    ),
    "distribution_bytes_in": Family(
        "bytes_in", "Bytes received from viewers, heads included.", ("distribution",)
    ),
    "distribution_statuses": Family(
        "responses", "Responses to viewers, by status class.", ("distribution", "status_class")
    ),
}
DISTRIBUTION_HISTOGRAMS = {
    "distribution_time_taken": Family(
        "time_taken_seconds",
        "From a request's first byte to its response's last.",
        ("distribution", "result"),
    ),
}
TOTALS = {
    "upstream_requests": Family("upstream_requests", "Requests sent upstream."),
    "failovers": Family("failovers", "Requests sent to another member of an origin group."),
    "collapsed": Family("collapsed", "Requests that waited for another's flight."),
    "stored": Family("stored", "Responses stored."),
    "evicted": Family("evicted", "Entries removed to stay within the budget."),
    "disk_hits": Family("disk_hits", "Entries found on disk that were not in memory."),
    "disk_evicted": Family("disk_evicted", "Entries removed from disk to stay within its budget."),
    "disk_dropped": Family(
        "disk_dropped", "Entries not written to disk: too many waited, or it was failing."
    ),
    "disk_bad": Family("disk_bad", "Entries found torn or decayed on disk, or without their file."),
    "disk_failures": Family("disk_failures", "Failures of the disk."),
    "reserve_hits": Family("reserve_hits", "Entries found in the reserve, and nowhere before it."),
    "reserve_misses": Family("reserve_misses", "Entries looked for in the reserve and not found."),
    "reserve_stored": Family("reserve_stored", "Entries written to the reserve."),
    "reserve_dropped": Family(
        "reserve_dropped",
        "Entries not written to the reserve: too many bytes waited, or it was failing.",
    ),
    "reserve_failures": Family("reserve_failures", "Requests to the reserve that failed."),
    "log_lines_lost": Family(
        "log_lines_lost",
        "Lines for distributions' buckets that found no room in the spool, or a failing disk.",
    ),
    "http2_requests": Family("http2_requests", "Requests of viewers by HTTP/2."),
    "http3_requests": Family("http3_requests", "Requests of viewers by HTTP/3."),
    "http3_retries": Family(
        "http3_retries", "Viewers of HTTP/3 that were to show that they can be reached."
    ),
    "http3_early_requests": Family(
        "http3_early_requests", "Requests by HTTP/3 that came before their handshake was complete."
    ),
    "log_dropped": Family(
        "log_dropped", "Access log records that found the queue full or the disk failing."
    ),
    "spans_sent": Family("spans_sent", "Spans that the collector has taken."),
    "spans_lost": Family(
        "spans_lost",
        "Spans that the collector did not take, that found no room, or that were too many at once.",
    ),
}
WORDS = {
    "misses": Family("misses", "Requests not answered from the store, by reason.", ("reason",)),
    "reserve_rejected": Family(
        "reserve_rejected",
        "Objects in the reserve that were not used: not ours, not whole or not valid any more.",
        ("reason",),
    ),
    "removals": Family("removals", "Entries that left the store, by reason.", ("reason",)),
    "refused_credentials": Family(
        "refused_credentials",
        "Requests in the name of a process of ours, refused.",
        ("reason",),
    ),
    "http2_ends": Family(
        "http2_connections_ended", "HTTP/2 connections that we have ended, by error.", ("error",)
    ),
    "dns_answers": Family(
        "dns_answers",
        "Answers of name servers by response code, and queries that were over the rate: dropped, "
        "or truncated.",
        ("rcode",),
    ),
    "health_checks": Family(
        "health_checks", "Questions of health checks to their endpoints, by outcome.", ("outcome",)
    ),
    "http3_ends": Family(
        "http3_connections_ended", "HTTP/3 connections that we have ended, by error.", ("error",)
    ),
    "refused_proxy_headers": Family(
        "refused_proxy_headers",
        "Connections that did not begin with a right PROXY header, closed.",
        ("reason",),
    ),
    "refusals": Family(
        "refusals",
        "Answers of our own in the place of a cache's or an origin's, by the word the log has too.",
        ("reason",),
    ),
    "upstream_errors": Family("upstream_errors", "Upstream failures, by fault.", ("fault",)),
}
LABELED_COUNTERS: dict[str, Family] = {
    "rate_limited": Family("rate_limited", "Requests refused by a rate limit.", ("limit",)),
    "access_denied": Family(
        "access_denied",
        "Peers and viewers that an access list denied, by what it belongs to.",
        ("list", "at"),
    ),
    "origin_responses": Family(
        "origin_responses",
        "Final responses of origins, by where they were asked and status class.",
        ("origin", "status_class"),
    ),
    "origin_errors": Family(
        "origin_errors",
        "Attempts at origins that ended without a response, by fault.",
        ("origin", "fault"),
    ),
    "function_runs": Family("function_runs", "Runs of functions.", ("function",)),
    "function_errors": Family(
        "function_errors",
        "Requests answered with the error of a function, by CloudFront's word for it.",
        ("function", "error"),
    ),
    "slow_hooks": Family(
        "slow_python_hook_runs", "Runs of Python hooks of more than 10 ms.", ("function",)
    ),
    "function_cpu_us": Family(
        "function_cpu_microseconds", "CPU that runs of functions took.", ("function",)
    ),
    "realtime_log_sent": Family(
        "realtime_log_lines", "Lines of real-time logs that their stream has taken.", ("stream",)
    ),
    "realtime_log_lost": Family(
        "realtime_log_lost",
        "Lines of real-time logs that their stream did not take, or that found no room.",
        ("stream",),
    ),
    "lambda_runs": Family("lambda_runs", "Runs of Lambda functions.", ("function",)),
    "lambda_errors": Family(
        "lambda_errors",
        "Requests answered with the error of a Lambda function, by CloudFront's word for it.",
        ("function", "error"),
    ),
    "lambda_us": Family(
        "lambda_microseconds",
        "Time that runs of Lambda functions took, waiting for a process included.",
        ("function",),
    ),
    "lambda_processes": Family(
        "lambda_processes_started", "Processes started for Lambda functions.", ("function",)
    ),
    "log_files_delivered": Family(
        "log_files_delivered", "Log files that are in the bucket of their Logging.", ("bucket",)
    ),
}
GAUGES = {
    "connections": Family("connections", "Open viewer connections."),
    "store_objects": Family("store_objects", "Entries in the store."),
    "store_bytes": Family("store_bytes", "Bytes in the store."),
    "disk_objects": Family("disk_objects", "Entries on disk."),
    "disk_bytes": Family("disk_bytes", "Bytes on disk."),
    "disk_failing": Family("disk_failing", "Nodes whose disk is failing."),
    "reserve_waiting_bytes": Family(
        "reserve_waiting_bytes", "Bytes of bodies that wait to be written to the reserve."
    ),
    "reserve_failing": Family("reserve_failing", "Nodes whose reserve is failing."),
    "fills": Family("fills", "Fills in progress."),
    "tasks": Family("tasks", "Tasks of the event loops."),
}
PROCESSES = {
    "process_cpu_ms": ProcessFamily(
        "process_cpu_seconds", "Processor time, of the user and of the system.", True, 1_000
    ),
    "process_resident_bytes": ProcessFamily("process_resident_memory_bytes", "Resident memory."),
    "process_open_fds": ProcessFamily("process_open_fds", "Open descriptors."),
    "process_max_fds": ProcessFamily("process_max_fds", "Descriptors that it may have."),
    "process_started_ms": ProcessFamily(
        "process_start_time_seconds", "When it was started, in epoch seconds.", False, 1_000
    ),
    "process_restarts": ProcessFamily(
        "edgecache_process_restarts",
        "How often its supervisor started it again because it had died.",
        True,
    ),
}
LABELED_GAUGES: dict[str, Family] = {
    "viewer_connections": Family(
        "viewer_connections",
        "Open viewer connections by what they speak, as `protocols` of a location has it.",
        ("protocol",),
    ),
    "origin_connections": Family(
        "origin_connections", "Open connections to an origin, idle ones too.", ("origin",)
    ),
    "origin_circuit_open": Family(
        "origin_circuit_open",
        "Circuits of an origin that are open: of each process and distribution its own.",
        ("origin",),
    ),
    "log_files_waiting": Family(
        "log_files_waiting", "Log files that are not in their bucket yet.", ("bucket",)
    ),
    "log_oldest_waiting": Family(
        "log_oldest_waiting_seconds",
        "Since the oldest of them was written; several machines of a location add up.",
        ("bucket",),
    ),
}
HISTOGRAMS = {
    "miss_first_byte": Family("miss_first_byte_seconds", "Time to first byte of misses."),
}
LABELED_HISTOGRAMS: dict[str, Family] = {
    "origin_first_byte": Family(
        "origin_first_byte_seconds",
        "From an attempt's start, a connection's too, to the head of the origin's response.",
        ("origin",),
    ),
}
