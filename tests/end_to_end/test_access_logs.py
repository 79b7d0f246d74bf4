"""Access logs of real processes: other tools read them, files may be taken away, nobody waits."""

from __future__ import annotations

import json
import re
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.end_to_end.installation import Up, make_installation, start_up
from tests.end_to_end.log_files import log_files, log_records, log_text
from tests.end_to_end.processes import EDGECACHE, listens, wait_for
from tests.end_to_end.test_records import requests_told
from tests.end_to_end.viewers import curl

BOTH = """
[access_log]
formats = ["standard", "json"]
fields = ["x-edge-request-id", "sc-status", "cs-uri-stem", "cs(Cookie)", "origin-fbl", "origin-lbl",
  "origin-id", "origin-status", "cache-behavior-path-pattern", "distribution-id", "reason", "node"]

"""


@pytest.fixture(scope="module")
def logged(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Up]:
    """Two locations and a regional cache that write both formats to files."""
    installation = make_installation(tmp_path_factory.mktemp("logged"), workers=1)
    installation.write(more=BOTH)
    running = start_up(installation)
    yield running
    assert running.process.stop() == 0, running.process.stderr


def folder(up: Up) -> Path:
    return up.installation.state / "logs"


def standard(up: Up, process: str = "edge") -> list[list[str]]:
    """The standard lines of processes, in whatever files they are."""
    return log_records(folder(up), process)


def written(up: Up) -> list[tuple[str, str]]:
    """Of each file that edges write to, or have: its process, and the unique part of its name."""
    names = [path.name.split(".") for path in log_files(folder(up), "edge")]
    return [(name[0], name[2]) for name in names if not name[-1].isdigit()]


def asks(up: Up, count: int) -> list[str]:
    """So many requests to both locations; their ids."""
    urls = (up.lhr, up.nrt)
    answers = [curl(f"{urls[n % 2]}/index.html", "-b", "a=1", "-A", "a b") for n in range(count)]
    return [answer.fields["x-amz-cf-id"] for answer in answers]


def test_what_we_ask_ourselves_is_in_no_log_and_no_metric(logged: Up) -> None:
    """First of all: nobody has asked for anything yet."""
    wait_for("every node has reported", lambda: len(logged.asked_control("/nodes")["nodes"]) == 3)
    assert requests_told(logged) == 0
    assert standard(logged) == standard(logged, "regional") == []
    assert (
        "edgecache_requests_total{"
        not in curl(f"{logged.installation.control}/metrics").body.decode()
    )


def test_goaccess_and_jq_read_every_line(logged: Up) -> None:
    ids = set(asks(logged, 20)) | {curl(f"{logged.lhr}/nothing").fields["x-amz-cf-id"]}

    def said() -> list[list[str]]:
        return [line for line in standard(logged) if line[14] in ids]

    wait_for("a line for each request", lambda: len(said()) == len(ids))
    assert {len(line) for line in said()} == {35}
    assert {line[12] for line in said()} == {"-"}  # cookies are for who names them
    sheet = folder(logged).parent / "all.log"
    sheet.write_text(log_text(folder(logged), "edge"))
    report = folder(logged).parent / "report.json"
    command = ["goaccess", str(sheet), "--log-format=CLOUDFRONT", "--no-global-config"]
    subprocess.run([*command, "-o", str(report)], check=True, capture_output=True)
    general = json.loads(report.read_text())["general"]
    assert (general["valid_requests"], general["failed_requests"]) == (len(ids), 0)
    read = subprocess.run(
        ["jq", "-c", "."],
        input=log_text(folder(logged), "edge", "json"),
        check=True,
        capture_output=True,
        text=True,
    )
    told = [json.loads(line) for line in read.stdout.splitlines()]
    assert {one["x-edge-request-id"] for one in told} == ids
    assert {one["cs(Cookie)"] for one in told if one["sc-status"] == "200"} == {"a=1"}
    miss = next(one for one in told if one["origin-status"] == "200")
    assert (miss["origin-id"], miss["reason"], miss["distribution-id"]) == (
        "regional", "absent", "ESITE",
    )  # fmt: skip
    assert float(miss["origin-lbl"]) >= float(miss["origin-fbl"]) >= 0
    lines = log_text(folder(logged), "regional", "json").splitlines()
    regional = [json.loads(line) for line in lines]
    assert {one["origin-id"] for one in regional if one["origin-status"] == "200"} == {"bucket"}


def test_no_line_is_lost_or_doubled_when_files_are_taken_and_processes_replaced(
    logged: Up,
) -> None:
    before = {line[14] for line in standard(logged)}
    ids = asks(logged, 6)
    for path in list(folder(logged).glob("edge*.log")):  # as logrotate does
        path.rename(path.with_name(path.name + ".1"))
    logged.process.signal(signal.SIGUSR1)
    ids += asks(logged, 6)
    wait_for("files anew", lambda: len(set(written(logged))) == 2)
    assert logged.installation.run("upgrade")[0] == 0
    ids += asks(logged, 6)

    def said() -> list[str]:
        return [line[14] for line in standard(logged) if line[14] not in before]

    wait_for("a line for each request", lambda: len(said()) >= len(ids))
    assert sorted(said()) == sorted(ids)
    files = written(logged)
    hours = {path.name.split(".")[1] for path in log_files(folder(logged), "edge")}
    assert len(set(files)) == 2  # whatever was started
    assert len(files) <= 2 * len(hours)
    headers = log_text(folder(logged), "edge").count("#Version")
    assert headers == len(log_files(folder(logged), "edge"))


def test_a_reader_that_does_not_read_keeps_no_viewer_waiting(tmp_path: Path) -> None:
    """64 KiB fit into the pipe; the rest is dropped, and counted. It ends all the same."""
    site = tmp_path / "site"
    site.mkdir()
    installation = make_installation(site, workers=1)
    text = installation.config.read_text().replace("[regional]", "[spare]")
    start, _, rest = text.partition("[spare]")
    rest = rest[rest.index("[[locations]]") :]
    log = '[access_log]\nformats = ["json"]\ntarget = "stdout"\n\n'
    installation.config.write_text(start + log + rest)
    errors = tmp_path / "errors"
    with errors.open("wb") as stderr:
        running = subprocess.Popen(
            [*EDGECACHE, "up", "--config", str(installation.config)], cwd=site,
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=stderr,
        )  # fmt: skip
    try:
        url = f"http://127.0.0.1:{installation.ports.lhr}/index.html"
        # First the origin: answers of an edge without one would fill the pipe.
        wait_for("the bucket listens", lambda: listens(installation.ports.bucket))
        wait_for("it serves", lambda: curl(url).status == 200)
        wrk = subprocess.run(
            ["wrk", "-t1", "-c8", "-d1s", url], capture_output=True, text=True, check=True
        )
        answered = re.search(r"(\d+) requests in", wrk.stdout)
        assert answered is not None
        assert int(answered[1]) > 500, wrk.stdout  # far more than lines that fit
        assert curl(url).status == 200
        running.terminate()
        assert running.wait(60) == 0, errors.read_text()
        assert running.stdout is not None
        with running.stdout as read:
            lines = read.read().splitlines(keepends=True)
    finally:
        running.kill()
        running.wait()
    whole = [json.loads(line) for line in lines if line.endswith(b"\n")]
    assert {one["sc-status"] for one in whole} >= {"200"}
    assert not installation.left_running()
