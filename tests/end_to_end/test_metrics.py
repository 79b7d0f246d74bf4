"""Metrics of what runs: promtool and Prometheus read them, and they say what was done."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.end_to_end.installation import Up, make_installation, start_up
from tests.end_to_end.processes import free_ports, start, wait_for
from tests.end_to_end.viewers import curl
from tests.test_monitoring import names

PATH = "/assets/site.css"
SCRAPE = """
global: {{ scrape_interval: 200ms, scrape_timeout: 200ms }}
scrape_configs:
  - job_name: edgecache
    static_configs: [{{ targets: ["{target}"] }}]
"""


@pytest.fixture(scope="module")
def up(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Up]:
    """An installation of its own, where nobody else asks for anything."""
    started = start_up(make_installation(tmp_path_factory.mktemp("metrics"), workers=1))
    yield started
    assert started.process.stop() == 0, started.process.stderr


def scraped(up: Up) -> str:
    answer = curl(f"{up.installation.control}/metrics")
    assert answer.status == 200
    return answer.body.decode()


def value(up: Up, metric: str, **labels: str) -> float:
    """The sum of the series that have these labels; -1 where there is none."""
    values = [
        sample.value
        for family in text_string_to_metric_families(scraped(up))
        for sample in family.samples
        if sample.name == metric and labels.items() <= sample.labels.items()
    ]
    return sum(values) if values else -1


def test_requests_of_a_distribution_are_counted_at_each_tier(up: Up) -> None:
    edge = {"tier": "edge", "location": "LHR50", "distribution": "ESITE"}
    counted: dict[str, tuple[str, dict[str, str], int]] = {
        "hits": ("requests_total", {**edge, "result": "hit", "result_type": "Hit"}, 2),
        "misses": ("requests_total", {**edge, "result": "miss", "result_type": "Miss"}, 1),
        "regional": ("requests_total", {"tier": "regional", "result": "miss"}, 1),
        "statuses": ("responses_total", {**edge, "status_class": "2xx"}, 3),
        "times": ("time_taken_seconds_count", edge, 3),
        "origin": ("origin_responses_total", {"tier": "regional", "status_class": "2xx"}, 1),
        "first byte": ("origin_first_byte_seconds_count", {"tier": "regional"}, 1),
    }

    def told() -> dict[str, float]:
        values = {key: value(up, f"edgecache_{m}", **of) for key, (m, of, _) in counted.items()}
        return {key: max(one, 0) for key, one in values.items()}

    def asked(path: str) -> bytes:
        bodies = [curl(f"{up.lhr}{path}").body for _ in range(3)]
        assert len(set(bodies)) == 1
        return bodies[0]

    body = asked(PATH)
    wait_for("a first report", lambda: told()["hits"] == 2 and told()["origin"] > 0)
    before = told()  # with all that was asked while it started
    asked("/about.html")
    after = {key: before[key] + more for key, (_, _, more) in counted.items()}
    wait_for("each is counted once at each tier", lambda: told() == after)
    assert value(up, "edgecache_bytes_out_total", **edge, result="hit") > 2 * len(body)
    for node in ("control", "regional", "edge-LHR50-1"):
        assert value(up, "process_resident_memory_bytes", node=node) > 10_000_000
        assert value(up, "process_open_fds", node=node) > 3
        assert value(up, "edgecache_build_info", node=node) == 1


def test_stats_has_the_hit_ratio(up: Up) -> None:
    def edge() -> dict[str, Any]:
        code, out, err = up.installation.run("stats", "--distributions", "--json")
        assert (code, err) == (0, "")
        (found,) = [
            one
            for one in json.loads(out)["distributions"]
            if (one["tier"], one["distribution"]) == ("edge", "ESITE")
        ]
        return dict(found)

    assert len({curl(f"{up.lhr}{PATH}").body for _ in range(2)}) == 1
    figures = edge()
    assert figures["hit_ratio"] == round(figures["hits"] / figures["requests"], 4)
    assert 0 < figures["bytes_hit"] < figures["bytes_out"]
    code, out, err = up.installation.run("stats")
    assert (code, err) == (0, "")
    assert f"{figures['hit_ratio']:.1%}" in out


def test_promtool_finds_no_fault(up: Up) -> None:
    text = scraped(up)
    promtool = shutil.which("promtool")
    assert promtool is not None, "apt-get install prometheus"
    done = subprocess.run(
        [promtool, "check", "metrics"], input=text, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    told = {
        sample.name
        for family in text_string_to_metric_families(text)
        for sample in family.samples
        if not sample.name.endswith("_created")
    }
    assert told <= names()


def test_prometheus_scrapes_it(up: Up, tmp_path: Path) -> None:
    program = shutil.which("prometheus")
    assert program is not None, "apt-get install prometheus"
    (port,) = free_ports(1)
    (tmp_path / "prometheus.yml").write_text(
        SCRAPE.format(target=up.installation.control.removeprefix("http://"))
    )
    listen = f"--web.listen-address=127.0.0.1:{port}"
    running = start([program, "--config.file=prometheus.yml", listen], tmp_path, "prometheus")
    query = (
        f'http://127.0.0.1:{port}/api/v1/query?query=sum(edgecache_requests_total{{tier="edge"}})'
    )

    def asked() -> list[Any]:
        answer = curl(query, "--globoff")
        return json.loads(answer.body)["data"]["result"] if answer.status == 200 else []

    (result,) = running.until("a scrape", asked)
    assert float(result["value"][1]) >= 3
    assert running.stop() == 0


def test_what_dies_is_counted_when_it_is_back(up: Up) -> None:
    assert value(up, "edgecache_process_restarts_total", node="edge-NRT57-1") == 0
    os.kill(up.pid("edge-NRT57-1"), signal.SIGKILL)
    wait_for(
        "its successor says so",
        lambda: value(up, "edgecache_process_restarts_total", node="edge-NRT57-1") == 1,
    )


def test_a_file_that_cannot_be_used_is_told_until_it_can(up: Up) -> None:
    good = up.installation.config.read_text()

    def reads(text: str, successful: int) -> None:
        assert value(up, "edgecache_config_last_reload_successful") != successful
        up.installation.config.write_text(text)
        up.process.signal(signal.SIGHUP)
        wait_for(
            "the file was read",
            lambda: value(up, "edgecache_config_last_reload_successful") == successful,
        )

    reads(good + "\n[nonsense]\n", 0)
    reads(good, 1)
