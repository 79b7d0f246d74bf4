"""Records of the access log, and their lines. Law: one record holds what every writer may want.

The line of a record is CloudFront's standard one (35 fields, in the documented order), and, where
somebody wants more (`RequestLog.extended`), a second line of EXTRA_FIELDS right behind it. Writers
cut what they give out of the two, on the thread that writes. JSON is as CloudFront's standard
logging (v2) has it: one object on a line, every value a string, escaped as in the standard line,
`-` where there is none. CloudFront Developer Guide, "Standard log file format" and "Standard
logging (v2)".
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Sequence
from functools import lru_cache
from operator import itemgetter
from urllib.parse import unquote_to_bytes

from msgspec import Struct

FIELD_BYTES_MAX = 4_096  # escaped; nginx, Varnish and HAProxy cut a line at 1 to 8 KiB
REMEMBERED_MAX = 1_024
REMEMBERED_BYTES_MAX = 2_048  # a browser's head
REMEMBERED_PLACE_BYTES = 8_704  # escaped, each byte may take three

FIELDS = (
    "date time x-edge-location sc-bytes c-ip cs-method cs(Host) cs-uri-stem sc-status cs(Referer) "
    "cs(User-Agent) cs-uri-query cs(Cookie) x-edge-result-type x-edge-request-id x-host-header "
    "cs-protocol cs-bytes time-taken x-forwarded-for ssl-protocol ssl-cipher "
    "x-edge-response-result-type cs-protocol-version fle-status fle-encrypted-fields c-port "
    "time-to-first-byte x-edge-detailed-result-type sc-content-type sc-content-len "
    "sc-range-start sc-range-end distribution-tenant-id connection-id"
)
HEADER = f"#Version: 1.0\n#Fields: {FIELDS}\n".encode()
EXTRA_FIELDS = (
    "distribution-id cache-behavior-path-pattern reason origin-id origin-status origin-fbl "
    "origin-lbl viewer-request-log-data viewer-response-log-data origin-timestamp(ms) "
    "cache-key-hash ttl-rule cookie trace-id span-id parent-span-id trace-flags timestamp(ms)"
)
"""Of the second line: what belongs to a hit, then to a head (from `cookie` on), then to an instant.

`cookie` has what the viewer sent, where somebody wants cookies; the standard line never does.
"""
HIT_EXTRAS = 12  # how many belong to a hit
TRACE_EXTRAS = 4  # how many, behind those of a head, belong to a request's trace
NO_TRACE = b"-\t-\t-\t-"

Text = bytes | str | None


class RecordExtras(Struct, frozen=True):
    """What of a request is in no field of the standard line."""

    distribution: str = ""  # id
    behavior: str = ""  # path pattern
    reason: str = ""  # why it was not answered from the store, was refused, or failed
    origin: str = ""  # id of the one that was asked last; `regional`: the cache before it
    origin_status: int = 0  # 0: it was not asked, or gave no answer
    origin_first_byte_s: float | None = None
    origin_last_byte_s: float | None = None
    cookie: bytes | None = None
    trace_id: Text = None  # of W3C's traceparent
    request_data: str = ""  # of a function's logCustomData at viewer-request
    response_data: str = ""
    origin_asked_at: float = 0.0  # epoch seconds; 0: nobody was asked
    key_hash: str = ""  # of the cache key
    ttl_rule: str = ""  # what gave what is stored its lifetime: `Assessment.rule`
    span_id: Text = None  # of this tier, as upstream was told; None: it was told nothing
    parent_span_id: Text = None  # of who asked
    trace_flags: Text = None  # `01`: the trace is sampled


NO_EXTRAS = RecordExtras()

Record = tuple[
    float,  # when the request ended, epoch seconds: date and time
    Text,  # x-edge-location
    int,  # sc-bytes
    Text,  # c-ip
    Text,  # cs-method
    Text,  # cs(Host): the distribution's domain name
    Text,  # cs-uri-stem
    int,  # sc-status; 0: the viewer left before an answer
    Text,  # cs(Referer)
    Text,  # cs(User-Agent)
    Text,  # cs-uri-query
    Text,  # cs(Cookie): see `RecordExtras.cookie`
    Text,  # x-edge-result-type
    Text,  # x-edge-request-id
    Text,  # x-host-header
    Text,  # cs-protocol
    int,  # cs-bytes
    float,  # time-taken, seconds
    Text,  # x-forwarded-for
    Text,  # ssl-protocol
    Text,  # ssl-cipher
    Text,  # x-edge-response-result-type
    Text,  # cs-protocol-version
    Text,  # fle-status
    Text,  # fle-encrypted-fields
    int,  # c-port
    float,  # time-to-first-byte, seconds
    Text,  # x-edge-detailed-result-type
    Text,  # sc-content-type
    int | None,  # sc-content-len
    int | None,  # sc-range-start
    int | None,  # sc-range-end
    RecordExtras | None,  # None: there is one line only
]
"""One request, in the documented order; one instant stands for date and time. None: no value.

