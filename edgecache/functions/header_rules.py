"""Headers that functions see and may change. Law: what is not to be changed is never half changed.

Developer Guide, "Restrictions on all edge functions" (disallowed and read-only headers). What a
function may neither see nor say goes its way unchanged beside it.
"""

from __future__ import annotations

from typing import Literal

from edgecache.http.message import is_token, title_case

Place = Literal["viewer-request", "viewer-response"]
HIDDEN = frozenset(
    b"connection expect keep-alive proxy-authenticate proxy-authorization proxy-connection trailer"
    b" upgrade x-accel-buffering x-accel-charset x-accel-limit-rate x-accel-redirect x-amzn-auth"
    b" x-amzn-cf-billing x-amzn-cf-id x-amzn-cf-xff x-amzn-errortype x-amzn-fle-profile"
    b" x-amzn-header-count x-amzn-header-order x-amzn-lambda-integration-tag x-amzn-requestid"
    b" x-cache x-forwarded-proto x-real-ip".split()
)
HIDDEN_PREFIXES = (b"x-amz-cf-", b"x-edge-", b"edgecache-")
READ_ONLY: dict[Place, frozenset[bytes]] = {
    "viewer-request": frozenset(
        (b"cdn-loop", b"content-length", b"host", b"transfer-encoding", b"via")
    ),
    "viewer-response": frozenset((b"warning", b"via")),
}
# Of a message's own framing: ours to say, whoever asks for another.
FRAMING = frozenset((b"content-length", b"transfer-encoding", b"te"))


class ValidationProblem(Exception):
    """What a function gave back is nothing that may count."""


def is_hidden(name: bytes) -> bool:
    """Whether functions neither see the header nor may add it; `name` in lower case."""
    return name in HIDDEN or name.startswith(HIDDEN_PREFIXES)


def name_problem(name: str) -> str:
    """Why a function may not say a header of this name; empty: it may."""
    raw = name.encode("utf-8", "replace")
    if not is_token(raw):
        return f"{name!r} is not a header's name"
    if name != name.lower():
        return f"the header's name {name!r} is not in lower case"
    if is_hidden(raw):
        return f"the header {name!r} is not allowed"
    if name in ("cookie", "set-cookie"):
        return f"the header {name!r} is not allowed: cookies have a place of their own"
    return ""


def header_name(name: str, place: Place) -> bytes:
    """The name of a header that a function sets at an event. ValidationProblem."""
    problem = name_problem(name)
    if problem:
        raise ValidationProblem(problem)
    raw = name.encode()
    if raw in READ_ONLY[place]:
        raise ValidationProblem(f"the header {title_case(raw).decode()} is read-only")
    return raw


def header_value(value: str) -> bytes:
    """The value of a header that a function sets. ValidationProblem."""
    if any((char < " " and char != "\t") or char == "\x7f" for char in value):
        raise ValidationProblem("a header's value has control characters")
    if any("\ud800" <= char <= "\udfff" for char in value):
        raise ValidationProblem("a header's value is no text")
    return value.strip(" \t").encode()
