"""`edgecache explain` against what runs: what it says is so, and asking leaves no trace."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from tests.end_to_end.installation import Up, make_installation, start_up
from tests.end_to_end.processes import run, wait_for
from tests.end_to_end.viewers import curl

PATH = "/assets/site.css"


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Up]:
    """An installation of its own, where nobody else asks for anything."""
    started = start_up(make_installation(tmp_path_factory.mktemp("explain")))
    yield started
    assert started.process.stop() == 0, started.process.stderr


def explained(up: Up, path: str, *options: str) -> dict[str, Any]:
    """What `explain --json` tells."""
    code, out, err = up.installation.run("explain", f"{up.lhr}{path}", "--json", *options)
    assert (code, err) == (0, "")
    told: dict[str, Any] = json.loads(out)
    return told


def nodes(told: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """By name, what every process said."""
    return {node["node"]: node for place in told["places"] for node in place["nodes"]}


def requests_counted(up: Up) -> dict[str, float]:
    """Every counter of requests, by its labels."""
    lines = curl(f"{up.installation.control}/metrics").body.decode().splitlines()
    counted = [line.rpartition(" ") for line in lines if line.startswith("edgecache_requests")]
    return {name: float(value) for name, _, value in counted}


def test_a_miss_then_a_hit_with_the_steps_of_its_ttl(running: Up) -> None:
    before = nodes(explained(running, PATH))
    assert set(before) == {"edge-LHR50-1", "edge-LHR50-2", "edge-NRT57-1", "regional"}
    assert {(node["now"], node["why"]) for node in before.values()} == {("fetch", "absent")}

    body = curl(f"{running.nrt}{PATH}").body
    after = nodes(explained(running, PATH))
    assert after["edge-LHR50-1"]["now"] == after["edge-LHR50-2"]["now"] == "fetch"
    for name in ("regional", "edge-NRT57-1"):
        assert (after[name]["now"], after[name]["why"]) == ("hit", "")
        (held,) = after[name]["stored"]
        assert held["answers"] is True
        assert (held["status"], held["body_bytes"]) == (200, len(body))
        assert held["ttl"] == [{"rule": "max-age", "ttl_s": 300, "because": "what the origin says"}]
        assert held["ttl_s"] == 300
        assert 0 < held["ttl_left_s"] <= 300
        assert held["etag"]


def test_asking_is_no_traffic(running: Up) -> None:
    path = "/robots.txt"
    counted = requests_counted(running)
    explained(running, path)
    told = nodes(explained(running, path))
    assert {node["now"] for node in told.values()} == {"fetch"}  # nothing was fetched for it
    curl(f"{running.nrt}{path}")

    def one_more() -> bool:
        return sum(requests_counted(running).values()) > sum(counted.values())

    wait_for("the one request is counted", one_more)
    counted_now = {name: value for name, value in requests_counted(running).items() if value}
    more = sum(counted_now.values()) - sum(counted.values())
    assert more <= 2  # one at the edge, one at the regional cache behind it


def test_a_stranger_is_served_like_anybody(running: Up) -> None:
    for credential in ("", "forged.credential.x"):
        options = ("-H", "Edgecache-Explain: 1", "-H", f"edgecache-peer: {credential}")
        answer = curl(f"{running.nrt}/", *options)
        assert answer.status == 200
        assert answer.fields["content-type"].startswith("text/html")
        assert answer.x_cache in ("Hit", "Miss")


def test_the_tree_is_for_people(running: Up) -> None:
    code, out, err = running.installation.run("explain", f"{running.nrt}{PATH}")
    assert (code, err) == (0, "")
    for line in (
        "distribution ESITE: its name 127.0.0.1, cloudfront",
        "behavior 0: *",
        "origin bucket at",
        "X-Edgecache-Identity: (signed)",
        "2 of 2 workers, each with its own memory",
        "/assets/*",
    ):
        assert line in out, out


def test_what_no_viewer_could_ask_is_refused(running: Up) -> None:
    for arguments in (["ftp://x/"], [f"{running.lhr}/", "-H", "no colon"]):
        code, out, err = running.installation.run("explain", *arguments)
        assert (code, out) == (2, "")
        assert err.startswith("edgecache: ")


def test_control_tells_the_same(running: Up) -> None:
    told = running.asked_control(f"/explain?url={running.lhr}{PATH}&method=HEAD")
    assert told["rules"]["method"] == "HEAD"
    assert told["rules"]["collapses"] is False
    assert told["origin"]["method"] == "HEAD"
    url, local = f"{running.installation.control}/explain", str(running.installation.socket)
    assert curl(url, "--unix-socket", local).status == 400
    assert curl(url).status == 401


def test_without_control_the_file_alone_speaks(running: Up) -> None:
    config = running.installation.folder / "alone.toml"
    config.write_text(
        'state_dir = "alone"\n[[locations]]\nname = "A"\nlisten = "127.0.0.1:1"\n'
        '[[distributions]]\nid = "E"\naliases = ["a.test"]\n'
        'origins = [{ id = "o", domain_name = "127.0.0.1" }]\n'
        'default_behavior = { origin = "o" }\n'
    )
    command = ("explain", "http://a.test/", "-c", str(config))
    code, out, err = run(*command, folder=running.installation.folder)
    assert (code, err) == (0, "")
    assert "from the file alone" in out
    assert "distribution E: its name a.test" in out


def test_the_stores_of_every_process_are_told(running: Up) -> None:
    curl(f"{running.nrt}{PATH}")
    code, out, err = running.installation.run("stats", "--json")
    assert (code, err) == (0, "")
    told = {node["node"]: node for place in json.loads(out) for node in place["nodes"]}
    assert set(told) == {"edge-LHR50-1", "edge-LHR50-2", "edge-NRT57-1", "regional"}
    assert told["edge-NRT57-1"]["budget_bytes"] > told["edge-LHR50-1"]["budget_bytes"] * 0.9
    code, out, err = running.installation.run("objects", "--prefix", "/assets/", "--most-used")
    assert (code, err) == (0, "")
    assert PATH in out
    code, out, err = running.installation.run("objects", "--prefix", "assets")
    assert (code, out) == (2, "")
    assert "is not the start of a path" in err