There are neither tenants nor logged certificates of viewers: fields 34 and 35 are empty.
"""

_CUT = b"..."
_CUT_AT = FIELD_BYTES_MAX - len(_CUT)
_UNSAFE = bytes((*range(33), *range(127, 256), *b'<>"#%{}|\\^~[]`'))
_SAFE = bytes(set(range(256)) - set(_UNSAFE))
_UNSAFE_BYTE = re.compile(b"[" + re.escape(_UNSAFE) + b"]")
_ESCAPED = {bytes((byte,)): b"%%%02X" % byte for byte in _UNSAFE}


def escaped(value: Text) -> bytes:
    """`value` percent-encoded as CloudFront does it (blanks and percent signs too), or `-`.

    At most FIELD_BYTES_MAX bytes: what is longer is cut, between two escapes, and ends in `...`.
    """
    if not value:
        return b"-"
    if isinstance(value, str):
        value = value.encode("utf-8", "replace")
    if not value.translate(None, _SAFE):
        return value if len(value) <= FIELD_BYTES_MAX else value[:_CUT_AT] + _CUT
    whole = len(value) <= FIELD_BYTES_MAX
    text = _UNSAFE_BYTE.sub(lambda found: _ESCAPED[found[0]], value[:FIELD_BYTES_MAX])
    if whole and len(text) <= FIELD_BYTES_MAX:
        return text
    kept = text[:_CUT_AT]
    half = kept.rfind(b"%", len(kept) - 2)  # of an escape: each has three bytes
    return (kept if half < 0 else kept[:half]) + _CUT


class LogTimestamp:
    """Date and time of an instant in UTC; the last second's is remembered."""

    __slots__ = ("second", "text")

    def __init__(self) -> None:
        self.second = -1
        self.text = b""

    def at(self, instant: float) -> bytes:
        second = int(instant)
        if second != self.second:
            self.text = time.strftime("%Y-%m-%d\t%H:%M:%S", time.gmtime(second)).encode()
            self.second = second
        return self.text


def _number(value: int | None) -> bytes:
    return b"-" if value is None else b"%d" % value


def _joined(*values: Text) -> bytes:
    return b"\t".join([escaped(value) for value in values])


# What belongs to the question comes again with every viewer that asks it, and escaping an agent
# costs more than all the rest of a line; so runs of neighboring fields are remembered together.
remembered_runs = lru_cache(REMEMBERED_MAX)(_joined)


_LINE = b"\t".join(
    (
        *(b"%b", b"%b", b"%d", b"%b", b"%b", b"%03d", b"%b", b"%b", b"%b", b"%b"),
        *(b"%d", b"%.3f", b"%b", b"%d", b"%.3f", b"%b", b"%b", b"%b", b"%b", b"-", b"-\n"),
    )
)


def format_record(record: Record, stamp: Callable[[float], bytes]) -> bytes:
    """The lines of a record, with their ends. `stamp` gives `date TAB time` of an instant."""
    at, location, sent, ip, method, site, stem, status, referer, agent, query = record[:11]
    cookie, result, request_id, host, protocol, received, taken, forwarded = record[11:19]
    tls, cipher, response_result, version, fle, fle_fields, port, first_byte = record[19:27]
    detailed, content_type, length, start, end, extras = record[27:]
    # A head bounds what a stranger chose in it; long ones are not worth remembering.
    run: Callable[..., bytes] = _joined if received > REMEMBERED_BYTES_MAX else remembered_runs
    line = _LINE % (
        stamp(at),
        remembered_runs(location),
        sent,
        remembered_runs(ip),
        run(method, site, stem),
        status,
        run(referer, agent, query, cookie),
        remembered_runs(result),
        escaped(request_id),
        run(host, protocol),
        received,
        taken,
        run(forwarded, tls, cipher, response_result, version, fle, fle_fields),
        port,
        first_byte,
        run(detailed, content_type),
        _number(length),
        _number(start),
        _number(end),
    )
    return line if extras is None else b"%b%b%d\n" % (line, format_extras(extras), at * 1_000)


