"""Transcripts of wired edges: all that can be seen of one that went through some steps."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any

from edgecache.cache.tier import Tier
from edgecache.config.model import Behavior, CachePolicy, Config, Distribution, Origin, Selection
from edgecache.http.dates import format_date
from tests.world.wired import BEGAN, WiredEdge, WiredViewer

IDS = re.compile(rb"[\w-]{54}==")
DATE = format_date(BEGAN)
ASK = b"Host: site.test\r\nUser-Agent: tests\r\n\r\n"


def config(**behavior: Any) -> Config:
    """One distribution with two behaviors, which answers to site.test."""
    whole: dict[str, Any] = {"semantics": behavior.pop("semantics", "cloudfront")}
    whole |= behavior.pop("site", {})
    policy = CachePolicy(query_strings=Selection(behavior="all"))
    every: dict[str, Any] = {"origin": "o", "cache_policy": policy} | behavior
    made = Behavior(**every)
    other = Behavior(origin="o", path_pattern="/other/*")
    origin = Origin(id="o", domain_name="origin.test", **whole.pop("origin", {}))
    site = Distribution(
        id="EPLANS", aliases=("site.test",), origins=(origin,), default_behavior=made,
        behaviors=(other,), **whole,
    )  # fmt: skip
    return Config(distributions=(site,))


def response(*lines: bytes, body: bytes = b"body", status: bytes = b"200 OK") -> bytes:
    """A response with a length and a date, and these lines."""
    head = [b"HTTP/1.1 " + status, b"Content-Length: %d" % len(body), b"Date: " + DATE, *lines]
    return b"\r\n".join(head) + b"\r\n\r\n" + body


def get(path: str, block: bytes = ASK, method: str = "GET") -> bytes:
    return f"{method} {path} HTTP/1.1\r\n".encode() + block


def transcript(
    edge: WiredEdge, steps: Sequence[Callable[[WiredEdge, dict[str, WiredViewer]], None]]
) -> dict[str, object]:
    """All that can be seen of an edge that went through some steps."""
    viewers: dict[str, WiredViewer] = {}
    for step in steps:
        step(edge, viewers)
    edge.advance(1)
    told = {
        "written": {name: IDS.sub(b"ID", bytes(one.received)) for name, one in viewers.items()},
        "ended": {name: one.ended for name, one in viewers.items()},
        "heard": [IDS.sub(b"ID", head) for head in edge.heard],
        "log": IDS.sub(b"ID", bytes(edge.log)).split(b"\n"),
        "stored": stored(edge, edge.tier),
        "memory": edge.tier.store.size_bytes,
    }
    if edge.peered:
        told["inner"] = stored(edge, edge.regional)
    snapshot = edge.counters.snapshot()
    told["counted"] = (snapshot["totals"], snapshot["words"], snapshot["histograms"])
    for viewer in viewers.values():
        edge.inside(viewer.transport.close)
    edge.close()
    return told


def stored(edge: WiredEdge, tier: Tier) -> list[object]:
    """The entries of a store, and what they mean."""
    (site,) = edge.listener.frontend.table.by_id.values()
    route = site.behaviors[-1][1]
    return [
        (one.key, one.head, one.body, one.selected, one.tags, one.mark, one.assessment(route))
        for one in sorted(tier.store, key=lambda entry: entry.key)
    ]


def sends(name: str, data: bytes) -> Callable[[WiredEdge, dict[str, WiredViewer]], None]:
    """A step: the viewer of that name sends bytes; a new one connects."""

    def step(edge: WiredEdge, viewers: dict[str, WiredViewer]) -> None:
        if name not in viewers:
            viewers[name] = edge.viewer(("192.0.2.1", 40_000 + len(viewers)))
        edge.sends(viewers[name], data)

    return step


KEPT = b"Cache-Control: max-age=60"


def same(
    config_of: Callable[[], Config], answer: Callable[[bytes], list[bytes] | None],
    steps: Sequence[Callable[[WiredEdge, dict[str, WiredViewer]], None]], **settings: Any,
) -> tuple[dict[str, object], int]:  # fmt: skip
    """The transcript, which is the same with plans and without; and how many there were."""
    with_plans = WiredEdge(config_of(), answer, plans=True, **settings)
    told = transcript(with_plans, steps)
    assert told == transcript(WiredEdge(config_of(), answer, plans=False, **settings), steps)
    return told, with_plans.plans.begun
