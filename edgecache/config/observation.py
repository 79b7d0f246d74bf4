"""Model of logs and traces: the access log, distributions' logs, what is told of traces.

CloudFront API reference, LoggingConfig. No secret stands here: a node signs with its own.
"""

from __future__ import annotations

import re
from typing import Literal

from edgecache.config.base import GIB, Model
from edgecache.config.origins import REGION_DEFAULT

_S3_DOMAIN = re.compile(r"(.+)\.s3[.-][a-z0-9.-]*amazonaws\.com(?:\.cn)?")


class LogBucket(Model, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A bucket for logs, named as distributions name it: a folder, or in an S3-compatible store.

    `folder` is on each machine that has edges. `endpoint` is the store's URL, asked as
    `ENDPOINT/NAME/KEY`; NAME is `name`, and if that is empty `bucket` up to `.s3.`. Requests are
    signed for `region` with the key pair `credential` of `secrets.json`; empty:
    `AWS_ACCESS_KEY_ID` and `AWS_SECRET_ACCESS_KEY` (and `AWS_SESSION_TOKEN`) of the environment.
    `ca_file` vouches for the store's certificate; empty: what this machine trusts.
    """

    bucket: str
    folder: str = ""
    endpoint: str = ""
    name: str = ""
    region: str = REGION_DEFAULT
    credential: str = ""
    ca_file: str = ""

    @property
    def store_name(self) -> str:
        """What the store calls it."""
        match = _S3_DOMAIN.fullmatch(self.bucket)
        return self.name or (match[1] if match else self.bucket)


class LogDelivery(Model, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How log files reach their buckets. Why the bounds: `settings.py`."""

    interval_s: float = 3_600
    spool_bytes_max: int = GIB
    buckets: tuple[LogBucket, ...] = ()


LogFormat = Literal["standard", "json"]
TraceMode = Literal["ignore", "extract", "inject", "propagate"]


class AccessLogging(Model, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The access log of each process: which lines, and where they go.

    `fields` are those of JSON lines; none: all but cookies. Files are in `logs` of the state
    directory, the standard output is that of who started the processes. Why the bounds:
    `settings.py`.
    """

    formats: tuple[LogFormat, ...] = ("standard",)
    target: Literal["files", "stdout"] = "files"
    fields: tuple[str, ...] = ()
    days_max: float = 30
    bytes_max: int = 10 * GIB


class RealtimeLogStream(Model, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where lines of real-time logs go that name `stream`: an ARN of Kinesis, or any word.

    `to` is `tcp://HOST:PORT`, `unix:/PATH` or `file:/PATH` for lines delimited by tabs, or an
    `http://` or `https://` URL that is posted JSON lines. `ca_file` vouches for the certificate of
    an `https://` one; empty: what this machine trusts.
    """

    stream: str
    to: str
    ca_file: str = ""


class RealtimeLog(Model, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A real-time log: of `sampling_rate` of a hundred requests the `fields`, to a stream.

    Behaviors name it. No fields: all there are but cookies.
    """

    name: str
    stream: str
    sampling_rate: int = 100
    fields: tuple[str, ...] = ()


class Tracing(Model, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What becomes of `traceparent` and `tracestate` of viewers' requests (W3C Trace Context).

    `ignore`: they are fields like any other. `extract`: a viewer's trace is logged and goes on to
    the origin, with a span of ours. `inject`: what goes upstream gets a trace of its own, and a
    viewer's is not believed. `propagate`: a viewer's, else one of its own. Of the traces begun here
    `sampled_share` say to origins that they are sampled. With `amzn_trace_id` requests to origins
    have X-Amzn-Trace-Id, by the rules of an Application Load Balancer.

    With `otlp_endpoint` each tier sends the spans of sampled requests there, as OTLP/HTTP: a URL,
    whose path is `/v1/traces` where it has none. `otlp_headers` maps a name to where its value
    stands: `env:NAME` or `file:PATH`. `otlp_ca_file` is trusted for it in place of the system's.
    """

    context: TraceMode = "ignore"
    sampled_share: float = 1
    amzn_trace_id: bool = False
    otlp_endpoint: str = ""
    otlp_headers: dict[str, str] = {}
    otlp_ca_file: str = ""
