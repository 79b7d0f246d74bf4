"""Messages that are refused: why, with which status, and the bounds they must keep."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class BadReason(StrEnum):
    """Why a message is refused. The word goes to log, counter and test."""

    REQUEST_LINE = "request-line"
    METHOD = "method-unknown"  # a token, but no method we would ever forward
    VERSION = "version"
    TARGET = "target"
    URL_TOO_LONG = "url-too-long"
    STATUS_LINE = "status-line"
    HEAD_TOO_BIG = "head-too-big"
    FIELDS_TOO_MANY = "fields-too-many"
    FIELD = "field-line"  # no colon, a control byte, a folded line, a bare LF
    HOST = "host"
    CONNECTION = "connection-option"  # names a field that every hop needs
    LENGTH = "content-length"
    CODING = "transfer-encoding"
    CODING_UNKNOWN = "transfer-coding-unknown"
    EXPECT = "expectation"
    CHUNK = "chunk"
    CHUNK_OVERHEAD = "chunk-overhead"
    TRAILER = "trailer"
    TRUNCATED = "truncated"


class BadMessage(Exception):
    """A message that is refused: `why`, and the `status` a viewer who sent it should get.

    400, 414, 417, 431, 501, 505, or CloudFront's 494 for a head too big; for a response, 502.
    """

    def __init__(self, why: BadReason, status: int = 400) -> None:
        super().__init__(why)
        self.why = why
        self.status = status


@dataclass(frozen=True, slots=True)
class HeadLimits:
    """Bounds on a head, in bytes and fields."""

    head_bytes_max: int = 32_768  # CloudFront's quota for a request's headers and query
    url_bytes_max: int = 8_192  # CloudFront's quota for a URL
    fields_max: int = 100  # Apache httpd's LimitRequestFields
