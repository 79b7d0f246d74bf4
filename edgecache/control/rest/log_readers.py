"""Operations on readers of the live log: begun, read, ended; and what nodes send for them.

Law: a filter that is wrong is refused with its place marked, before any node hears of it. Readers
are operators, or have an access key that may read: a log has viewers' addresses.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from edgecache.cluster.log_readers import (
    ALL_TIERS,
    DEFAULT_FIELDS,
    PATH_FIELDS,
    TIERS,
    LogSubscription,
    field_names,
)
from edgecache.control.nodes.log_readers import TooManyReadersError
from edgecache.control.rest.auth import require_node, require_operator
from edgecache.control.rest.call import RouteHandler, bounded_body, json_response
from edgecache.observe.log_history import REQUEST_ID

if TYPE_CHECKING:
    from edgecache.control.rest.app import ControlServices

WAIT_S_MAX = 5.0  # a fourth of what a reader may be silent for
PERCENT_MIN = 0.025  # one of the 4,096 starts of request ids


class LogReaderBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What to read: records that `filter` chooses, `percent` of them, of `tier` (edge, regional or
    all). `fields` are named as in the log, or by their short names; none: the usual ones.

    `request_id` reads what there is of one request, remembered and to come, at all tiers.
    `summary` reads sums and rankings in the place of records.
    """

    filter: str = ""
    fields: list[str] = []
    percent: float = 100.0
    tier: str = TIERS[0]
    request_id: str = ""
    summary: bool = False


class LogReaderReport(msgspec.Struct, frozen=True):
    """A reader that was begun: it is forgotten once nobody has asked for `idle_s`.

    `nodes` will send; `elsewhere` follow another control, which is to be asked for them.
    """

    id: str
    fields: tuple[str, ...]
    nodes: list[str]
    elsewhere: list[str]


def subscription(body: LogReaderBody) -> LogSubscription:
    """What is asked for, checked. ValueError."""
    if body.tier not in (*TIERS, ALL_TIERS):
        raise ValueError(f"tier: {body.tier[:64]!r} is not one of {', '.join(TIERS)}, {ALL_TIERS}")
    if not PERCENT_MIN <= body.percent <= 100:
        raise ValueError(f"percent: {body.percent:g} is not {PERCENT_MIN} to 100")
    fields, tier = field_names(body.fields) or DEFAULT_FIELDS, body.tier
    if body.request_id:
        if not REQUEST_ID.fullmatch(body.request_id):
            raise ValueError("request_id: that is no request id")
        if body.filter or body.summary:
            raise ValueError("request_id: with neither a filter nor a summary")
        fields, tier = PATH_FIELDS, ALL_TIERS
    if body.summary:
        fields = ()
    made = LogSubscription(
        "", body.filter, fields, body.percent, tier, body.request_id, body.summary
    )
    made.selection()
    return made


def log_reader_handlers(control: ControlServices) -> dict[str, RouteHandler]:
    """A handler for each operation, by name."""
    readers, tokens = control.log_readers, control.tokens

    async def create(request: Request) -> Response:
        require_operator(request, tokens)
        try:
            body = msgspec.json.decode(await bounded_body(request), type=LogReaderBody)
            wanted = subscription(body)
            id = readers.begin(wanted)
        except TooManyReadersError as error:
            raise HTTPException(429, str(error)) from error
        except ValueError as error:  # FilterError and msgspec's are
            return json_response({"error": str(error)}, 400)
        return json_response(_report(control, id, wanted), 201)

    async def read(request: Request) -> Response:
        require_operator(request, tokens)
        lines = await readers.read(request.path_params["id"], _wait_s(request))
        if lines is None:
            raise HTTPException(404, "there is no such reader, or it has not asked for too long")
        return json_response(lines)

    async def delete(request: Request) -> Response:
        require_operator(request, tokens)
        if not readers.end(request.path_params["id"]):
            raise HTTPException(404, "there is no such reader")
        return json_response({})

    async def deliver(request: Request) -> Response:
        body = await bounded_body(request)
        name = request.path_params["name"]
        if require_node(request, control.admission, body) != name:
            raise HTTPException(403, "the credential names another node")
        try:
            readers.deliver(name, body)
        except ValueError as error:
            raise HTTPException(400, str(error)) from error
        return json_response({})

    return {
        "create_log_reader": create,
        "read_log": read,
        "delete_log_reader": delete,
        "deliver_log": deliver,
    }


def _report(control: ControlServices, id: str, wanted: LogSubscription) -> LogReaderReport:
    own = {one["name"] for one in control.nodes.listing() if _sends(one, wanted)}
    every = {one["name"] for one in control.everywhere.listing() if _sends(one, wanted)}
    return LogReaderReport(id, wanted.fields, sorted(own), sorted(every - own))


def _sends(node: dict[str, object], wanted: LogSubscription) -> bool:
    return bool(node["alive"]) and wanted.covers(str(node["role"]))


def _wait_s(request: Request) -> float:
    text = request.query_params.get("wait_s", "0")
    try:
        wait_s = float(text)
    except ValueError:
        wait_s = -1.0
    if not 0 <= wait_s <= WAIT_S_MAX:
        raise HTTPException(400, f"wait_s: {text[:32]!r} is not 0 to {WAIT_S_MAX:g}")
    return wait_s
