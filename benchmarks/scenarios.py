"""The scenarios, and the goal of each: a ratio to a peer in the same run."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from math import inf, isfinite

from benchmarks import mixes
from benchmarks.mixes import Mix
from benchmarks.stage import HTTP3, ONE_TIER, TWO_TIERS, Stage
from benchmarks.viewer import Viewer
from edgecache.rules.private.signer import Signer, SigningTerms, load_private_key

ALL = ("edgecache", "nginx", "varnish")
BESIDE_NGINX = ("edgecache", "nginx")
SIGNED = 10_000
SIGNED_S = 86_400


@dataclass(frozen=True, slots=True)
class Goal:
    """`of` (a Figure's field) of edgecache over that of `to`: at most, or at least, `bound`.

    `to` may be another scenario of ours, and empty for a bound on the figure itself. An infinite
    bound is none: the figure is told.
    """

    of: str
    bound: float
    to: str = "nginx"
    at_least: bool = False

    def said(self) -> str:
        """As a table has it."""
        if not isfinite(self.bound):
            return f"a figure beside {self.to}"
        sign = "≥" if self.at_least else "≤"
        return f"{sign} {self.bound:g}" + (f" × {self.to}" if self.to else "")

    def met(self, value: float) -> bool:
        """Whether a ratio reaches it."""
        return value >= self.bound if self.at_least else value <= self.bound


@dataclass(frozen=True, slots=True)
class Scenario:
    """One line of the table. `mix` makes what is asked of a server, once it is there."""

    name: str
    title: str
    goal: Goal
    mix: Callable[[Stage, str], Mix]
    servers: tuple[str, ...] = ALL
    kind: str = ONE_TIER
    tls: bool = False
    streams: int = 0  # of HTTP/2 on each connection; 0: HTTP/1.1
    hits: bool = True  # every answer is to come from the cache
    filled: bool = False  # beforehand, through another edge
    also: Goal | None = None  # beside the first
    at_rate_of: str = ""  # at half the rate nginx reached there, instead of at full load


def _one(path: str) -> Callable[[Stage, str], Mix]:
    return lambda stage, _: mixes.one(stage.files, path)


def _numbered(prefix: str) -> Callable[[Stage, str], Mix]:
    return lambda stage, _: mixes.numbered(stage.files, prefix)


def _conditional(stage: Stage, _name: str) -> Mix:
    origin = Viewer("origin", stage.origin)
    etag = origin.ask(mixes.HOT, mixes.PLAIN)[1][b"etag"].decode()
    origin.close()
    block = f"{mixes.PLAIN}\tIf-None-Match: {etag}"
    return mixes.one(stage.files, mixes.HOT, blocks=(block,), status=304)


def _signed(stage: Stage, _name: str) -> Mix:
    pem = (stage.folder / "signer.private.pem").read_bytes()
    signer = Signer("KBENCHMARK0001", load_private_key(pem))
    path, before = "/signed/hot", int(time.time()) + SIGNED_S
    targets = []
    for number in range(SIGNED):
        url = f"http://127.0.0.1{path}?n={number}"
        said = signer.parameters(SigningTerms(url, before))
        targets.append(f"{path}?n={number}&" + "&".join(f"{key}={value}" for key, value in said))
    return Mix(targets, dict.fromkeys(targets, stage.files[mixes.HOT]))


CPU, BYTES, P99 = "cpu_us_per_request", "bytes_per_s", "p99_ms"
SCENARIOS = (
    Scenario("S1", "one hot object, 1 KiB", Goal(CPU, 0.7), _one(mixes.HOT)),
    Scenario(
        "S2", "5,000 URLs, 1,000 browsers", Goal(CPU, 0.7), lambda s, _: mixes.pages(s.files)
    ),
    Scenario("S3", "100 KiB objects", Goal(BYTES, 1.2, at_least=True), _one(mixes.MEDIUM)),
    Scenario("S4", "1 MiB objects", Goal(BYTES, 1.8, at_least=True), _one(mixes.LARGE)),
    Scenario("S5", "conditional hits (304)", Goal(CPU, 0.7), _conditional),
    Scenario(
        "S6",
        "64 KiB ranges of 10 MiB",
        Goal(BYTES, 1.0, at_least=True),
        lambda s, _: mixes.ranges(s.files),
    ),
    Scenario("S7", "misses, stored, 2 KiB", Goal(CPU, 0.9), _numbered("/unique/"), hits=False),
    Scenario("S7b", "pass-through, no-store", Goal(CPU, 1.2), _numbered("/pass/"), hits=False),
    Scenario(
        "S8", "misses through two tiers", Goal(CPU, 1.0), _numbered("/unique/8/"), BESIDE_NGINX,
        TWO_TIERS, hits=False,
    ),
    Scenario(
        "S9", "regional hits, edge cold", Goal(CPU, 1.0), _numbered("/unique/9/"), BESIDE_NGINX,
        TWO_TIERS, hits=False, filled=True,
    ),
    Scenario("S10", "S1 over TLS 1.3", Goal(CPU, 1.15), _one(mixes.HOT), BESIDE_NGINX, tls=True),
    Scenario("S11", "10,000 signed URLs", Goal(CPU, 1.3, "S1"), _signed, ("edgecache",)),
    Scenario(
        "S12", "p99 at half nginx's rate, S2", Goal(P99, 1.0), lambda s, _: mixes.pages(s.files),
        at_rate_of="S2",
    ),
    Scenario(
        "S13", "10,000 idle connections", Goal("idle_kib_each", 16, ""), _one(mixes.HOT),
        also=Goal(CPU, 1.1, "S1"),
    ),
    Scenario("S14", "first hit after start", Goal("first_hit_s", 1.0, ""), _one(mixes.HOT)),
    Scenario(
        "S15", "S1 by HTTP/2 over TLS, 10 streams", Goal(CPU, 0.5), _one(mixes.HOT), BESIDE_NGINX,
        tls=True, streams=10,
    ),
    Scenario(
        "S16", "5,000 URLs by HTTP/2 over TLS, 4 streams", Goal(CPU, 0.9),
        lambda s, _: mixes.pages(s.files), BESIDE_NGINX, tls=True, streams=4,
    ),
    Scenario(
        "S17", "1 MiB objects by HTTP/2 over TLS", Goal(BYTES, 1.0, at_least=True),
        _one(mixes.LARGE), BESIDE_NGINX, tls=True, streams=1,
    ),
    Scenario(
        "S18", "S1 by HTTP/3, 4 connections", Goal(CPU, inf, "gtlsserver"), _one(mixes.HOT),
        ("edgecache", "gtlsserver"), HTTP3,
    ),
)  # fmt: skip
