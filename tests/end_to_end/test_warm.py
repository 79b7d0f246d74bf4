"""An edge that was warmed by a list asks its origin once for each, and not again."""

from __future__ import annotations

import http.client
import json
import subprocess
from pathlib import Path
from typing import Any

from tests.end_to_end.lone_edge import HOST, start_lone_edge, start_origin
from tests.end_to_end.processes import EDGECACHE

SIZES = (1_000, 2_000, 3_000, 4_000)


def given(origin: int) -> int:
    """The bytes that the origin has given away."""
    asked = http.client.HTTPConnection("127.0.0.1", origin)
    asked.request("GET", "/told")
    answer = asked.getresponse().read()
    asked.close()
    return int(answer)


def warmed(folder: Path, port: int) -> dict[str, Any]:
    command = [*EDGECACHE, "warm", "--list", "urls.txt", "--at", f"127.0.0.1:{port}", "--json"]
    command += ["--rate", "200"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    told: dict[str, Any] = json.loads(done.stdout)
    return told


def test_an_origin_is_asked_once(tmp_path: Path) -> None:
    process, origin = start_origin(tmp_path)
    edge = start_lone_edge(tmp_path, origin, 64)
    lines = [f"http://{HOST}/a?{size}" for size in SIZES]
    (tmp_path / "urls.txt").write_text("\n".join(lines))
    first = warmed(tmp_path, edge.plain)
    assert (first["filled"], first["stayed"], first["requests"]) == (4, 0, 8)
    assert first["bytes"] == given(origin) == sum(SIZES)
    second = warmed(tmp_path, edge.plain)
    assert (second["hit"], second["requests"]) == (4, 4)
    assert given(origin) == sum(SIZES)
    edge.process.stop()
    process.stop()
