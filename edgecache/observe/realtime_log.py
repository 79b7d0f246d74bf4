"""Real-time log lines: the fields that are wanted, always in CloudFront's order.

Law: a field that we do not know is refused where it is asked for (`UNKNOWN_FIELDS`), and never
written as `-`. Values are escaped as in the access log; `-` stands for none.

CloudFront Developer Guide, "Use real-time access logs", "Fields". A feature that is not here has
no value in any request: field-level encryption, staging distributions, tenants.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from edgecache.observe.log_filter import FILTER_COLUMNS, NONE, Values

_DOCUMENTED = (
    "timestamp c-ip s-ip time-to-first-byte sc-status sc-bytes cs-method cs-protocol cs-host "
    "cs-uri-stem cs-bytes x-edge-location x-edge-request-id x-host-header time-taken "
    "cs-protocol-version c-ip-version cs-user-agent cs-referer cs-cookie cs-uri-query "
    "x-edge-response-result-type x-forwarded-for ssl-protocol ssl-cipher x-edge-result-type "
    "fle-encrypted-fields fle-status sc-content-type sc-content-len sc-range-start sc-range-end "
    "c-port x-edge-detailed-result-type c-country cs-accept-encoding cs-accept "
    "cache-behavior-path-pattern cs-headers cs-header-names cs-headers-count "
    "primary-distribution-id primary-distribution-dns-name origin-fbl origin-lbl asn "
    "cmcd-encoded-bitrate cmcd-buffer-length cmcd-buffer-starvation cmcd-content-id "
    "cmcd-object-duration cmcd-deadline cmcd-measured-throughput cmcd-next-object-request "
    "cmcd-next-range-request cmcd-object-type cmcd-playback-rate "
    "cmcd-requested-maximum-throughput cmcd-streaming-format cmcd-session-id cmcd-stream-type "
    "cmcd-startup cmcd-top-bitrate cmcd-version r-host sr-reason x-edge-mqcs "
    "distribution-tenant-id connection-id"
)
CLOUDFRONT_FIELDS = tuple(_DOCUMENTED.split(" "))
"""All of them, in the order in which they stand in a line."""
_NAMES = {
    "cs-host": "cs(Host)", "cs-user-agent": "cs(User-Agent)", "cs-referer": "cs(Referer)",
    "cs-cookie": "cs(Cookie)",
}  # fmt: skip
_NEVER = {"primary-distribution-id", "primary-distribution-dns-name"}
COOKIE_FIELD = "cs-cookie"
_STAMP, _ADDRESS = FILTER_COLUMNS["timestamp(ms)"], FILTER_COLUMNS["c-ip"]

Reader = Callable[[Values], bytes]


def _timestamp(values: Values) -> bytes:
    """Epoch seconds with milliseconds."""
    stamp = values[_STAMP]
    return stamp if stamp == NONE else b"%b.%b" % (stamp[:-3], stamp[-3:])


def _ip_version(values: Values) -> bytes:
    return b"IPv6" if b":" in values[_ADDRESS] else b"IPv4"


def _never(_values: Values) -> bytes:
    return NONE


def _at(column: int) -> Reader:
    return lambda values: values[column]


def _readers() -> dict[str, Reader]:
    readers: dict[str, Reader] = {"timestamp": _timestamp, "c-ip-version": _ip_version}
    for name in CLOUDFRONT_FIELDS:
        column = FILTER_COLUMNS.get(_NAMES.get(name, name))
        if name in _NEVER:
            readers[name] = _never
        elif column is not None:
            readers.setdefault(name, _at(column))
    return readers


_READERS: Mapping[str, Reader] = _readers()
REALTIME_FIELDS = tuple(name for name in CLOUDFRONT_FIELDS if name in _READERS)
"""Those that we know, in their order."""
UNKNOWN_FIELDS = frozenset(CLOUDFRONT_FIELDS) - set(REALTIME_FIELDS)


class RealtimeLines:
    """Lines with `fields` of REALTIME_FIELDS, whatever their order; none: all but cookies."""

    def __init__(self, fields: Sequence[str]) -> None:
        wanted = {*fields} or {*REALTIME_FIELDS} - {COOKIE_FIELD}
        self.fields = tuple(name for name in REALTIME_FIELDS if name in wanted)
        self._readers = [_READERS[name] for name in self.fields]
        self._names = [b'"%b":"' % name.encode() for name in self.fields]

    @property
    def shows_cookies(self) -> bool:
        """Whether cookies are among them."""
        return COOKIE_FIELD in self.fields

    @property
    def columns(self) -> frozenset[int]:
        """The places of values that it looks at."""
        named = {FILTER_COLUMNS.get(_NAMES.get(name, name), _STAMP) for name in self.fields}
        return frozenset(named)

    def line(self, values: Values) -> bytes:
        """A line of a record, delimited by tabs, with its end."""
        return b"\t".join([read(values) for read in self._readers]) + b"\n"

    def json_line(self, values: Values) -> bytes:
        """The same as a JSON object: no value has a quote, it is escaped in it."""
        pairs = zip(self._names, self._readers, strict=True)
        return b"{%b}\n" % b",".join([b'%b%b"' % (name, read(values)) for name, read in pairs])
