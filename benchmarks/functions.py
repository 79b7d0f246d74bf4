"""`python -m benchmarks.functions`: S19, what functions add to a hit.

CPU of an edge per hit of one object that a browser asks for again and again: without a function,
with one at viewer-request, with one at each event, and with one that reads a key value store.
Beside them the bare call of the engine on the same events, in the same run. Bounds: a function adds
at most 1.3 calls of the engine and 5 µs, two add twice that, a read of a store 15 µs more.

All are asked at one rate. As fast as answers come, a plain hit is given faster than a client asks:
the client never sleeps, and no answer wakes it; behind a function it sleeps, and each answer pays
for its waking in the kernel, which would be taken for the function's cost.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
import tomllib
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks.measure import Measuring
from benchmarks.mixes import HOT, Mix, browser
from benchmarks.processes import CLIENT_CORE, BenchmarkError
from benchmarks.results import Figure, Run
from benchmarks.scenarios import Goal, Scenario
from benchmarks.stage import HERE, WITH_FUNCTIONS, Stage, staged
from edgecache.config.functions import FunctionConfig
from edgecache.functions.context import NO_DIGESTS, FunctionContext
from edgecache.functions.event import request_object, response_object
from edgecache.functions.interface import no_store
from edgecache.functions.run_template import RunTemplate
from edgecache.http.head import parse_request_head
from edgecache.http.message import HeadLimits

ENGINE_SHARE, OWN_US, STORE_US = 1.3, 5.0, 15.0
CALLS = 20_000
RATE = 8_000.0  # requests a second; about 80% of a core with two functions
PLAIN, REQUEST, BOTH, STORE = "plain", "request", "both", "store"
PATHS = {PLAIN: HOT, REQUEST: f"/request{HOT}", BOTH: f"/both{HOT}", STORE: f"/store{HOT}"}
GOAL = Goal("cpu_us_per_request", 0.0, "")


def scenario(name: str) -> Scenario:
    """Hits of the hot object by way of that path."""

    def mix(stage: Stage, _server: str) -> Mix:
        path = PATHS[name]
        return Mix((path,), {path: stage.files[HOT]}, (browser(0),))

    return Scenario(f"S19 {name}", name, GOAL, mix, ("edgecache",), WITH_FUNCTIONS)


def functions() -> dict[str, FunctionConfig]:
    """Those of the server, by name."""
    text = (HERE / "peers" / "edgecache-functions.toml").read_text().replace("@origin@", "1")
    declared = tomllib.loads(text)["functions"]
    return {one["name"]: FunctionConfig(name=one["name"], code=one["code"]) for one in declared}


def engine_us(name: str, event_type: str) -> float:
    """Microseconds of CPU of one bare call of the engine: text in, text out."""
    function = functions()[name]
    lines = browser(0).split("\t")
    head = "\r\n".join((f"GET {PATHS[REQUEST]} HTTP/1.1", *lines, "", "")).encode()
    request = parse_request_head(head, HeadLimits(65_536, 8_192, 100), b"http", ("127.0.0.1", 1))
    context = {
        "distributionDomainName": "d.cloudfront.net", "distributionId": "EBENCHMARK0001",
        "eventType": event_type, "requestId": "x" * 56,
    }  # fmt: skip
    event: dict[str, Any] = {"version": "1.0", "context": context, "viewer": {"ip": "127.0.0.1"}}
    event["request"] = request_object(request)
    if event_type == "viewer-response":
        fields = (
            (b"server", b"nginx"), (b"date", b"Tue, 01 Dec 2026 10:00:00 GMT"),
            (b"content-type", b"application/octet-stream"), (b"content-length", b"1024"),
            (b"last-modified", b"Tue, 01 Dec 2026 10:00:00 GMT"), (b"etag", b'"674c3a5e-400"'),
            (b"accept-ranges", b"bytes"),
        )  # fmt: skip
        event["response"] = response_object(200, b"OK", fields)
    template = RunTemplate.of(function, event, None, ("LHR50", "127.0.0.1", ""))
    text = template.text(context["requestId"], "127.0.0.1", time.time()) + NO_DIGESTS
    entry = FunctionContext(function, time.thread_time, no_store).entry
    for _ in range(1_000):
        entry("run", text)
    began = time.thread_time()
    for _ in range(CALLS):
        entry("run", text)
    return (time.thread_time() - began) / CALLS * 1e6


def measured(measuring: Measuring, rate: float) -> dict[str, Figure]:
    """One round: each path at a rate (0: as fast as answers come), and both calls of the engine."""
    figures = {}
    for name in PATHS:
        one = scenario(name)
        figures[name] = (
            measuring.at_rate(one, "edgecache", rate)
            if rate
            else measuring.measured(one, "edgecache")
        )
    figures["engine request"] = Figure(cpu_us_per_request=engine_us("rewrite", "viewer-request"))
    figures["engine response"] = Figure(cpu_us_per_request=engine_us("frames", "viewer-response"))
    return figures


def told(figures: dict[str, Figure]) -> dict[str, float]:
    """Microseconds by name, and how far each is from its bound (below 0: within it)."""
    us = {name: one.cpu_us_per_request or 0.0 for name, one in figures.items()}
    at_request = ENGINE_SHARE * us["engine request"] + OWN_US
    at_response = ENGINE_SHARE * us["engine response"] + OWN_US
    us[f"{REQUEST} over its bound"] = us[REQUEST] - us[PLAIN] - at_request
    us[f"{BOTH} over its bound"] = us[BOTH] - us[PLAIN] - at_request - at_response
    us[f"{STORE} over its bound"] = us[STORE] - us[REQUEST] - STORE_US
    return us


def main() -> int:
    """Run it; 0, or 1 when an answer was not right."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.functions", description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=int, default=3)
    parser.add_argument("--rate", type=float, default=RATE, help="0: as fast as answers come")
    parser.add_argument("--results", type=Path, default=HERE / "results.jsonl")
    options = parser.parse_args()
    os.sched_setaffinity(0, {CLIENT_CORE})
    rounds = []
    try:
        with staged() as stage:
            measuring = Measuring(stage, options.seconds, latency=False)
            for _ in range(options.rounds):
                rounds.append(measured(measuring, options.rate))
                line = "  ".join(f"{name} {us:.1f}" for name, us in told(rounds[-1]).items())
                print(f"µs CPU: {line}", flush=True)
    except BenchmarkError as error:
        print(f"benchmarks: {error}", file=sys.stderr)
        return 1
    every = [told(one) for one in rounds]
    medians = {name: round(median(one[name] for one in every), 1) for name in every[0]}
    print("median: " + "  ".join(f"{name} {us}" for name, us in medians.items()))
    goal = f"plain + {ENGINE_SHARE} x engine + {OWN_US:g} µs; store {STORE_US:g} µs more"
    goal += f" at {options.rate:g}/s" if options.rate else ""
    Run(options.results, options.seconds).append("S19", goal, rounds, {"median_us": medians})
    return 0


if __name__ == "__main__":
    sys.exit(main())
