"""What the processes tell: one record for each request, sums over processes, who is alive."""

from __future__ import annotations

from prometheus_client.parser import text_string_to_metric_families

from tests.end_to_end.installation import PLAYED, TREE, Up
from tests.end_to_end.log_files import log_records
from tests.end_to_end.processes import wait_for
from tests.end_to_end.viewers import curl

COUNT = 12


def requests_told(up: Up) -> float:
    """Requests answered by the edges, as /metrics has them."""
    text = curl(f"{up.installation.control}/metrics").body.decode()
    samples = [
        sample
        for family in text_string_to_metric_families(text)
        for sample in family.samples
        if sample.name == "edgecache_requests_total"
    ]
    places = ("LHR50", "NRT57")
    return sum(sample.value for sample in samples if sample.labels["location"] in places)


def records(up: Up) -> list[list[str]]:
    """The edges' log lines, each split at its tabs."""
    return log_records(up.installation.state / "logs", "edge-")


def test_the_log_has_each_request_and_metrics_their_sum(up: Up) -> None:
    """Processes log and report each second, so both are awaited; neither may have more."""
    stem = "/told-of"
    for url in (up.lhr, up.nrt):
        for host in ("127.0.0.1", TREE, PLAYED):
            for _ in range(COUNT):
                curl(f"{url}{stem}", "-H", f"Host: {host}", "-A", "a viewer")
    made = 2 * 3 * COUNT

    def mine() -> list[list[str]]:
        return [fields for fields in records(up) if fields[7] == stem]

    wait_for("each request in the log", lambda: len(mine()) == made)
    wait_for("as many in /metrics", lambda: requests_told(up) == len(records(up)))
    assert {len(fields) for fields in records(up)} == {35}
    assert {(fields[4], fields[5], fields[10]) for fields in mine()} == {
        ("127.0.0.1", "GET", "a%20viewer")
    }
    assert len({fields[14] for fields in mine()}) == made


def test_control_knows_every_node(up: Up) -> None:
    told = up.asked_control("/nodes")
    names = {"edge-LHR50-1", "edge-LHR50-2", "edge-NRT57-1", "regional"}
    assert {node["name"] for node in told["nodes"]} == names
    for node in told["nodes"]:
        assert node["alive"]
        assert node["generation"] == told["generation"]
        assert node["pid"] == up.pid(node["name"])
    assert up.asked_control("/health") == {"status": "ok"}


def test_the_line_of_json_says_what_runs_where(up: Up) -> None:
    ports = up.installation.ports
    assert up.told["control"] == f"http://127.0.0.1:{ports.control}"
    assert up.told["locations"] == {
        "LHR50": f"http://127.0.0.1:{ports.lhr}",
        "NRT57": f"http://127.0.0.1:{ports.nrt}",
    }
    assert [node["role"] for node in up.told["nodes"]] == [
        *("control", "origin", "regional"),
        *("edge", "edge", "edge"),
    ]
    assert up.process.stdout.count("\n") == 1
