"""Faults around the processes, with traffic all the while: no wrong byte, no death, soon well."""

from __future__ import annotations

import contextlib
import fcntl
import os
import resource
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.end_to_end.installation import Up, make_installation, start_up
from tests.end_to_end.probe import BACK_S_MAX, Probes, with_a_start
from tests.end_to_end.processes import EDGECACHE, Running, cpu_s, wait_for
from tests.end_to_end.renewals import plan
from tests.end_to_end.traffic import Traffic
from tests.end_to_end.viewers import curl
from tests.measurements import tell

pytestmark = pytest.mark.alone

WELL = 100  # answers in a row without a failure
STARVED_S = 2.0
BUSY_MAX = 0.6  # of a core while descriptors are short; a loop that spins takes all of one


@pytest.fixture(scope="module")
def faulty(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Up]:
    """An installation of its own."""
    running = start_up(make_installation(tmp_path_factory.mktemp("faulty")))
    yield running
    assert running.process.stop() == 0, running.process.stderr
    assert "Traceback" not in running.process.stderr, running.process.stderr
    assert not running.installation.left_running()


@pytest.fixture(scope="module")
def traffic(faulty: Up) -> Iterator[Traffic]:
    with Traffic(plan(faulty, download_s=3, per_s=100)) as running:
        running.well(WELL)
        yield running
    assert running.wrong == []


@pytest.fixture(scope="module")
def probes(faulty: Up, traffic: Traffic) -> Iterator[Probes]:
    with Probes(traffic.plan.ports, traffic.plan.pages) as running:
        yield running


def pid_of(up: Up, name: str) -> int:
    """By its command line: control itself may be the one that is away."""
    words = {"control": "control", "origin": "origin", "regional": "regional"}
    for pid in up.installation.left_running():
        command = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
        if name in words and words[name].encode() in command[:4]:
            return pid
        if name not in words and b"--worker" in command and name.encode() in command:
            return pid
    raise AssertionError(f"{name} does not run")


@contextlib.contextmanager
def stopped(pid: int) -> Iterator[None]:
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)


@contextlib.contextmanager
def limited(pid: int, which: int, most: int) -> Iterator[None]:
    """A process may have no more of something for a while."""
    soft, hard = resource.prlimit(pid, which)
    resource.prlimit(pid, which, (most, hard))
    try:
        yield
    finally:
        resource.prlimit(pid, which, (soft, hard))


def _hits(url: str) -> bool:
    answer = curl(url)
    return answer.status == 200 and "hit" in answer.fields.get("cache-status", "")


@pytest.fixture(autouse=True)
def well(faulty: Up, traffic: Traffic) -> None:
    """One fault at a time: control has been heard again, and what was asked for is here."""
    traffic.well(WELL)
    bucket = f"http://127.0.0.1:{faulty.installation.ports.bucket}/"
    wait_for("the origin answers", lambda: curl(bucket).status > 0)
    pages = [f"{url}{path}" for url in (faulty.lhr, faulty.nrt) for path in ("/", "/about.html")]
    wait_for("hits", lambda: all(map(_hits, pages)))


@pytest.mark.parametrize("name", ["LHR50", "NRT57", "regional", "control", "origin"])
def test_killed(name: str, faulty: Up, traffic: Traffic, probes: Probes) -> None:
    """kill -9: whoever it was is there again, and what it did not say was never said wrong."""
    pid = pid_of(faulty, name)
    before, most_s = len(traffic.failures), with_a_start()
    with probes.recover(f"{name} is killed", most_s):
        os.kill(pid, signal.SIGKILL)
    wait_for("a successor", lambda: _other(faulty, name, pid))
    traffic.well(WELL)
    assert traffic.wrong == []
    if name in ("control", "regional", "origin"):
        # No viewer is connected to it; those of an origin's had copies, or waited for one more try.
        assert traffic.failures[before:] == []


def _other(up: Up, name: str, pid: int) -> bool:
    try:
        return pid_of(up, name) != pid
    except (AssertionError, OSError):
        return False


@pytest.mark.parametrize("name", ["LHR50", "regional", "control", "origin"])
def test_stopped(name: str, faulty: Up, traffic: Traffic, probes: Probes) -> None:
    """SIGSTOP: what the edges have is served; what they lack comes from wherever it is."""
    before = len(traffic.failures)
    with probes.recover(f"{name} is stopped"), stopped(pid_of(faulty, name)):
        traffic.more(3 * WELL)
        if name == "regional":
            for path in ("/assets/site.css", "/robots.txt?a", "/assets/site.css"):
                assert curl(f"{faulty.nrt}{path}").status == 200
    traffic.well(WELL)
    assert traffic.failures[before:] == []


def test_control_is_gone_for_longer_than_its_leases(
    faulty: Up, traffic: Traffic, probes: Probes
) -> None:
    """Each hit is validated meanwhile; once control is back, hits are hits again, and soon."""
    before = len(traffic.failures)
    with probes.recover("control is gone"):
        with stopped(pid_of(faulty, "control")):
            wait_for("leases run out", lambda: not _hits(f"{faulty.nrt}/robots.txt"))
        began = time.monotonic()
        wait_for("hits", lambda: _hits(f"{faulty.nrt}/robots.txt"), BACK_S_MAX)
        tell(f"hits {time.monotonic() - began:.2f} s after control is back")
    assert traffic.failures[before:] == []


