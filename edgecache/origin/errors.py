"""Error responses as S3 words them. Law: an error of the origin side is one of the values below.

Amazon S3 API Reference, "Error responses". Imports nothing of ours.
"""

from __future__ import annotations

import base64
import re
import secrets
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import StrEnum
from xml.sax.saxutils import escape

from starlette.responses import Response

_NOT_XML = re.compile("[^\t\n\r -\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


class S3ErrorCode(StrEnum):
    """S3's error codes, as far as a read-only bucket needs them."""

    ACCESS_DENIED = "AccessDenied"
    INVALID_ARGUMENT = "InvalidArgument"
    INVALID_RANGE = "InvalidRange"
    METHOD_NOT_ALLOWED = "MethodNotAllowed"
    NO_SUCH_KEY = "NoSuchKey"
    NO_SUCH_VERSION = "NoSuchVersion"
    PRECONDITION_FAILED = "PreconditionFailed"


@dataclass(frozen=True, slots=True)
class ErrorStatus:
    """The status and the words that go with a code."""

    status: int
    message: str


KINDS = {
    S3ErrorCode.ACCESS_DENIED: ErrorStatus(403, "Access Denied"),
    S3ErrorCode.INVALID_ARGUMENT: ErrorStatus(400, "Invalid version id specified"),
    S3ErrorCode.INVALID_RANGE: ErrorStatus(416, "The requested range is not satisfiable"),
    S3ErrorCode.METHOD_NOT_ALLOWED: ErrorStatus(
        405, "The specified method is not allowed against this resource."
    ),
    S3ErrorCode.NO_SUCH_KEY: ErrorStatus(404, "The specified key does not exist."),
    S3ErrorCode.NO_SUCH_VERSION: ErrorStatus(404, "The specified version does not exist."),
    S3ErrorCode.PRECONDITION_FAILED: ErrorStatus(
        412, "At least one of the pre-conditions you specified did not hold"
    ),
}


@dataclass(frozen=True, slots=True)
class Ids:
    """Ids of one response: S3's x-amz-request-id and x-amz-id-2."""

    request: str  # 16 upper-case hexadecimal digits
    host: str  # base64 of 48 bytes

    @property
    def fields(self) -> dict[str, str]:
        return {"x-amz-request-id": self.request, "x-amz-id-2": self.host}


def new_ids(random: Callable[[int], bytes] = secrets.token_bytes) -> Ids:
    """Fresh ids; `random` gives as many bytes as it is asked for."""
    drawn = random(56)
    return Ids(drawn[:8].hex().upper(), base64.b64encode(drawn[8:]).decode())


def refusal(
    code: S3ErrorCode,
    ids: Ids,
    *,
    details: Iterable[tuple[str, str]] = (),
    fields: Iterable[tuple[str, str]] = (),
) -> Response:
    """S3's XML error. `details` are further elements (name, text), `fields` further headers."""
    kind = KINDS[code]
    elements = [
        ("Code", code.value),
        ("Message", kind.message),
        *details,
        ("RequestId", ids.request),
        ("HostId", ids.host),
    ]
    inner = "".join(f"<{name}>{_text(text)}</{name}>" for name, text in elements)
    body = f'<?xml version="1.0" encoding="UTF-8"?>\n<Error>{inner}</Error>'
    headers = ids.fields | dict(fields)
    return Response(body, kind.status, headers=headers, media_type="application/xml")


def _text(text: str) -> str:
    """Text without what XML 1.0 §2.2 forbids; keys are chosen by strangers."""
    return escape(_NOT_XML.sub("\ufffd", text))
