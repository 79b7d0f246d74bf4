"""docs/reference/log-fields.md: every field of access, real-time and flow logs."""

from __future__ import annotations

from collections.abc import Iterable

from edgecache.observe.flow_log import HEADER
from edgecache.observe.log_record import FIELDS, JSON_FIELDS
from edgecache.observe.realtime_log import REALTIME_FIELDS

MEANINGS = {
    "date": "Day on which the request ended, UTC.",
    "time": "Time at which it ended, UTC.",
    "x-edge-location": "Name of the location, or `regional`.",
    "sc-bytes": "Bytes sent to the viewer, headers included.",
    "c-ip": "The viewer's address; behind a trusted proxy the one that it names.",
    "cs-method": "The method.",
    "cs(Host)": "The distribution's domain name.",
    "cs-uri-stem": "The path, as it came.",
    "sc-status": "The status; 000 where the viewer left before an answer.",
    "cs(Referer)": "`Referer` of the request.",
    "cs(User-Agent)": "`User-Agent` of the request.",
    "cs-uri-query": "The query, as it came.",
    "cs(Cookie)": "`Cookie` of the request, where a log asks for cookies.",
    "x-edge-result-type": "How it was answered: `Hit`, `RefreshHit`, `Miss`, `Error` and so on.",
    "x-edge-request-id": "The request's id, as in `X-Amz-Cf-Id`; the same in all tiers.",
    "x-host-header": "`Host` of the request.",
    "cs-protocol": "`http`, `https`, `ws`, `wss`, `grpcs`.",
    "cs-bytes": "Bytes received, headers included.",
    "time-taken": "Seconds from the first byte of the request to the last of the answer.",
    "x-forwarded-for": "`X-Forwarded-For` of the request.",
    "ssl-protocol": "Version of TLS.",
    "ssl-cipher": "Cipher suite.",
    "x-edge-response-result-type": "As x-edge-result-type, before the answer went out.",
    "cs-protocol-version": "Version of HTTP.",
    "fle-status": "Field-level encryption, which is not done here: always `-`.",
    "fle-encrypted-fields": "The same.",
    "c-port": "The viewer's port.",
    "time-to-first-byte": "Seconds to the first byte of the answer.",
    "x-edge-detailed-result-type": "As x-edge-result-type, or what kind of error it was.",
    "sc-content-type": "`Content-Type` of the answer.",
    "sc-content-len": "`Content-Length` of the answer.",
    "sc-range-start": "First byte of a range that was answered.",
    "sc-range-end": "Last byte of it.",
    "distribution-tenant-id": "There are no tenants here: always `-`.",
    "connection-id": "Always `-`.",
    "distribution-id": "Id of the distribution.",
    "cache-behavior-path-pattern": "Path pattern of the behavior.",
    "reason": "Why it was not from the store, was refused, or failed ([errors](errors.md)).",
    "origin-id": "Origin that was asked last; `regional` at an edge that asks the regional cache.",
    "origin-status": "Its status.",
    "origin-fbl": "Seconds to the first byte of what was asked upstream.",
    "origin-lbl": "Seconds to the last byte.",
    "viewer-request-log-data": "What a function at the viewer's request gave `cf.logCustomData`.",
    "viewer-response-log-data": "The same at the viewer's response.",
    "cookie": "The viewer's cookies, for the logs that ask for them.",
    "origin-timestamp(ms)": "When upstream was asked, milliseconds since 1970.",
    "cache-key-hash": "16 digits that are the same for the same cache key.",
    "ttl-rule": "What gave what is stored its lifetime: `s-maxage`, `default` and so on.",
    "trace-id": "Trace of `traceparent`, with `[tracing]`.",
    "span-id": "Our span of it, as upstream was told; `-` where nobody was.",
    "parent-span-id": "The span of who asked.",
    "trace-flags": "`01`: the trace is sampled.",
    "timestamp(ms)": "When the request ended, milliseconds since 1970.",
    "c-country": "Country of the viewer's address, with `geo_database`.",
    "asn": "Autonomous system of the viewer's address, with `asn_database`.",
    "node": "The process.",
    "timestamp": "When the request ended, seconds since 1970 with milliseconds.",
    "c-ip-version": "`IPv4` or `IPv6`.",
    "cs-host": "The distribution's domain name.",
    "cs-user-agent": "`User-Agent` of the request.",
    "cs-referer": "`Referer` of the request.",
    "cs-cookie": "`Cookie` of the request, where it is named.",
    "primary-distribution-id": "There are no staging distributions here: always `-`.",
    "primary-distribution-dns-name": "The same.",
    "version": "2.",
    "account-id": "Always `-`.",
    "interface-id": "The process.",
    "srcaddr": "Address that has connected.",
    "dstaddr": "Address it has connected to.",
    "srcport": "Port that has connected.",
    "dstport": "Port it has connected to.",
    "protocol": "6: TCP.",
    "packets": "Packets in the interval, both directions.",
    "bytes": "Bytes in the interval, both directions, without headers of TCP and IP.",
    "start": "Begin of the interval, seconds since 1970.",
    "end": "Its end.",
    "action": "`ACCEPT` or `REJECT`, by the access list.",
    "log-status": "`OK`, `NODATA`, or `SKIPDATA` where lines found no room.",
}
HEADING = """# Fields of logs

This page is made of the tables in the code by `python -m tests.reference`; a test compares. Where
the logs go: [logs.md](../logs.md), [log-delivery.md](../log-delivery.md),
[real-time-logs.md](../real-time-logs.md), [access-lists.md](../access-lists.md) (flow log).
"""
STANDARD = "A line of CloudFront's standard format: these, in this order, separated by tabs."
JSON = "JSON lines have these beside the standard ones; every value is a string."
REALTIME = "What `fields` of a real-time log may name. Any other of CloudFront's is refused."
FLOW = "A line for each connection and interval, as a VPC's flow logs have it, separated by blanks."


def page() -> str:
    standard = FIELDS.split(" ")
    beyond = [name for name in JSON_FIELDS if name not in standard]
    sections = (
        ("Standard", STANDARD, standard),
        ("JSON", JSON, beyond),
        ("Real-time", REALTIME, REALTIME_FIELDS),
        ("Flow log", FLOW, HEADER.decode().split()),
    )
    return HEADING + "".join(
        f"\n## {title}\n\n{text}\n\n| field | |\n|---|---|\n{rows(names)}\n"
        for title, text, names in sections
    )


def rows(names: Iterable[str]) -> str:
    return "\n".join(f"| `{name}` | {MEANINGS[name]} |" for name in names)
