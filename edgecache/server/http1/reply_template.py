"""Reply template: what viewers are sent for all upstream responses of one form.

Law: it is made of the outcome and the fields that the general path gives for one of them; of others
only the values of neutral fields, the id and the length stand in their places.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from operator import itemgetter

from msgspec import Struct

from edgecache.cache.fetch_plan import FetchPlan, JudgedReply
from edgecache.cache.outcome import CacheResult
from edgecache.http.head import keeps_alive, response_head
from edgecache.http.message import Fields, HeadLimits, Request
from edgecache.http.response_lines import SAMPLE_AGE, ResponseLine, sample_of
from edgecache.observe.log_record import escaped
from edgecache.rules.routing import Route
from edgecache.server.listener import Listener
from edgecache.server.request_log import RequestLog, RequestOutcome, RequestSummary

_BLANK = re.compile(rb"\0([0-9]+)\0")
_ID = b"\0%d\0"
_AGE_LINE = b"\r\nAge: %b\r\n"


class ReplyTemplate(Struct, frozen=True):
    """Replies of one form to the requests of one plan."""

    judged: JudgedReply
    status: int
    reason: bytes
    reusable: bool  # the connection they came by
    text: bytes  # with `%b` for each value
    values_of: Callable[[Sequence[bytes]], tuple[bytes, ...]]
    logged: Fields
    length_at: int  # of the lines, which says the length
    result: CacheResult  # as it is logged
    line: bytes  # of the log, with a place for each value that `log_line` fills in

    def head(self, lines: list[ResponseLine], request_id: bytes, length: int) -> bytes:
        """The head of one of them."""
        values = [line.field[1] for line in lines]
        values += (request_id, b"%d" % length)
        return self.text % self.values_of(values)

    def log_line(self, start: bytes, sent_by: tuple[bytes, bytes], asked: AskedFor,
                 taken_s: float, length: int) -> bytes:  # fmt: skip
        """The line of the log for one of them; `start` is that of `RequestLog.line_start`.

        `sent_by`: the viewer's address and port.
        """
        (path, query), request_id, received = asked
        address, port = sent_by
        return self.line % (
            start, address, escaped(path), escaped(query), request_id, received, taken_s, port,
            taken_s, length,
        )  # fmt: skip


AskedFor = tuple[tuple[bytes, bytes | None], bytes, int]
"""Path and query of a request, its id, the bytes of its head."""


def line_format(log: RequestLog, summary: RequestSummary, outcome: RequestOutcome) -> bytes:
    """The line of a record, with places for what differs among requests of a plan."""
    parts = log.parts(summary, outcome)
    method, site, _, status = parts.start[1:-1].split(b"\t")
    _, cookie, result = parts.word[:-1].split(b"\t")
    tail = parts.tail.partition(b"\n")[0].split(b"\t")  # an empty one, time-to-first-byte, ...
    _, *rest = parts.rest[1:-1].split(b"\t")
    fixed: list[bytes | None] = [method, site, None, status, parts.agent[:-1], None, cookie, result]
    fixed += [None, parts.host[1:-1], b"", b"", *rest, parts.end[:-1], None, b""]
    fixed += [*tail[2:4], b"", *tail[5:]]
    told = [b"%b" if one is None else one.replace(b"%", b"%%") for one in fixed]
    told[10:12] = b"%d", b"%.3f"  # cs-bytes, time-taken
    told[told.index(b"", 12)] = b"%.3f"  # time-to-first-byte
    told[told.index(b"", 12)] = b"%d"  # sc-content-len
    return b"%b%b\t" + b"\t".join(told) + b"\n"


def reply_template(
    plan: FetchPlan, came: tuple[list[ResponseLine], int], asked: tuple[Request, Route],
    summary: RequestSummary, listener: Listener,
) -> ReplyTemplate | None:  # fmt: skip
    """The template of replies of the form of lines, to what was asked at a mark: `came`.

    None: each is for the general path.
    """
    (lines, mark), frontend, log = came, listener.frontend, listener.request_log
    limits: HeadLimits = plan.upstream.head_limits
    sample = sample_of(lines, limits)
    length_at = next((n for n, one in enumerate(lines) if one.length >= 0), 0)
    if sample is None or not length_at:
        return None
    head, minor = sample
    judged = plan.judge(head)
    if judged is None:
        return None
    outcome, id_place = judged.outcome, len(lines)
    outcome.mark = mark
    fields = frontend.dressed(outcome, _ID % id_place, asked, 0.0)
    framed = (*fields, (b"content-length", _ID % (id_place + 1)))
    written = response_head(outcome.status, outcome.reason, framed)
    age_at = next((n for n, one in enumerate(lines) if one.form == b"\0age"), 0)
    if age_at:
        written = written.replace(_AGE_LINE % SAMPLE_AGE, _AGE_LINE % (_ID % age_at))
    parts = _BLANK.split(written)
    places = [int(place) for place in parts[1::2]]
    if places[-1] != id_place + 1 or len(places) < 2 or outcome.status != head.status:
        return None
    text = b"%b".join([part.replace(b"%", b"%%") for part in parts[::2]])
    logged = tuple([field for field in fields if field[0] == b"content-type"])
    if any(b"\0" in value for _, value in logged):
        return None
    reusable = keeps_alive(minor, head.fields)
    told = RequestOutcome(outcome.status, outcome.result, 0, logged, outcome.trace.detail)
    line = line_format(log, summary, told)
    return ReplyTemplate(
        judged, head.status, head.reason, reusable, text, itemgetter(*places), logged, length_at,
        told.result, line,
    )  # fmt: skip
