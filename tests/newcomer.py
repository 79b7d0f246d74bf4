"""The path of somebody new, from a fresh clone: how many minutes to each first success.

`python -m tests.newcomer` clones this repository, runs `make up` as README says, puts a file of its
own in front of a web server, and removes what is stored from another machine (a network namespace;
from another address of this one where there can be none). Seconds are those of commands: reading
takes longer. Exit code 1, and the step's own words, when a step fails.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from tests.end_to_end.machines import Machine, make_machine, remove_machine
from tests.end_to_end.processes import Running, free_ports, listens, start, wait_for

ROOT = Path(__file__).resolve().parents[1]
DEMO_PORTS = ("8070", "8080", "8081", "8090", "8443")
NAME = "www.example.org"
INSTALL_S_MAX = 600


class Journey:
    """A clone, and the seconds that each step took since the beginning."""

    def __init__(self, folder: Path) -> None:
        self.clone = folder / "edgecache"
        self.folder = folder / "mine"
        self.folder.mkdir()
        self.began = time.monotonic()
        self.program = str(self.clone / ".venv" / "bin" / "edgecache")

    def tell(self, step: str) -> None:
        seconds = time.monotonic() - self.began
        print(f"{seconds / 60:5.1f} min  {step}", flush=True)

    def run(self, *command: str, cwd: Path | None = None, **more: str) -> str:
        """What a command prints. CalledProcessError, with its words, when it fails."""
        done = subprocess.run(
            command,
            cwd=cwd or self.folder,
            env={**os.environ, **more},
            text=True,
            capture_output=True,
            check=False,
        )
        if done.returncode:
            raise SystemExit(f"{' '.join(command)}: {done.stdout}{done.stderr}")
        return done.stdout


def answer(port: int, host: str) -> str:
    """X-Cache of the second of two requests."""
    with httpx.Client(headers={"Host": host}) as client:
        url = f"http://127.0.0.1:{port}/"
        client.get(url).raise_for_status()
        return client.get(url).raise_for_status().headers["x-cache"]


@contextmanager
def running(process: Running, ready: Callable[[], bool], deadline_s: float) -> Iterator[None]:
    try:
        wait_for(
            f"it is ready: {process.stderr}", lambda: ready() or not process.alive(), deadline_s
        )
        if not process.alive():
            raise SystemExit(process.stdout + process.stderr)
        yield
    finally:
        process.stop()


def first_hit(journey: Journey) -> None:
    """Clone, `make up`, two requests."""
    journey.run("git", "clone", "--quiet", f"file://{ROOT}", str(journey.clone))
    journey.tell("cloned")
    ports = dict(zip(DEMO_PORTS, free_ports(len(DEMO_PORTS)), strict=True))
    demo = journey.clone / "config" / "demo.toml"
    text = demo.read_text()
    for usual, free in ports.items():
        text = text.replace(f":{usual}", f":{free}").replace(f"= {usual}\n", f"= {free}\n")
    demo.write_text(text)
    process = start(("make", "up"), journey.clone, "demo")
    with running(process, lambda: "Ctrl-C" in process.stdout, INSTALL_S_MAX):
        journey.tell("installed, and the demo runs")
        assert answer(ports["8080"], "localhost").startswith("Hit")
        journey.tell("the first hit")


def own_file(journey: Journey, origin: int, viewers: int, control: int) -> None:
    """`init`, `check`."""
    journey.run(
        *(journey.program, "init", f"--origin=http://127.0.0.1:{origin}", f"--name={NAME}"),
        *("--semantics=cloudfront", f"--listen=127.0.0.1:{viewers}"),
    )
    file = journey.folder / "edgecache.toml"
    file.write_text(file.read_text().replace(":8090", f":{control}"))
    assert "no problems" in journey.run(journey.program, "check")


def purge(journey: Journey, prefix: tuple[str, ...], control: str) -> None:
    """An access key here, and an invalidation with nothing but that from the other machine."""
    printed = journey.run(
        *(journey.program, "access-keys", "create", "deploy", "--only", "invalidate"),
        EDGECACHE_CONFIG=str(journey.folder / "edgecache.toml"),
        EDGECACHE_SET=f'["control.listen={control}", "cluster.mutual_tls=false"]',
    )
    words = dict(line.split("=", 1) for line in printed.split() if line.startswith("EDGECACHE_"))
    elsewhere = journey.folder.parent / "elsewhere"
    elsewhere.mkdir()
    command = (*prefix, journey.program, "invalidate", NAME, "/*")
    more: Mapping[str, str] = {**words, "EDGECACHE_CONTROL": f"http://{control}"}
    assert "Completed" in journey.run(*command, cwd=elsewhere, **more)


def own_site(journey: Journey, machine: Machine | None) -> None:
    """A web server, a file of one's own, and a purge from the other machine."""
    origin, viewers, control = free_ports(3)
    www = journey.folder / "www"
    www.mkdir()
    (www / "index.html").write_text("hello\n")
    served = (sys.executable, "-m", "http.server", str(origin), "--bind=127.0.0.1")
    web = start((*served, f"--directory={www}"), journey.folder, "web")
    with running(web, lambda: listens(origin), 60):
        own_file(journey, origin, viewers, control)
        reached = f"{machine.gateway if machine else '127.0.0.2'}:{control}"
        more = (f"--set=control.listen={reached}", "--set=cluster.mutual_tls=false")
        process = start((journey.program, "up", *more), journey.folder, "up")
        with running(process, lambda: "Ctrl-C" in process.stdout, 60):
            assert answer(viewers, NAME).startswith("Hit")
            journey.tell("the first hit of one's own configuration")
            purge(journey, machine.prefix if machine else (), reached)
            journey.tell(
                f"the first invalidation from {'another machine' if machine else 'elsewhere'}"
            )


def another_machine() -> Machine | None:
    """None where this user may make no network namespaces."""
    try:
        return make_machine(0)
    except pytest.skip.Exception:
        return None


def main() -> None:
    machine = another_machine()
    try:
        with tempfile.TemporaryDirectory(prefix="newcomer-") as folder:
            journey = Journey(Path(folder))
            first_hit(journey)
            own_site(journey, machine)
    finally:
        if machine:
            remove_machine(machine)


if __name__ == "__main__":
    main()
