"""Faults of an upstream: why there is no usable response, and which status viewers get."""

from __future__ import annotations

from enum import StrEnum
from typing import Self


class Fault(StrEnum):
    """Why an upstream gave no usable response. The word goes to log, counter and Cache-Status."""

    REFUSED = "connect-refused"  # TCP connect refused, reset or unreachable
    TLS = "tls-failed"  # handshake or verification failed
    NAME = "name-failed"  # the name does not resolve
    FORBIDDEN = "address-forbidden"  # it leads to where no origin may be
    CONNECT_TIMEOUT = "connect-timeout"
    RESPONSE_TIMEOUT = "response-timeout"  # no head, or no body byte, for the read timeout
    CLOSED = "closed-early"  # the connection ended before a whole head
    NOT_HTTP2 = "http2-missing"  # it is to be asked by HTTP/2, and does not speak it
    NO_UPGRADE = "upgrade-by-http2"  # a WebSocket to an origin that takes none by HTTP/2
    MALFORMED = "malformed"  # what came is not HTTP as we accept it
    HEAD_TOO_BIG = "head-too-big"
    TRUNCATED = "truncated"  # the body ended before its end
    CHANGED = "changed"  # the rest of the body is of another version
    TOO_BIG = "object-too-big"  # more than CloudFront's quota for an object
    BUSY = "pool-exhausted"  # no connection came free in time
    LOOP = "loop"  # we would ask ourselves
    NO_SECRET = "secret-missing"  # the origin wants a proof that this node has no secret for
    PEER = "peer-refused"  # a tier of ours does not take us for one of its own
    SHIELD = "not-the-shield"  # a regional cache asked another, which is no shield of this origin
    MAINTENANCE = "maintenance"  # its operator says that it is not to be asked
    OPEN = "circuit-open"  # it could not be reached of late, and is left alone for now
    LAMBDA_EXECUTION = "lambda-execution"  # the Lambda function before it did not end well
    LAMBDA_VALIDATION = "lambda-validation"  # it gave what may not be
    LAMBDA_LIMIT = "lambda-limit"  # more of its runs are wanted than there may be


_STATUS = {
    Fault.CONNECT_TIMEOUT: 504,
    Fault.RESPONSE_TIMEOUT: 504,
    Fault.BUSY: 503,
    Fault.OPEN: 503,
    Fault.MAINTENANCE: 503,
    Fault.LOOP: 508,
    Fault.LAMBDA_EXECUTION: 503,
    Fault.LAMBDA_LIMIT: 503,
}
OF_LAMBDA = frozenset({Fault.LAMBDA_EXECUTION, Fault.LAMBDA_VALIDATION, Fault.LAMBDA_LIMIT})
"""What a Lambda function failed at: about the function, and about no origin."""


class UpstreamError(Exception):
    """An upstream failed: `fault` says how, `sent` whether the request may have reached it.

    `heard`: a byte of its answer came.
    """

    def __init__(self, fault: Fault, where: str, *, sent: bool = True, heard: bool = False) -> None:
        super().__init__(f"{where}: {fault}")
        self.fault = fault
        self.where = where
        self.sent = sent
        self.heard = heard

    def again(self) -> Self:
        """The same failure, to be raised for somebody else.

        An instance holds the frames it was raised through, and their requests and connections; one
        that is kept and raised to many would hold those of all.
        """
        other = type(self).__new__(type(self), *self.args)
        other.__dict__.update(self.__dict__)
        return other

    @property
    def status(self) -> int:
        """What a viewer gets when nothing better is at hand (CloudFront: 502, 504, 503)."""
        return _STATUS.get(self.fault, 502)
