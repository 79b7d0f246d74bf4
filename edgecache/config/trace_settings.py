"""Traces of requests, as the configuration has them: what is sent on, and where spans go."""

from __future__ import annotations

from typing import Literal

from edgecache.config.base import Model

TraceMode = Literal["ignore", "extract", "inject", "propagate"]


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