def test_the_regional_cache_comes_back_empty(faulty: Up, traffic: Traffic, probes: Probes) -> None:
    """Neither memory nor disk: edges go on with what they have, and fill it again."""
    pid, before = pid_of(faulty, "regional"), len(traffic.failures)
    with probes.recover("the regional cache comes back empty"):
        os.kill(pid, signal.SIGSTOP)
        shutil.rmtree(faulty.installation.state / "disk" / "regional")
        os.kill(pid, signal.SIGKILL)
        wait_for("a successor", lambda: _other(faulty, "regional", pid))
    numbers = iter(range(10_000))

    def asked() -> bool:
        """A page that nobody has yet."""
        name = f"new-{next(numbers)}.txt"
        (faulty.installation.folder / "bucket" / name).write_text(name)
        answer = curl(f"{faulty.nrt}/{name}")
        assert answer.body == name.encode()
        return answer.fields.get("cache-status", "").startswith("regional;")

    wait_for("the regional cache is asked", asked)
    assert traffic.failures[before:] == []


def test_a_full_disk_under_the_access_log(faulty: Up, traffic: Traffic, probes: Probes) -> None:
    """Requests go on, what could not be kept is counted, and it is kept again afterwards."""
    before = len(traffic.failures)
    log = _newest_log(faulty, "edge-NRT57-1")
    with probes.recover("the access log's disk is full"), _full(faulty, log.stat().st_size):
        wait_for("records that were lost", lambda: _lost(faulty) > 0)
        traffic.more(WELL)
    size = _newest_log(faulty, "edge-NRT57-1").stat().st_size
    wait_for("the log goes on", lambda: _newest_log(faulty, "edge-NRT57-1").stat().st_size > size)
    assert traffic.failures[before:] == []
    whole = _newest_log(faulty, "edge-NRT57-1").read_bytes()
    assert {line.count(b"\t") for line in whole.splitlines()[2:-1]} == {34}


def _full(up: Up, size: int) -> contextlib.AbstractContextManager[None]:
    return limited(pid_of(up, "NRT57"), resource.RLIMIT_FSIZE, size + 100)


def _newest_log(up: Up, name: str) -> Path:
    logs = (up.installation.state / "logs").glob(f"{name}.*.log")
    return max(logs, key=lambda path: path.stat().st_mtime)


def _lost(up: Up) -> int:
    text = curl(f"{up.installation.control}/metrics").body.decode()
    values = [line for line in text.splitlines() if line.startswith("edgecache_log_dropped_total{")]
    return sum(int(float(line.rpartition(" ")[2])) for line in values)


def test_a_full_disk_under_control(faulty: Up, traffic: Traffic) -> None:
    """What cannot be written down is refused as a whole, and done once it can."""
    installation, before = faulty.installation, len(traffic.failures)
    generation = faulty.asked_control("/nodes")["generation"]
    good = installation.config.read_text()
    try:
        installation.config.write_text(good.replace('id = "ESITE"', 'id = "ESITE"\ncomment = "x"'))
        with limited(pid_of(faulty, "control"), resource.RLIMIT_FSIZE, 0):
            code, out, _ = installation.run("reload")
            assert (code, out) == (2, "")
            assert faulty.asked_control("/nodes")["generation"] == generation
        code, out, _ = installation.run("reload")
        assert (code, out) == (0, f"generation {generation + 1}\n")
    finally:
        installation.config.write_text(good)
    traffic.well(WELL)
    assert traffic.failures[before:] == []


def test_no_descriptors_left(faulty: Up, traffic: Traffic, probes: Probes) -> None:
    """EMFILE: kept connections go on, newcomers are refused without a spin; then all is well."""
    pid = pid_of(faulty, "NRT57")
    open_now = len(list(Path(f"/proc/{pid}/fd").iterdir()))
    with probes.recover("no descriptors are left"), limited(pid, resource.RLIMIT_NOFILE, open_now):
        began, used = time.monotonic(), cpu_s(pid)
        wait_for("a while", lambda: time.monotonic() > began + STARVED_S)
        busy = (cpu_s(pid) - used) / (time.monotonic() - began)
        tell(f"no descriptors are left: {busy:.0%} of a core")
        assert Path(f"/proc/{pid}").exists()
    assert busy < BUSY_MAX, f"{busy:.0%} of a core"
    traffic.well(WELL)
    assert traffic.wrong == []
    assert pid_of(faulty, "NRT57") == pid


def test_a_reader_of_standard_error_that_is_stuck(tmp_path: Path) -> None:
    """The pipe is full before anything starts; a death must be told there, and is not."""
    installation = make_installation(tmp_path, workers=2)
    reading, writing = os.pipe()
    fcntl.fcntl(writing, fcntl.F_SETFL, os.O_NONBLOCK)
    with contextlib.suppress(BlockingIOError):
        while True:
            os.write(writing, b"x" * 4_096)
    os.set_blocking(writing, True)
    out = tmp_path / "up.out"
    with out.open("wb") as stdout:
        command = (*EDGECACHE, "up", "--json", "--config", str(installation.config))
        popen = subprocess.Popen(command, cwd=tmp_path, stdout=stdout, stderr=writing)
    os.close(writing)
    process = Running(popen, out, out)
    try:
        process.until("up is ready", lambda: out.read_text().endswith("\n"))
        up = Up(installation, process, {})
        pid = pid_of(up, "NRT57")
        page = {"/robots.txt": (installation.folder / "bucket" / "robots.txt").read_bytes()}
        with Probes((installation.ports.lhr, installation.ports.nrt), page) as probes:
            most_s = with_a_start()
            with probes.recover("a worker is killed, and nobody reads what is said", most_s):
                os.kill(pid, signal.SIGKILL)
            wait_for("a successor", lambda: _other(up, "NRT57", pid))
    finally:
        assert process.stop() == 0
        os.close(reading)
    assert not installation.left_running()