def format_extras(extras: RecordExtras) -> bytes:
    """The values of the second line but the last one, each with its tab."""
    asked_at = extras.origin_asked_at
    return b"%b\t%b\t%b\t%b\t%b\t%b\t%b\t%b\t%b\t" % (
        remembered_runs(extras.distribution, extras.behavior, extras.reason, extras.origin),
        b"%03d" % extras.origin_status if extras.origin_status else b"-",
        _seconds(extras.origin_first_byte_s),
        _seconds(extras.origin_last_byte_s),
        _joined(extras.request_data, extras.response_data),
        b"%d" % (asked_at * 1_000) if asked_at else b"-",
        _joined(extras.key_hash, extras.ttl_rule),
        _joined(extras.cookie, extras.trace_id),
        _joined(extras.span_id, extras.parent_span_id, extras.trace_flags),
    )


def _seconds(value: float | None) -> bytes:
    return b"-" if value is None else b"%.3f" % value


def parse_line(line: str) -> list[str]:
    """The 35 values of a line, percent-decoded, each byte one character (Latin-1); `-` stays."""
    values = line.removesuffix("\n").split("\t")
    return [unquote_to_bytes(value).decode("latin-1") for value in values]


_COLUMNS = [*FIELDS.split(" "), *EXTRA_FIELDS.split(" ")]
_COLUMN = {name: index for index, name in enumerate(_COLUMNS)}
_COLUMN["cs(Cookie)"] = _COLUMN.pop("cookie")
_ADDRESS, _WIDTH = _COLUMN["c-ip"], len(_COLUMNS)
COMPUTED = {"c-country": _WIDTH, "asn": _WIDTH + 1, "node": _WIDTH + 2}
"""Fields that are made when a line is written, of the viewer's address and of the process."""
COLUMNS = {**_COLUMN, **COMPUTED}
"""The place of each field in the values of a record, by name."""
JSON_FIELDS = (*_COLUMN, *COMPUTED)
"""All there are: the standard ones, those of v2 that CloudFront has beyond them, and ours."""
COOKIE = "cs(Cookie)"  # only where it is named
DEFAULT_JSON_FIELDS = tuple(name for name in JSON_FIELDS if name != COOKIE)

OfAddress = Callable[[str], tuple[str, str]]
"""Country code and number of the autonomous system of an address; empty where not known."""


def of_no_address(_address: str) -> tuple[str, str]:
    """Nothing is known of any address."""
    return "", ""


def standard_lines(lines: Sequence[bytes]) -> bytes:
    """The standard lines of records, each with its end."""
    joined = b"".join(lines)
    if joined.count(b"\n") == len(lines):
        return joined
    return b"".join([standard_line(line) for line in lines])


def standard_line(line: bytes) -> bytes:
    """The standard line of a record, with its end."""
    return line[: line.index(b"\n") + 1]


def record_values(line: bytes) -> list[bytes]:
    """The values of a record by COLUMNS, escaped, without those that are computed."""
    row = line[:-1].replace(b"\n", b"\t").split(b"\t")
    row += [b"-"] * (_WIDTH - len(row))  # one made before somebody wanted more of it
    return row


class JsonLines:
    """JSON lines with `fields`, in that order, of records that have a second line."""

    def __init__(
        self, fields: Sequence[str], node: str, of_address: OfAddress = of_no_address
    ) -> None:
        places = [_COLUMN.get(name, COMPUTED.get(name, -1)) for name in fields]
        assert min(places) >= 0, "checked when the configuration was read"
        one_more = [*places, 0]  # so that it gives a tuple for a single field, too
        self._values = itemgetter(*one_more)
        pairs = b",".join([b'"%b":"%%b"' % name.encode() for name in fields])
        self._template = b"{" + pairs + b"}\n"
        self._computes = max(places) >= _WIDTH
        self._node, self._of_address = escaped(node), of_address

    def __call__(self, lines: Sequence[bytes]) -> bytes:
        """The lines of records. No value has a quote or a backslash: those are escaped in it."""
        return b"".join([self._line(line) for line in lines])

    def _line(self, line: bytes) -> bytes:
        row = record_values(line)
        if self._computes:
            country, number = self._of_address(row[_ADDRESS].decode())
            row += (escaped(country), escaped(number), self._node)
        text: bytes = self._template % self._values(row)[:-1]
        return text
