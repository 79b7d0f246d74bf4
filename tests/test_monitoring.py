"""Dashboard, alert rules and page of metrics: they parse, name what exists, and fire in time."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from edgecache.control.nodes.installation_metrics import METRICS
from edgecache.observe import metric_families as tables
from tests.metrics_page import page

ROOT = Path(__file__).resolve().parent.parent
CONFIG = ROOT / "config"
DASHBOARD = CONFIG / "grafana" / "edgecache.json"
RULES = CONFIG / "prometheus" / "alerts.yml"
NAME = re.compile(r"\b(?:edgecache|process)_[a-z0-9_]+\b")
VARIABLES = {"$__rate_interval": "5m", "$location": "A.*", "$distribution": "E.*"}
GRAFANA_COLUMNS = 24


def names() -> set[str]:
    """Every metric there can be, as queries name it."""
    found = {"edgecache_memory_bytes"}
    for table in (tables.DISTRIBUTIONS, tables.TOTALS, tables.WORDS, tables.LABELED_COUNTERS):
        found |= {f"edgecache_{one.metric}_total" for one in table.values()}
    for table in (tables.GAUGES, tables.LABELED_GAUGES):
        found |= {f"edgecache_{one.metric}" for one in table.values()}
    histograms = [one.metric for one in METRICS.values() if one.kind == "histogram"]
    for table in (
        tables.DISTRIBUTION_HISTOGRAMS,
        tables.HISTOGRAMS,
        tables.LABELED_HISTOGRAMS,
    ):
        histograms += [one.metric for one in table.values()]
    for name in histograms:
        found |= {f"edgecache_{name}{end}" for end in ("_bucket", "_sum", "_count")}
    for one in METRICS.values():
        found.add(f"edgecache_{one.metric}" + ("_total" if one.kind == "counter" else ""))
    for process in tables.PROCESSES.values():
        found.add(process.metric + ("_total" if process.is_counter else ""))
    return found


def promtool(*arguments: str) -> str:
    if shutil.which("promtool") is None:
        pytest.fail("promtool is missing: apt-get install prometheus")
    run = subprocess.run(["promtool", *arguments], capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stdout + run.stderr
    return run.stdout


def board() -> dict[str, Any]:
    read: dict[str, Any] = json.loads(DASHBOARD.read_text())
    return read


def expressions(board: dict[str, Any]) -> Iterator[str]:
    for panel in board["panels"]:
        for target in panel.get("targets", ()):
            yield target["expr"]
    for note in board["annotations"]["list"]:
        yield note["expr"]
    for variable in board["templating"]["list"]:
        if variable["type"] == "query":
            yield variable["definition"].removeprefix("label_values(").rpartition(",")[0]


@pytest.mark.parametrize("path", [RULES, DASHBOARD, RULES.with_name("alerts.test.yml")])
def test_what_is_asked_for_exists(path: Path) -> None:
    wanted = set(NAME.findall(path.read_text()))
    assert wanted
    assert wanted <= names(), wanted - names()


def test_rules_fire_when_they_are_to_and_not_before() -> None:
    promtool("check", "config", str(RULES.with_name("prometheus.yml")))
    promtool("check", "rules", "--lint-fatal", str(RULES))
    assert "SUCCESS" in promtool("test", "rules", str(RULES.with_name("alerts.test.yml")))
    rules, tests = RULES.read_text(), RULES.with_name("alerts.test.yml").read_text()
    for alert in re.findall(r"- alert: (\w+)", rules):
        assert alert in tests, f"{alert} has no test"


def test_every_expression_of_the_dashboard_is_promql(tmp_path: Path) -> None:
    told = [*expressions(board())]
    for variable, value in VARIABLES.items():
        told = [one.replace(variable, value) for one in told]
    assert not any("$" in one for one in told)
    rules = [
        {"record": f"x:{number}:y".replace("-", "_"), "expr": e} for number, e in enumerate(told)
    ]
    file = tmp_path / "board.yml"
    file.write_text(json.dumps({"groups": [{"name": "board", "rules": rules}]}))
    assert f"{len(told)} rules" in promtool("check", "rules", str(file))


def test_the_dashboard_is_one_that_grafana_takes() -> None:
    made = board()
    assert (made["uid"], made["schemaVersion"]) == ("edgecache", 39)
    assert "id" not in made  # an import gives it one
    panels = made["panels"]
    ids = [panel["id"] for panel in panels]
    assert len(set(ids)) == len(ids)
    sources = {variable["name"] for variable in made["templating"]["list"]}
    assert sources == {"datasource", "location", "distribution"}
    taken: set[tuple[int, int]] = set()
    for panel in panels:
        place = panel["gridPos"]
        assert place["x"] + place["w"] <= GRAFANA_COLUMNS, panel["title"]
        cells = {
            (x, y)
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        }
        assert not cells & taken, f"{panel['title']} lies over another"
        taken |= cells
        if panel["type"] == "row":
            continue
        assert panel["datasource"]["uid"] == "${datasource}"
        refs = [target["refId"] for target in panel["targets"]]
        assert refs, panel["title"]
        assert len(set(refs)) == len(refs)


def test_the_page_is_made_of_the_tables() -> None:
    told = "run: python -m tests.metrics_page > docs/metrics.md"
    assert page() == (ROOT / "docs" / "metrics.md").read_text(), told
