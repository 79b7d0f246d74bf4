"""Spans of real processes: sent to a collector, joined through the tiers, found by exemplars."""

from __future__ import annotations

import socketserver
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler
from typing import Any

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from prometheus_client.openmetrics.parser import text_string_to_metric_families

from tests.end_to_end.installation import Up, make_installation, start_up
from tests.end_to_end.processes import wait_for
from tests.end_to_end.viewers import curl

TRACE = "4bf92f3577b34da6a3ce929d0e0e{:04x}"
SPAN = "00f067aa0ba902b7"
TRACING = """
[tracing]
context = "propagate"
sampled_share = 1
otlp_endpoint = "http://127.0.0.1:{port}"
otlp_headers = {{ Authorization = "file:token" }}

"""
OPENMETRICS = "application/openmetrics-text; version=1.0.0"


class Collector:
    """Takes spans of any number of processes, or hangs."""

    def __init__(self) -> None:
        self.spans: list[tuple[dict[str, str], Any]] = []  # each with its resource
        self.authorizations: set[str | None] = set()
        self.hangs = False
        self.ends = threading.Event()
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                content = self.rfile.read(int(self.headers["content-length"]))
                if outer.hangs:
                    outer.ends.wait(60)
                    return
                outer.authorizations.add(self.headers["authorization"])
                outer.take(content)
                self.send_response(200)
                self.send_header("content-length", "0")
                self.end_headers()

            def log_message(self, *_: object) -> None: ...

        self.server = socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.port = self.server.server_address[1]
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def take(self, content: bytes) -> None:
        """Read what a process sends, as OpenTelemetry does."""
        for of in ExportTraceServiceRequest.FromString(content).resource_spans:
            whose = {one.key: one.value.string_value for one in of.resource.attributes}
            for scope in of.scope_spans:
                self.spans += [(whose, span) for span in scope.spans]

    def of(self, trace: str) -> dict[tuple[str, int], Any]:
        """The spans of a trace, by tier and kind."""
        found = [one for one in self.spans if one[1].trace_id.hex() == trace]
        return {(whose["edgecache.tier"], span.kind): span for whose, span in found}


@pytest.fixture(scope="module")
def collector() -> Iterator[Collector]:
    made = Collector()
    yield made
    made.ends.set()
    made.server.shutdown()
    made.server.server_close()


@pytest.fixture(scope="module")
def up(collector: Collector, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Up]:
    """Two locations and a regional cache that send spans."""
    made = make_installation(tmp_path_factory.mktemp("spans"), workers=1)
    (made.folder / "token").write_text("Bearer of-a-file\n")
    made.write(more=TRACING.replace("{port}", f"{collector.port}"))
    running = start_up(made)
    yield running
    assert running.process.stop() == 0, running.process.stderr


def ask(url: str, number: int) -> int:
    parent = f"00-{TRACE.format(number)}-{SPAN}-01"
    return curl(url, "--header", f"traceparent: {parent}").status


def test_a_miss_is_a_tree_through_both_tiers(up: Up, collector: Collector) -> None:
    assert ask(f"{up.lhr}/index.html?spans", 1) == 200
    trace = TRACE.format(1)
    tiers = [("edge", 2), ("edge", 3), ("regional", 2), ("regional", 3)]
    wait_for("spans of all tiers", lambda: [*sorted(collector.of(trace))] == tiers)
    edge, asked, regional, origin = (collector.of(trace)[key] for key in tiers)
    assert edge.parent_span_id.hex() == SPAN
    assert asked.parent_span_id == regional.parent_span_id == edge.span_id
    assert origin.parent_span_id == regional.span_id
    assert edge.start_time_unix_nano <= asked.start_time_unix_nano
    assert origin.end_time_unix_nano <= regional.end_time_unix_nano + 2_000_000
    said = {one.key: one.value for one in regional.attributes}
    assert said["url.path"].string_value == "/index.html"
    assert said["edgecache.reason"].string_value == "absent"
    assert collector.authorizations == {"Bearer of-a-file"}


def test_an_exemplar_leads_to_a_span(up: Up, collector: Collector) -> None:
    for number in range(2, 12):
        assert ask(f"{up.lhr}/index.html?exemplar", number) == 200

    def shown() -> list[tuple[float, Any]]:
        url, accept = f"{up.installation.control}/metrics", f"accept: {OPENMETRICS}"
        answer = curl(url, "--unix-socket", str(up.installation.socket), "--header", accept)
        assert answer.fields["content-type"].startswith("application/openmetrics-text")
        text = answer.body.decode()
        families = text_string_to_metric_families(text)  # type: ignore[no-untyped-call]
        return [
            (float(one.labels["le"]), one.exemplar)
            for family in families
            if family.name == "edgecache_time_taken_seconds"
            for one in family.samples
            if one.exemplar and one.labels["tier"] == "edge"
        ]

    wait_for("exemplars", shown)
    found = shown()

    def known() -> dict[tuple[str, str], Any]:
        return {(span.trace_id.hex(), span.span_id.hex()): span for _, span in collector.spans}

    named = {(one.labels["trace_id"], one.labels["span_id"]) for _, one in found}
    wait_for("spans of all exemplars", lambda: named <= known().keys())  # sent a batch later
    for bound, exemplar in found:
        span = known()[exemplar.labels["trace_id"], exemplar.labels["span_id"]]
        taken_s = (span.end_time_unix_nano - span.start_time_unix_nano) / 1e9
        assert taken_s == pytest.approx(exemplar.value, abs=0.0011)
        assert exemplar.value <= bound


def test_a_collector_that_hangs_changes_nothing_for_viewers(up: Up, collector: Collector) -> None:
    collector.hangs = True
    answers = [curl(f"{up.lhr}/index.html?{n % 3}") for n in range(30)]
    assert {answer.status for answer in answers} == {200}
    collector.hangs = False
    collector.ends.set()
