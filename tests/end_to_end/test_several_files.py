"""One installation of a file, `conf.d`, `--set` and the environment: started, and reloaded."""

from __future__ import annotations

import json
import signal
from pathlib import Path

import pytest

from tests.end_to_end.processes import EDGECACHE, free_ports, run, start, wait_for
from tests.end_to_end.scripted_origin import Exchange, PlayedOrigin
from tests.end_to_end.viewers import curl

MAIN = """
state_dir = "${STATE_FOLDER:-state}"

[control]
listen = "127.0.0.1:${CONTROL_PORT}"

[[locations]]
name = "LHR50"
listen = "127.0.0.1:1"
memory_bytes = "${MEMORY}"
workers = 4
"""
SITE = """
[[distributions]]
id = "{id}"
aliases = ["{name}"]
origins = [{{ id = "played", domain_name = "127.0.0.1", http_port = {port} }}]
default_behavior = {{ origin = "played" }}
"""


def test_several_files_run_and_are_reloaded(
    tmp_path: Path, played: PlayedOrigin, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def page(exchange: Exchange) -> None:
        await exchange.answer(4, "max-age=60")
        await exchange.send(b"page")

    played.plays("/several-files", page)
    control, port = free_ports(2)
    parts = tmp_path / "conf.d"
    parts.mkdir()
    (tmp_path / "edgecache.toml").write_text(MAIN)
    (parts / "10-one.toml").write_text(SITE.format(id="E1", name="one.test", port=played.port))
    code, _, error = run("up", folder=tmp_path)
    assert (code, "CONTROL_PORT is not set in the environment" in error) == (2, True)
    monkeypatch.setenv("CONTROL_PORT", str(control))
    monkeypatch.setenv("MEMORY", "64 MiB")
    where = f"locations[LHR50].listen=127.0.0.1:{port}"
    given = ("--set", where, "--set", "locations.LHR50.workers=1")
    up = start((*EDGECACHE, "up", "--json", *given), tmp_path)

    def status(name: str) -> int:
        return curl(f"http://127.0.0.1:{port}/several-files", "-H", f"Host: {name}").status

    try:
        told = json.loads(up.until("up is ready", lambda: up.stdout.strip()))
        nodes = [node["name"] for node in told["nodes"]]
        assert nodes == ["control", "edge-LHR50-1"]
        assert (status("one.test"), status("two.test")) == (200, 403)
        (parts / "20-two.toml").write_text(SITE.format(id="E2", name="two.test", port=played.port))
        up.signal(signal.SIGHUP)
        wait_for("the other site is served", lambda: status("two.test") == 200)
        (parts / "30-bad.toml").write_text("brand = 3")
        up.signal(signal.SIGHUP)
        up.await_said("conf.d/30-bad.toml:1:1: brand: expected text, got 3")
        assert (status("one.test"), status("two.test")) == (200, 200)
    finally:
        assert up.stop() == 0, up.stderr
    assert (tmp_path / "state" / "control.sqlite").exists()
