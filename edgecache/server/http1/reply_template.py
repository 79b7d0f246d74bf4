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
from edgecache.cache.frontend import ViewerFrontend
from edgecache.http.head import keeps_alive, response_head
from edgecache.http.message import Fields, HeadLimits, Request
from edgecache.http.response_lines import ResponseLine, sample_of
from edgecache.rules.routing import Route

_BLANK = re.compile(rb"\0([0-9]+)\0")
_ID = b"\0%d\0"


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

    def head(self, lines: list[ResponseLine], request_id: bytes, length: int) -> bytes:
        """The head of one of them."""
        values = [line.field[1] for line in lines]
        values += (request_id, b"%d" % length)
        return self.text % self.values_of(values)


def reply_template(
    plan: FetchPlan, lines: list[ResponseLine], asked: tuple[Request, Route],
    frontend: ViewerFrontend,
) -> ReplyTemplate | None:  # fmt: skip
    """The template of replies of the form of `lines`; None: each is for the general path."""
    limits: HeadLimits = plan.origin.head_limits
    sample = sample_of(lines, limits)
    length_at = next((n for n, one in enumerate(lines) if one.length >= 0), 0)
    if sample is None or not length_at:
        return None
    head, minor = sample
    judged = plan.judge(head)
    if judged is None:
        return None
    outcome, id_place = judged.outcome, len(lines)
    fields = frontend.dressed(outcome, _ID % id_place, asked, 0.0)
    framed = (*fields, (b"content-length", _ID % (id_place + 1)))
    parts = _BLANK.split(response_head(outcome.status, outcome.reason, framed))
    places = [int(place) for place in parts[1::2]]
    if places[-2:] != [id_place, id_place + 1] or outcome.status != head.status:
        return None
    text = b"%b".join([part.replace(b"%", b"%%") for part in parts[::2]])
    logged = tuple([field for field in fields if field[0] == b"content-type"])
    if any(b"\0" in value for _, value in logged):
        return None
    reusable = keeps_alive(minor, head.fields)
    return ReplyTemplate(
        judged, head.status, head.reason, reusable, text, itemgetter(*places), logged, length_at
    )
