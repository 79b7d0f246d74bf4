"""An edge that runs alone is upgraded, drained and let in again under load; no request is lost."""

from __future__ import annotations

from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path

import pytest

from tests.end_to_end.lone_edge import HOST, LoneEdge, start_lone_edge, start_origin
from tests.end_to_end.processes import Running, children, run, wait_for
from tests.end_to_end.traffic import Plan, Traffic
from tests.end_to_end.viewers import curl

PAGES = ("/small?300", "/page?20000")
LARGE = "/large?3000000"


@pytest.fixture
def edge(tmp_path: Path) -> Iterator[LoneEdge]:
    origin, port = start_origin(tmp_path)
    made = start_lone_edge(tmp_path, port, 64)
    yield made
    assert made.process.stop() == 0, made.process.stderr
    origin.stop()


def body(edge: LoneEdge, target: str) -> bytes:
    return curl(f"http://127.0.0.1:{edge.plain}{target}", "-H", f"Host: {HOST}").body


def plan(edge: LoneEdge) -> Plan:
    pages = {target: body(edge, target) for target in PAGES}
    large = sha256(body(edge, LARGE)).hexdigest()
    return Plan((edge.plain,), pages, 200, 0.2, LARGE, large, 2, host=HOST)


def ask(process: Running, *arguments: str) -> str:
    """What a command says that asks for this edge; AssertionError when it failed."""
    code, said, wrong = run(*arguments, "--config", "edge.toml", folder=process.out.parent)
    assert code == 0, wrong
    return said.strip()


def test_an_edge_that_runs_alone_is_upgraded(edge: LoneEdge) -> None:
    before = edge.worker
    with Traffic(plan(edge)) as traffic:
        traffic.more(50)
        assert ask(edge.process, "upgrade") == "edge-LHR50: upgraded: 1 processes"
        traffic.more(50)
    assert traffic.failures == []
    assert traffic.downloaded
    wait_for("the former process is gone", lambda: before not in children(edge.process.pid))
    assert edge.worker != before
